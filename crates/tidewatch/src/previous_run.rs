//! Ends the series that the run before left open.
//!
//! Input: the store as the previous run of `up` left it, in order or not. Output: a staleness marker right after the last
//! sample of every series that a query would still see. The pods of that run are gone with it: without the markers they
//! would be counted beside the new ones for as long as an instant selector looks back. `serve` leaves series alone, as
//! Prometheus does, because its targets lived on.

use crate::failure::Failure;
use std::time::Duration;
use tidewatch_model::{
    Append, Batch, Columns, METRIC_NAME, MatchOp, Matcher, Select, Selection, SeriesRef, is_stale, stale_nan,
};

/// Marks the ends; gives the number of series ended.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) fn end_series(
    store: &(impl Select + Append),
    now: i64,
    lookback: Duration,
) -> Result<usize, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::from_error(error);
    let named = Matcher::new(METRIC_NAME, MatchOp::NotEqual, "").map_err(|e| failed(&e))?;
    let start = now - i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX);
    let matchers = [named];
    let open = store.select(&Selection { matchers: &matchers, start, end: now }).map_err(|e| failed(&e))?;
    let (mut columns, mut batch) = (Columns::default(), Batch::default());
    for series in open {
        columns.clear();
        series.read(&mut columns).map_err(|e| failed(&e))?;
        if let (Some(last), Some(value)) = (columns.timestamps.last(), columns.values.last())
            && !is_stale(*value)
        {
            batch.push(SeriesRef::UNKNOWN, series.labels().clone(), last + 1, stale_nan());
        }
    }
    Ok(store.append(&mut batch).map_err(|e| failed(&e))?.accepted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_model::Labels;
    use tidewatch_tsdb::{Tsdb, TsdbOptions};

    #[test]
    fn only_what_is_still_seen_is_ended_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap();
        let now = 1_700_000_000_000;
        let mut batch = Batch::default();
        for (name, age) in [("old", 400_000), ("open", 60_000), ("fresh", 1_000)] {
            batch.push(SeriesRef::UNKNOWN, Labels::from_pairs([(METRIC_NAME, name)]), now - age, 1.0);
        }
        batch.push(SeriesRef::UNKNOWN, Labels::from_pairs([(METRIC_NAME, "ended")]), now - 500, stale_nan());
        store.append(&mut batch).unwrap();
        let lookback = Duration::from_secs(300);
        assert_eq!(end_series(&store, now, lookback).unwrap(), 2);
        assert_eq!(end_series(&store, now, lookback).unwrap(), 0);
    }
}
