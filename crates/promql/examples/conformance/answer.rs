//! Replies of both engines in one form, and what differs between them.
//!
//! Input: Prometheus's JSON, or an answer of the engine. Output: the first difference, or none. Values may differ by
//! 1e-12 of their size, as the two use different mathematical libraries.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use tidewatch_promql::{Answer, QueryError, Value};

#[derive(Debug)]
pub(crate) enum Reply {
    Error { kind: String, text: String },
    Data { kind: String, series: Vec<Row>, warnings: Vec<String>, infos: Vec<String> },
}

/// Labels and samples.
type Row = (BTreeMap<String, String>, Vec<(i64, f64)>);

fn float(json: &Json) -> f64 {
    match json.as_str().unwrap_or_default() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text => text.parse().expect("a number"),
    }
}

fn sample(json: &Json) -> (i64, f64) {
    ((json[0].as_f64().expect("a time") * 1000.0).round() as i64, float(&json[1]))
}

fn row(json: &Json) -> Row {
    let metric = json["metric"].as_object().expect("labels");
    let labels = metric.iter().map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default().to_owned()));
    let samples = match json.get("values") {
        Some(values) => values.as_array().expect("samples").iter().map(sample).collect(),
        None => vec![sample(&json["value"])],
    };
    (labels.collect(), samples)
}

fn texts(json: &Json) -> Vec<String> {
    let list = json.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut texts: Vec<String> = list.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect();
    texts.sort();
    texts
}

impl Reply {
    pub(crate) fn from_json(body: &[u8]) -> Self {
        let json: Json = serde_json::from_slice(body)
            .unwrap_or_else(|e| panic!("no JSON ({e}): {}", String::from_utf8_lossy(body)));
        if json["status"] != "success" {
            let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
            return Self::Error { kind: text("errorType"), text: text("error") };
        }
        let data = &json["data"];
        let kind = data["resultType"].as_str().unwrap_or_default().to_owned();
        let series = match kind.as_str() {
            "scalar" => vec![(BTreeMap::new(), vec![sample(&data["result"])])],
            "string" => {
                let text = data["result"][1].as_str().unwrap_or_default().to_owned();
                vec![(BTreeMap::from([("text".to_owned(), text)]), Vec::new())]
            }
            _ => data["result"].as_array().expect("series").iter().map(row).collect(),
        };
        Self::Data { kind, series, warnings: texts(&json["warnings"]), infos: texts(&json["infos"]) }
    }

    pub(crate) fn from_engine(answer: Result<Answer, QueryError>) -> Self {
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let kind = if matches!(error, QueryError::Parse(_)) { "bad_data" } else { "execution" };
                let text = error.to_string();
                let prefix = if kind == "bad_data" { "invalid parameter \"query\": " } else { "" };
                return Self::Error { kind: kind.to_owned(), text: format!("{prefix}{text}") };
            }
        };
        answer.warnings.sort();
        answer.infos.sort();
        let labels = |labels: &tidewatch_model::Labels| {
            labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let (kind, series) = match &answer.value {
            Value::Scalar(s) => ("scalar", vec![(BTreeMap::new(), vec![(s.timestamp, s.value)])]),
            Value::Text { text, .. } => {
                ("string", vec![(BTreeMap::from([("text".to_owned(), text.clone())]), Vec::new())])
            }
            Value::Vector(elements) => {
                let rows = elements.iter();
                let rows = rows.map(|e| (labels(&e.labels), vec![(e.sample.timestamp, e.sample.value)]));
                ("vector", rows.collect())
            }
            Value::Matrix(matrix) => {
                let rows = matrix.iter().map(|m| {
                    (labels(&m.labels), m.samples.iter().map(|s| (s.timestamp, s.value)).collect::<Vec<_>>())
                });
                ("matrix", rows.collect())
            }
        };
        Self::Data { kind: kind.to_owned(), series, warnings: answer.warnings, infos: answer.infos }
    }
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
}

/// Errors are the same when their kinds are and our text begins with theirs; what follows may be a hint.
fn same_error(theirs: &str, ours: &str) -> bool {
    // the two say differently what is wrong with a regular expression
    let regex = |text: &str| text.split("error parsing regexp").next().map(str::len);
    if regex(theirs) != Some(theirs.len()) && ours.contains("invalid regular expression") {
        return true;
    }
    // which of several duplicates Prometheus names depends on the order of its hash tables
    let duplicate = "found duplicate series for the match group";
    if theirs.starts_with(duplicate) && ours.starts_with(duplicate) {
        return true;
    }
    ours == theirs || ours.strip_prefix(theirs).is_some_and(|rest| rest.starts_with("; hint:"))
}

fn rows(theirs: &[Row], ours: &[Row]) -> Option<String> {
    for (labels, _) in theirs {
        if !ours.iter().any(|(l, _)| l == labels) {
            return Some(format!("missing series {labels:?}"));
        }
    }
    for (labels, samples) in ours {
        let Some((_, expected)) = theirs.iter().find(|(l, _)| l == labels) else {
            return Some(format!("extra series {labels:?} {:?}", samples.first()));
        };
        if expected.len() != samples.len() {
            let (wanted, found) = (expected.len(), samples.len());
            let at = expected.iter().zip(samples).position(|(a, b)| a.0 != b.0).unwrap_or(wanted.min(found));
            return Some(format!(
                "{labels:?}: {wanted} samples expected, {found} found, first at {at}: {:?} {:?}",
                expected.get(at),
                samples.get(at)
            ));
        }
        for ((time, value), (t, v)) in expected.iter().zip(samples) {
            if time != t || !same(*value, *v) {
                return Some(format!("{labels:?}: expected {value:?} at {time}, found {v:?} at {t}"));
            }
        }
    }
    None
}

/// Prometheus 3.16 miscounts the samples whose buckets were raised (it overflows), so the number is left out.
fn masked(infos: &[String]) -> Vec<String> {
    let mask = |info: &String| match (info.find(", over "), info.find(" samples from ")) {
        (Some(from), Some(to)) => format!("{}{}", &info[..from], &info[to..]),
        _ => info.clone(),
    };
    infos.iter().map(mask).collect()
}

/// The first difference.
pub(crate) fn differences(theirs: &Reply, ours: &Reply, query: &str) -> Option<String> {
    match (theirs, ours) {
        (Reply::Error { kind, text }, Reply::Error { kind: k, text: t }) => (kind != k
            || !same_error(text, t))
        .then(|| format!("expected {kind}: {text}\n  found    {k}: {t}")),
        (
            Reply::Data { kind, series, warnings, infos },
            Reply::Data { kind: k, series: s, warnings: w, infos: i },
        ) => {
            if kind != k {
                return Some(format!("expected a {kind}, found a {k}"));
            }
            if let Some(difference) = rows(series, s) {
                return Some(difference);
            }
            // equal values may come in any order
            let sorts = ["sort", "topk", "bottomk"].iter().any(|name| query.starts_with(name));
            let grouped = query.contains(" by ") || query.contains(" without ");
            let labels = |rows: &[Row]| rows.iter().map(|(l, _)| l.clone()).collect::<Vec<_>>();
            let values = |rows: &[Row]| rows.iter().map(|(_, s)| s[0].1).collect::<Vec<_>>();
            if kind == "matrix" && labels(series) != labels(s) {
                return Some(format!("expected order {:?}\n  found {:?}", labels(series), labels(s)));
            }
            if kind == "vector"
                && sorts
                && !grouped
                && !values(series).iter().zip(values(s)).all(|(a, b)| same(*a, b))
            {
                return Some(format!("expected order {:?}\n  found {:?}", values(series), values(s)));
            }
            if warnings != w || masked(infos) != masked(i) {
                return Some(format!("expected {warnings:?} {infos:?}\n  found    {w:?} {i:?}"));
            }
            None
        }
        (theirs, ours) => {
            let short = |reply: &Reply| match reply {
                Reply::Error { kind, text } => format!("{kind}: {text}"),
                Reply::Data { kind, series, .. } => format!("{kind} of {} series", series.len()),
            };
            Some(format!("expected {}\n  found    {}", short(theirs), short(ours)))
        }
    }
}
