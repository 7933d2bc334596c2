//! Selectors: lookback, staleness, offset, `@`, ranges, subqueries.

use crate::Memory;
use crate::{at, check_at_300, check_range, text};

#[test]
fn lookback_is_open_on_the_left() {
    let store = Memory::load(10_000, "x: 7");
    let check = |seconds, expected: &str| {
        assert_eq!(text(&at(&store, "x", seconds).unwrap().value), expected, "{seconds}");
    };
    check(-1, "");
    check(0, "x 7");
    check(299, "x 7");
    check(300, "");
}

#[test]
fn ranges_are_open_on_the_left() {
    check_at_300(&[
        ("count_over_time(c_total{job=\"a\"}[10s])", "{job=\"a\"} 1"),
        ("rate(c_total{job=\"a\"}[10s])", ""),
        ("count_over_time(c_total{job=\"a\"}[11s])", "{job=\"a\"} 2"),
        ("few[2m]", "few 3@220"),
        ("few[301s]", "few 1@0 2@110 3@220"),
    ]);
}

#[test]
fn a_stale_marker_ends_a_series_at_once() {
    check_range(&[("g{pod=\"3\"}", "g{node=\"y\", pod=\"3\"} 5@0 5@60 5@120 5@180 5@240")]);
    check_at_300(&[
        ("g{pod=\"3\"}", ""),
        ("g{pod=\"3\"} offset 1m", "g{node=\"y\", pod=\"3\"} 5"),
        ("count_over_time(g{pod=\"3\"}[5m])", "{node=\"y\", pod=\"3\"} 24"),
    ]);
}

#[test]
fn offset_and_at_move_the_look() {
    check_at_300(&[
        ("c_total{job=\"a\"} offset 1m", "c_total{job=\"a\"} 240"),
        ("c_total{job=\"a\"} offset -1m", "c_total{job=\"a\"} 300"),
        ("c_total{job=\"a\"} offset 1m * 2", "{job=\"a\"} 480"),
        ("c_total{job=\"a\"} offset (1m * 2)", "c_total{job=\"a\"} 180"),
        ("c_total{job=\"a\"} @ 100", "c_total{job=\"a\"} 100"),
        ("c_total{job=\"a\"} @ 2m offset 1m", "c_total{job=\"a\"} 60"),
        ("c_total{job=\"a\"} offset 1m @ 2m", "c_total{job=\"a\"} 60"),
        ("sum_over_time(c_total{job=\"a\"}[21s] @ 100)", "{job=\"a\"} 270"),
        ("c_total{job=\"a\"}[1m - 20s]", "c_total{job=\"a\"} 270@270 280@280 290@290 300@300"),
    ]);
    check_range(&[
        ("c_total{job=\"a\"} @ start()", "c_total{job=\"a\"} 0@0 0@60 0@120 0@180 0@240 0@300"),
        ("sum(c_total @ end())", "{} 400@0 400@60 400@120 400@180 400@240 400@300"),
    ]);
}

#[test]
fn subqueries_run_on_multiples_of_their_step() {
    check_at_300(&[
        ("vector(time())[1m:25s]", "{} 250@250 275@275 300@300"),
        ("vector(time())[3m:]", "{} 180@180 240@240 300@300"),
        ("sum_over_time(c_total{job=\"a\"}[1m:30s])", "{job=\"a\"} 570"),
        ("sum_over_time(c_total{job=\"a\"}[1m:30s] offset 1m)", "{job=\"a\"} 450"),
        ("max_over_time(rate(c_total{job=\"b\"}[1m])[5m:1m])", "{job=\"b\"} 0.5"),
        ("max_over_time(sum_over_time(c_total{job=\"a\"}[20s:10s])[1m:30s])", "{job=\"a\"} 590"),
        ("sum_over_time((c_total{job=\"a\"} @ 100)[1m:30s])", "{job=\"a\"} 200"),
        ("sum_over_time(vector(time())[1m:20s] @ 100)", "{} 240"),
    ]);
}

#[test]
fn names_beside_and_inside_braces() {
    check_at_300(&[
        ("{\"few\"}", "few 3"),
        ("{__name__=\"few\", \"few\"}", "few 3"),
        ("{\"few\", \"one\"}", ""),
        ("count({__name__=~\"both_.\"})", "{} 2"),
        ("c_total{job=~\"(?i)A\"}", "c_total{job=\"a\"} 300"),
        ("c_total{job!~\"a|c\"}", "c_total{job=\"b\"} 100"),
        ("g{pod=\"1\", none=\"\"}", "g{node=\"x\", pod=\"1\"} 31"),
    ]);
}

#[test]
fn extended_ranges() {
    check_at_300(&[
        ("increase(c_total{job=\"a\"}[15s] anchored)", "{job=\"a\"} 20"),
        ("increase(c_total{job=\"a\"}[15s] smoothed)", "{job=\"a\"} 15"),
        ("rate(few[2m] anchored)", "{} 0.008333333333333333"),
        ("changes(few[2m] anchored)", "{} 1"),
        ("few smoothed offset 1m", "few 3"),
        ("few smoothed @ 55", "few 1.5"),
        // the marker at 250 s does not end an interpolated series
        ("g{pod=\"3\"} smoothed", "g{node=\"y\", pod=\"3\"} 5"),
    ]);
}
