//! Recorded series: the answer of a Prometheus range query.
//!
//! Input: the JSON of `/api/v1/query_range`, as a server or `tidewatch query --output json` gives it. Output: [`Recording`], which can be
//! a load or calibrate a service model. Asking the server is the caller's.

use crate::{Load, Segment, SimulationError};
use serde_json::Value;

/// One recorded series.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// `[time, value]`: seconds since the Unix epoch, ascending; values are finite. At least one.
    pub samples: Vec<(f64, f64)>,
}

impl Recording {
    /// Reads the answer of a range query that gives one series; samples that are not finite are left out. `name` is what errors
    /// call it, e.g. the file's name.
    ///
    /// # Errors
    /// When the text is no such answer, has several series or none, or no finite sample.
    pub fn parse(name: &str, text: &str) -> Result<Self, SimulationError> {
        let wrong = |problem: String, hint: &str| SimulationError::field(name, problem, hint);
        let answer: Value = serde_json::from_str(text).map_err(|error| {
            wrong(format!("is no JSON: {error}"), "save the answer of /api/v1/query_range")
        })?;
        if answer.get("status").and_then(Value::as_str) == Some("error") {
            let told = answer.get("error").and_then(Value::as_str).unwrap_or("an error");
            return Err(wrong(format!("the server answered: {told}"), "correct the query"));
        }
        let data = answer.get("data").unwrap_or(&answer);
        let no_matrix = || {
            wrong(
                "is no range query's answer".to_owned(),
                "ask /api/v1/query_range, which answers with a matrix",
            )
        };
        let Some([series, more @ ..]) = data.get("result").and_then(Value::as_array).map(Vec::as_slice)
        else {
            return Err(if data.get("result").is_some() {
                wrong("has no series".to_owned(), "widen the range, or correct the query")
            } else {
                no_matrix()
            });
        };
        if !more.is_empty() {
            return Err(wrong(format!("has {} series", more.len() + 1), "sum them up: sum(...)"));
        }
        let values = series.get("values").and_then(Value::as_array).ok_or_else(no_matrix)?;
        let mut samples: Vec<(f64, f64)> = values.iter().filter_map(sample).collect();
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        samples.dedup_by(|a, b| a.0 == b.0);
        if samples.is_empty() {
            return Err(wrong("has no finite sample".to_owned(), "widen the range, or correct the query"));
        }
        Ok(Self { samples })
    }

    /// The value at a moment, between samples in a straight line; none outside of the recorded time.
    pub fn at(&self, seconds: f64) -> Option<f64> {
        let after = self.samples.partition_point(|(at, _)| *at <= seconds);
        let (from, low) = *self.samples.get(after.checked_sub(1)?)?;
        match self.samples.get(after) {
            Some((to, high)) => Some(low + (high - low) * (seconds - from) / (to - from)),
            None => (from == seconds).then_some(low),
        }
    }

    /// The last value at or before a moment, for counts that change in steps.
    pub fn last_at(&self, seconds: f64) -> Option<f64> {
        let after = self.samples.partition_point(|(at, _)| *at <= seconds);
        Some(self.samples.get(after.checked_sub(1)?)?.1)
    }

    /// As a load; negative rates count as none.
    pub fn load(&self) -> Load {
        let start = self.samples[0].0;
        let points = self.samples.iter().map(|(at, rate)| (at - start, rate.max(0.0))).collect();
        Load { segments: vec![Segment::Recorded { points }], ..Load::default() }
    }
}

fn sample(pair: &Value) -> Option<(f64, f64)> {
    let value = pair.get(1)?;
    let value = value.as_str().map_or_else(|| value.as_f64(), |text| text.parse().ok())?;
    value.is_finite().then_some((pair.get(0)?.as_f64()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{},"values":[[100,"1"],[115,"NaN"],[130,"4"]]}]}}"#;

    #[test]
    fn an_answer_becomes_a_load() {
        let recording = Recording::parse("rate.json", ANSWER).unwrap();
        assert_eq!(recording.samples, [(100.0, 1.0), (130.0, 4.0)]);
        assert_eq!((recording.at(110.0), recording.at(131.0), recording.at(99.0)), (Some(2.0), None, None));
        assert_eq!((recording.last_at(129.0), recording.last_at(500.0)), (Some(1.0), Some(4.0)));
        assert_eq!(recording.load().segments, [Segment::Recorded { points: vec![(0.0, 1.0), (30.0, 4.0)] }]);
    }

    #[test]
    fn other_answers_are_refused_with_a_remedy() {
        let check = |text: &str, expected: &str| {
            let error = Recording::parse("rate.json", text).unwrap_err().to_string();
            assert!(
                error.starts_with("rate.json: ") && error.contains(expected) && error.contains("hint: "),
                "{error}"
            );
        };
        check("nothing", "is no JSON");
        check(r#"{"status":"error","error":"parse error"}"#, "parse error");
        check(r#"{"data":{"result":[]}}"#, "has no series");
        check(r#"{"data":{"result":[{"values":[]},{"values":[]}]}}"#, "has 2 series");
        check(r#"{"data":{"result":[{"value":[1,"2"]}]}}"#, "is no range query's answer");
        check(r#"{"data":{"result":[{"values":[[1,"NaN"]]}]}}"#, "has no finite sample");
    }
}
