//! Limits: samples, time, cancellation; and a broken store.

use crate::{Cancel, Memory, engine};
use std::time::Duration;
use tidewatch_model::{LabelQuery, Select, SelectError, Selection, Series};
use tidewatch_promql::{Engine, EngineOptions, QueryError};

fn store() -> Memory {
    let lines: String = (0..20).map(|n| format!("x{{n=\"{n}\"}}: 0+1x99\n")).collect();
    Memory::load(1000, &lines)
}

fn ask(options: EngineOptions, query: &str) -> Result<usize, QueryError> {
    let answer = Engine::new(options).range(&store(), query, 0, 99_000, 1000, &Cancel::new())?;
    Ok(answer.samples_read)
}

#[test]
fn samples_in_memory_are_limited() {
    let options = |max_samples| EngineOptions { max_samples, ..EngineOptions::default() };
    let error = ask(options(1000), "x").unwrap_err();
    assert!(matches!(error, QueryError::TooManySamples { limit: 1000 }));
    assert_eq!(
        error.to_string(),
        "query processing would load too many samples into memory in query execution; hint: more than 1000 samples \
         at once, narrow the selectors or the range, or raise --query.max-samples"
    );
    assert_eq!(ask(options(5000), "x").unwrap(), 2000);
    // an aggregation holds its groups, not its series
    assert_eq!(ask(options(1000), "sum(rate(x[5s]))").unwrap(), 2000);
    assert!(matches!(ask(options(1000), "sum by (n) (x)"), Err(QueryError::TooManySamples { .. })));
    // a subquery with too many steps is refused before anything is allocated
    assert!(matches!(
        ask(options(1000), "sum_over_time(x[10y:1ms])"),
        Err(QueryError::TooManySamples { .. })
    ));
}

#[test]
fn time_is_limited() {
    let options = EngineOptions { timeout: Duration::ZERO, ..EngineOptions::default() };
    assert!(matches!(ask(options, "sum(x)"), Err(QueryError::Timeout)));
}

#[test]
fn a_query_can_be_canceled() {
    let cancel = Cancel::new();
    let elsewhere = cancel.clone();
    elsewhere.cancel();
    assert!(elsewhere.is_canceled());
    let error = engine().instant(&store(), "x", 0, &cancel).unwrap_err();
    assert!(matches!(error, QueryError::Canceled));
    assert_eq!(error.to_string(), "query was canceled in expression evaluation");
}

struct Broken;

impl Select for Broken {
    fn select(&self, _: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError> {
        Err(SelectError::Storage("chunk 7 is damaged".into()))
    }

    fn label_names(&self, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }
}

#[test]
fn a_broken_store_is_named() {
    let error = engine().instant(&Broken, "x", 0, &Cancel::new()).unwrap_err();
    assert_eq!(error.to_string(), "expanding series: chunk 7 is damaged");
}

/// The API takes every time that fits into 64 bits of milliseconds. Arithmetic that does not is a panic in tests.
#[test]
fn times_at_the_ends_of_what_a_count_holds_are_answered() {
    const QUERIES: [&str; 22] = [
        "x",
        "x[5m]",
        "x[100y]",
        "x[5m:1m]",
        "x[5m:100y]",
        "x offset 100y",
        "x offset -100y",
        "x @ 9e15",
        "x @ -9e15",
        "x @ start()",
        "rate(x[5m])",
        "rate(x[5m] offset -100y)",
        "sum_over_time(x[10m:5m])",
        "max_over_time(rate(x[5m])[10m:5m] @ 10)",
        "predict_linear(x[5m] @ 90, 3600)",
        "deriv(x[5m] @ 90)",
        "timestamp(x)",
        "time()",
        "year()",
        "day_of_year(vector(time()))",
        "absent(x)",
        "sum by (n) (x) / on (n) x",
    ];
    let store = store();
    for query in QUERIES {
        for time in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            let answer = engine().instant(&store, query, time, &Cancel::new());
            assert!(answer.is_ok(), "{query} at {time}: {answer:?}");
        }
        if query.ends_with(']') {
            continue;
        }
        for (start, end) in [(i64::MIN, i64::MAX), (i64::MIN, i64::MIN + 10), (i64::MAX - 10, i64::MAX)] {
            let step = ((end / 4).saturating_sub(start / 4)).max(1);
            let answer = engine().range(&store, query, start, end, step, &Cancel::new());
            // A subquery over all of time has too many steps.
            let refused = matches!(answer, Err(QueryError::TooManySamples { .. })) && query.contains(':');
            assert!(answer.is_ok() || refused, "{query} from {start} to {end}: {answer:?}");
        }
    }
}
