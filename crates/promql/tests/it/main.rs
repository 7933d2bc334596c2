//! Queries against a small store: values, messages, limits.

mod functions;
mod limits;
mod mistakes;
mod operators;
mod properties;
mod selectors;

use tidewatch_promql::{Answer, Cancel, Engine, EngineOptions, QueryError, Value};
use tidewatch_testkit::Memory;

/// The samples most tests look at, every 10 s from 0 to 300 s.
const DATA: &str = r#"
    c_total{job="a"}: 0+10x30
    c_total{job="b"}: 0+5x9 0+5x20
    g{pod="1", node="x"}: 1+1x30
    g{pod="2", node="x"}: 30-1x30
    g{pod="3", node="y"}: 5x24 stale _x5
    odd{v="nan"}: NaNx30
    odd{v="inf"}: Infx30
    odd{v="minus"}: -2.5x30
    info{pod="1", version="a"}: 1x30
    info{pod="2", version="b"}: 1x30
    node{node="x"}: 100x30
    node{node="y"}: 200x30
    b_bucket{le="1"}: 0+1x30
    b_bucket{le="2"}: 0+3x30
    b_bucket{le="+Inf"}: 0+4x30
    few: 1 _x10 2 _x10 3 _x9
    one{l="1"}: 1x15 stale _x14
    two{l="1"}: _x20 2x10
    both_a{l="1"}: 1x30
    both_b{l="1"}: 2x30
"#;

fn engine() -> Engine {
    Engine::new(EngineOptions { experimental_functions: true, ..EngineOptions::default() })
}

fn at(store: &Memory, query: &str, seconds: i64) -> Result<Answer, QueryError> {
    engine().instant(store, query, seconds * 1000, &Cancel::new())
}

/// A value as tests write it: `{a="1"} 5; {a="2"} 6`, series of a range `{} 1@0 2@60`.
fn text(value: &Value) -> String {
    let labels = |l: &tidewatch_model::Labels| l.to_string();
    let parts: Vec<String> = match value {
        Value::Scalar(sample) => vec![format!("{}", sample.value)],
        Value::Text { text, .. } => vec![format!("{text:?}")],
        Value::Vector(v) => v.iter().map(|e| format!("{} {}", labels(&e.labels), e.sample.value)).collect(),
        Value::Matrix(m) => {
            let series = m.iter().map(|s| {
                let samples = s.samples.iter().map(|s| format!(" {}@{}", s.value, s.timestamp / 1000));
                format!("{}{}", labels(&s.labels), samples.collect::<String>())
            });
            series.collect()
        }
    };
    parts.join("; ")
}

/// Checks answers at 300 s.
fn check_at_300(cases: &[(&str, &str)]) {
    let store = Memory::load(10_000, DATA);
    for (query, expected) in cases {
        let found = at(&store, query, 300).map(|answer| text(&answer.value));
        assert_eq!(found.as_deref().map_err(ToString::to_string), Ok(*expected), "{query}");
    }
}

/// Checks answers at 0, 60, … 300 s.
fn check_range(cases: &[(&str, &str)]) {
    let store = Memory::load(10_000, DATA);
    for (query, expected) in cases {
        let found = engine().range(&store, query, 0, 300_000, 60_000, &Cancel::new());
        let found = found.map(|answer| text(&answer.value));
        assert_eq!(found.as_deref().map_err(ToString::to_string), Ok(*expected), "{query}");
    }
}

/// Checks what goes wrong at 300 s.
fn check_error(cases: &[(&str, &str)]) {
    let store = Memory::load(10_000, DATA);
    for (query, expected) in cases {
        let found = at(&store, query, 300).map(|answer| text(&answer.value));
        assert_eq!(found.map_err(|e| e.to_string()), Err((*expected).to_owned()), "{query}");
    }
}
