//! Results of queries as JSON.
//!
//! Input: an [`Answer`] of the query engine. Output: the `data` of the envelope, streamed into bytes. Only float samples
//! exist here: native histograms are not stored.

use crate::json::{
    push_escaped_text, push_labels, push_list, push_scalar_value, push_short_timestamp, push_timestamp,
    push_value,
};
use tidewatch_model::{Sample, SeriesExemplars};
use tidewatch_promql::{Answer, MatrixSeries, Value, VectorElement};

/// The warning that goes with a result cut to `limit`.
const TRUNCATED: &str = "results truncated due to limit";

/// Bytes a sample takes in JSON, about.
const SAMPLE_BYTES: usize = 26;
/// Bytes a label set takes in JSON, about.
const LABELS_BYTES: usize = 160;

/// Cuts a vector or matrix to `limit` series and adds the warning; 0 is no limit.
pub(crate) fn truncate(answer: &mut Answer, limit: usize) {
    if limit == 0 {
        return;
    }
    let cut = match &mut answer.value {
        Value::Vector(elements) if elements.len() > limit => {
            elements.truncate(limit);
            true
        }
        Value::Matrix(series) if series.len() > limit => {
            series.truncate(limit);
            true
        }
        _ => false,
    };
    if cut {
        answer.warnings.push(TRUNCATED.to_owned());
    }
}

/// How many bytes the value will take, about.
pub(crate) fn estimated_bytes(value: &Value) -> usize {
    match value {
        Value::Scalar(_) | Value::Text { .. } => 128,
        Value::Vector(elements) => elements.len() * (LABELS_BYTES + SAMPLE_BYTES),
        Value::Matrix(series) => {
            series.iter().map(|series| LABELS_BYTES + series.samples.len() * SAMPLE_BYTES).sum()
        }
    }
}

/// Writes `{"resultType":…,"result":…` and whatever `push_rest` adds before the closing brace.
pub(crate) fn push_query_data(out: &mut Vec<u8>, value: &Value, push_rest: impl FnOnce(&mut Vec<u8>)) {
    let kind = match value {
        Value::Scalar(_) => "scalar",
        Value::Text { .. } => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    };
    out.extend_from_slice(format!("{{\"resultType\":\"{kind}\",\"result\":").as_bytes());
    match value {
        Value::Scalar(sample) => {
            push_pair(
                out,
                |out| push_short_timestamp(out, sample.timestamp),
                |out| {
                    push_scalar_value(out, sample.value);
                },
            );
        }
        Value::Text { timestamp, text } => {
            push_pair(out, |out| push_short_timestamp(out, *timestamp), |out| push_escaped_text(out, text));
        }
        Value::Vector(elements) => push_list(out, elements, push_element),
        Value::Matrix(series) => push_list(out, series, push_series),
    }
    push_rest(out);
    out.push(b'}');
}

fn push_pair(out: &mut Vec<u8>, first: impl FnOnce(&mut Vec<u8>), second: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    first(out);
    out.push(b',');
    second(out);
    out.push(b']');
}

fn push_element(out: &mut Vec<u8>, element: &VectorElement) {
    out.extend_from_slice(b"{\"metric\":");
    push_labels(out, &element.labels);
    out.extend_from_slice(b",\"value\":");
    push_sample(out, &element.sample);
    out.push(b'}');
}

fn push_series(out: &mut Vec<u8>, series: &MatrixSeries) {
    out.extend_from_slice(b"{\"metric\":");
    push_labels(out, &series.labels);
    if !series.samples.is_empty() {
        out.extend_from_slice(b",\"values\":");
        push_list(out, &series.samples, push_sample);
    }
    out.push(b'}');
}

fn push_sample(out: &mut Vec<u8>, sample: &Sample) {
    push_pair(out, |out| push_timestamp(out, sample.timestamp), |out| push_value(out, sample.value));
}

/// Exemplars by series, as `query_exemplars` answers.
pub(crate) fn push_exemplars(out: &mut Vec<u8>, series: &[SeriesExemplars]) {
    push_list(out, series, |out, series| {
        out.extend_from_slice(b"{\"seriesLabels\":");
        push_labels(out, &series.labels);
        out.extend_from_slice(b",\"exemplars\":");
        push_list(out, &series.exemplars, |out, exemplar| {
            out.extend_from_slice(b"{\"labels\":");
            push_labels(out, &exemplar.labels);
            out.extend_from_slice(b",\"value\":");
            push_value(out, exemplar.value);
            out.extend_from_slice(b",\"timestamp\":");
            push_timestamp(out, exemplar.timestamp);
            out.push(b'}');
        });
        out.push(b'}');
    });
}

/// A list of texts, as label names and values are answered.
pub(crate) fn push_texts(out: &mut Vec<u8>, texts: &[String]) {
    push_list(out, texts, |out, text| push_escaped_text(out, text));
}

/// Cuts a list to `limit` entries and gives the warning if that took something away; 0 is no limit.
pub(crate) fn truncate_list<T>(list: &mut Vec<T>, limit: usize) -> Vec<String> {
    if limit == 0 || list.len() <= limit {
        return Vec::new();
    }
    list.truncate(limit);
    vec![TRUNCATED.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_model::Labels;

    fn sample(timestamp: i64, value: f64) -> Sample {
        Sample { timestamp, value }
    }

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        push_query_data(&mut out, value, |_| {});
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_of_result_is_written_as_prometheus_writes_it() {
        let check = |value: Value, expected: &str| assert_eq!(written(&value), expected);
        let up = Labels::from_pairs([("__name__", "up"), ("job", "a\"<b")]);
        check(
            Value::Scalar(sample(1_795_374_310_124, 1.0)),
            r#"{"resultType":"scalar","result":[1795374310.124,"1"]}"#,
        );
        check(
            Value::Text { timestamp: -1, text: "a\"<b".into() },
            r#"{"resultType":"string","result":[-0.001,"a\"\u003cb"]}"#,
        );
        check(Value::Vector(vec![]), r#"{"resultType":"vector","result":[]}"#);
        check(
            Value::Vector(vec![VectorElement { labels: up.clone(), sample: sample(1500, 0.5) }]),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"<b"},"value":[1.500,"0.5"]}]}"#,
        );
        check(
            Value::Matrix(vec![
                MatrixSeries { labels: Labels::empty(), samples: vec![sample(0, 1.0), sample(1000, 1e21)] },
                MatrixSeries { labels: up, samples: vec![] },
            ]),
            "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[0,\"1\"],[1,\"1e+21\"]]},\
             {\"metric\":{\"__name__\":\"up\",\"job\":\"a\\\"<b\"}}]}",
        );
    }
}
