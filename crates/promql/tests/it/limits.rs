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
