//! What holds for every query: a range is its instants, a printed query reads back, nothing makes the parser panic.

use crate::{Cancel, DATA, Memory, engine};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidewatch_model::Labels;
use tidewatch_promql::{Value, format_query};

type Points = BTreeMap<(Labels, i64), u64>;

fn points(value: Value) -> Points {
    let mut points = Points::new();
    match value {
        Value::Scalar(s) => _ = points.insert((Labels::empty(), s.timestamp), s.value.to_bits()),
        Value::Text { .. } => {}
        Value::Vector(v) => {
            points.extend(v.into_iter().map(|e| ((e.labels, e.sample.timestamp), e.sample.value.to_bits())));
        }
        Value::Matrix(m) => {
            for series in m {
                let labels = series.labels;
                let samples = series.samples.into_iter();
                points.extend(samples.map(|s| ((labels.clone(), s.timestamp), s.value.to_bits())));
            }
        }
    }
    points
}

#[test]
fn a_range_query_is_its_instant_queries() {
    let store = Memory::load(10_000, DATA);
    for query in [
        "c_total",
        "g offset 30s",
        "few @ 200",
        "time()",
        "scalar(few) * 2",
        "vector(time())",
        "rate(c_total[1m])",
        "increase(c_total[47s])",
        "irate(c_total[25s])",
        "delta(g[1m])",
        "idelta(g[1m])",
        "increase(c_total[1m] anchored)",
        "rate(c_total[1m] smoothed)",
        "g smoothed",
        "changes(few[3m] anchored)",
        "sum_over_time(g[1m])",
        "avg_over_time(g[1m])",
        "min_over_time(g[35s])",
        "max_over_time(odd[35s])",
        "stddev_over_time(g[2m])",
        "quantile_over_time(0.3, g[1m])",
        "mad_over_time(g[1m])",
        "integral(g[1m])",
        "changes(g[1m])",
        "resets(c_total[1m])",
        "deriv(g[1m])",
        "predict_linear(g[1m], 30)",
        "double_exponential_smoothing(g[1m], 0.3, 0.7)",
        "ts_of_max_over_time(g[1m])",
        "absent_over_time(few[20s])",
        "absent(g{pod=\"3\"})",
        "timestamp(few)",
        "minute()",
        "clamp(g, 3, scalar(few))",
        "max_over_time(rate(c_total[30s])[1m:7s])",
        "sum_over_time((g @ 100)[1m:20s] offset 30s)",
        "g * on (pod) group_left (version) info",
        "g > on (node) group_left () node / 10",
        "one or two",
        "g and on (pod) info{version=\"a\"}",
        "g unless on (pod) info",
        "{__name__=~\"one|two\"} + 1",
        "sum(g)",
        "avg by (node) (g)",
        "stddev(g)",
        "quantile(0.4, g)",
        "topk(1, g)",
        "bottomk by (node) (1, g)",
        "count_values(\"v\", g)",
        "limit_ratio(0.5, g)",
        "histogram_quantile(0.6, rate(b_bucket[1m]))",
        "histogram_fraction(0.5, 1.7, b_bucket)",
        "label_replace(g, \"p\", \"$1\", \"pod\", \"(.)\")",
    ] {
        let (start, end, step) = (-20_000, 330_000, 7_000);
        let range = engine().range(&store, query, start, end, step, &Cancel::new()).unwrap();
        let mut instants = Points::new();
        for time in (start..=end).step_by(step as usize) {
            instants.extend(points(engine().instant(&store, query, time, &Cancel::new()).unwrap().value));
        }
        assert_eq!(points(range.value), instants, "{query}");
    }
}

#[test]
fn extreme_times_and_durations_do_not_overflow() {
    let store = Memory::load(10_000, DATA);
    for query in [
        "few @ 9223372036854775",
        "few @ -9223372036854775",
        "few @ 9e17",
        "few @ -9e17",
        "few offset 290y",
        "few offset -290y",
        "rate(c_total[290y])",
        "rate(c_total[5m] @ 9e17)",
        "rate(c_total[5m] @ -9e17)",
        "rate(c_total[5m] @ 9e17 offset -290y)",
        "rate(c_total[5m] @ -9e17 offset 290y)",
        "rate(c_total[290y] smoothed @ -9e17)",
        "sum_over_time(few[290y:1y])",
        "sum_over_time(few[290y:1y] @ -9e17)",
        "sum_over_time(few[290y:1y] @ 9e17 offset -290y)",
        "sum_over_time(few[1ms:1ms])",
        "year(vector(9e18))",
        "year(vector(-9e18))",
        "minute(vector(1e300))",
        "topk(9e18, few)",
        "few smoothed @ 9e17",
        "absent_over_time(few[290y] @ -9e17)",
    ] {
        for time in [i64::MIN / 2_000_000, -1, 0, 300_000, i64::MAX / 2_000_000] {
            _ = engine().instant(&store, query, time, &Cancel::new());
            _ = engine().range(&store, query, time, time + 60_000, 7_000, &Cancel::new());
        }
    }
}

const WORDS: &[&str] = &[
    "x",
    "y_total",
    "sum",
    "by",
    "without",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "5m",
    ":",
    "1",
    "-2.5",
    "0x1F",
    "1e3",
    "Inf",
    "+",
    "-",
    "*",
    "/",
    "^",
    "%",
    "==",
    "!=",
    "=~",
    "=",
    "bool",
    "on",
    "ignoring",
    "group_left",
    "offset",
    "@",
    "start",
    "end()",
    "step()",
    "anchored",
    "\"a\"",
    "'b",
    ",",
    "a=\"b\"",
    "rate",
    "abs",
    "and",
    "or",
    "atan2",
    "topk",
    "\\",
    "é",
    "#",
    "\n",
    "fill",
    "max_of",
    "</",
];

proptest! {
    #[test]
    fn nothing_makes_the_parser_panic(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..14)) {
        let query = words.join(" ");
        if let Ok(printed) = format_query(&query) {
            prop_assert_eq!(format_query(&printed).ok(), Some(printed), "{}", query);
        }
        _ = engine().instant(&Memory::default(), &query, 0, &Cancel::new());
    }

    #[test]
    fn nor_do_any_characters(query in "\\PC{0,40}") {
        _ = format_query(&query);
    }
}
