//! Which series, names and values are found.

use crate::fixture::{HOUR, MINUTE, START, contents, open, scrape};
use tidewatch_model::{Batch, LabelQuery, MatchOp, Matcher, Select};
use tidewatch_tsdb::Tsdb;

/// Series 0 to 9 in the first hour, 5 to 14 in the third; part of it on disk.
fn filled(folder: &std::path::Path) -> Tsdb {
    let tsdb = open(folder);
    let (mut first, mut third) = (Batch::default(), Batch::default());
    for i in 0..60 {
        scrape(&tsdb, &mut first, 0..10, START + i * MINUTE);
    }
    for i in 0..60 {
        scrape(&tsdb, &mut third, 5..15, START + 2 * HOUR + i * MINUTE);
    }
    tsdb.maintain(START + 3 * HOUR).expect("maintains");
    tsdb
}

#[test]
fn ranges_take_only_their_samples() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = filled(folder.path());
    let check = |series: &str, start: i64, end: i64, expected: usize| {
        let matchers = [Matcher::equal("series", series)];
        let found = contents(&tsdb, &matchers, start, end);
        assert_eq!(found.values().map(Vec::len).sum::<usize>(), expected, "{series} {start}..={end}");
    };
    check("0", START, START + HOUR, 60);
    check("0", START + 1, START + 2 * MINUTE, 2);
    check("0", START + 2 * HOUR, START + 3 * HOUR, 0);
    check("7", i64::MIN, i64::MAX, 120);
    check("7", START + 59 * MINUTE, START + 2 * HOUR, 2);
    check("7", START + HOUR, START + HOUR, 0);
    check("12", START, START + HOUR, 0);
}

#[test]
fn matchers_are_combined() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = filled(folder.path());
    let check = |matchers: &[(&str, MatchOp, &str)], expected: usize| {
        let built: Vec<_> = matchers.iter().map(|(n, op, v)| Matcher::new(*n, *op, *v).unwrap()).collect();
        assert_eq!(contents(&tsdb, &built, i64::MIN, i64::MAX).len(), expected, "{matchers:?}");
    };
    use MatchOp::*;
    check(&[], 15);
    check(&[("__name__", Equal, "metric_0")], 3);
    check(&[("__name__", Regex, "metric_[01]"), ("series", NotEqual, "0")], 4);
    check(&[("series", Regex, "1|2|30")], 2);
    check(&[("instance", Regex, "127.*"), ("series", NotRegex, "1.*")], 9);
    check(&[("none", Equal, "")], 15);
    check(&[("none", NotEqual, "")], 0);
    check(&[("series", Equal, "")], 0);
}

#[test]
fn names_and_values_are_those_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let tsdb = filled(folder.path());
    let sets = [vec![Matcher::equal("series", "3")], vec![Matcher::equal("series", "12")]];
    let values = |matcher_sets: &[Vec<Matcher>], start, end| {
        tsdb.label_values("series", &LabelQuery { matcher_sets, start, end }).unwrap()
    };
    let names = |matcher_sets: &[Vec<Matcher>], start, end| {
        tsdb.label_names(&LabelQuery { matcher_sets, start, end }).unwrap()
    };
    assert_eq!(values(&[], i64::MIN, i64::MAX).len(), 15);
    assert_eq!(values(&[], START, START + HOUR).len(), 10);
    assert_eq!(
        values(&[], START + 2 * HOUR, i64::MAX),
        ["10", "11", "12", "13", "14", "5", "6", "7", "8", "9"]
    );
    assert_eq!(values(&sets, i64::MIN, i64::MAX), ["12", "3"]);
    assert_eq!(values(&sets, START, START + HOUR), ["3"]);
    assert_eq!(values(&[], START + 9 * HOUR, i64::MAX), [""; 0]);
    assert_eq!(names(&[], START, START + HOUR), ["__name__", "instance", "series"]);
    assert_eq!(names(&sets, START, START + HOUR), ["__name__", "instance", "series"]);
    assert_eq!(names(&[], i64::MIN, START - 1), [""; 0]);
    let none = LabelQuery { matcher_sets: &[], start: i64::MIN, end: i64::MAX };
    assert_eq!(tsdb.label_values("none", &none).unwrap(), [""; 0]);
}
