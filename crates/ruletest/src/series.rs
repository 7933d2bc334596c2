//! The series a test begins with, and the label sets it names.
//!
//! Input: the texts of `series` and `values`. Output: labels and values. A series that stands twice counts with its last values, as in
//! Prometheus.

use crate::shown::Pairs;
use crate::values::parse_values;
use tidewatch_model::{Labels, MatchOp};
use tidewatch_promql::parse_selector;

/// A series of a test.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) labels: Labels,
    /// One value for each interval of the test, absent where there is no sample.
    pub(crate) values: Vec<Option<f64>>,
    /// How many of them are in the store or left out.
    pub(crate) written: usize,
}

/// Reads all series of a test.
pub(crate) fn read_series(series: &[(String, String)]) -> Result<Vec<Input>, String> {
    let mut read: Vec<Input> = Vec::with_capacity(series.len());
    for (name, values) in series {
        let failed = |error: String| format!("error in input_series {name:?}: {error}");
        let labels = Labels::from_pairs(parse_labels(name).map_err(failed)?);
        let values = parse_values(values).map_err(failed)?;
        read.retain(|other| other.labels != labels);
        read.push(Input { labels, values, written: 0 });
    }
    Ok(read)
}

/// Reads a series' name: `up{job="a"}`, `{a="b"}`; nothing is the series without labels.
pub(crate) fn parse_labels(text: &str) -> Result<Pairs, String> {
    if ["", "{}"].contains(&text.trim()) {
        return Ok(Pairs::new());
    }
    let mut labels = Pairs::new();
    for matcher in parse_selector(text).map_err(|error| error.to_string())? {
        if matcher.op() != MatchOp::Equal {
            return Err(format!(
                "label {:?} is not set with =; hint: name one series, e.g. up{{job=\"api\"}}",
                matcher.name()
            ));
        }
        if labels.insert(matcher.name().to_owned(), matcher.value().to_owned()).is_some() {
            return Err(format!("label {:?} is set twice", matcher.name()));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_read_and_the_last_of_equal_ones_counts() {
        let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, values)| ((*name).to_owned(), (*values).to_owned())).collect()
        };
        let read = read_series(&of(&[("up{a=\"b\"}", "1"), ("{__name__=\"up\", a='b'}", "2 _")])).unwrap();
        assert_eq!((read.len(), &read[0].values), (1, &vec![Some(2.0), None]));
        let check = |name: &str, values: &str, expected: &str| {
            let error = read_series(&of(&[(name, values)])).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("up{a=~\"b\"}", "1", "name one series");
        check("up{", "1", "input_series \"up{\"");
        check("up", "1+x", "unexpected \"1+x\"");
        check("up{a=\"1\", a=\"2\"}", "1", "set twice");
    }
}
