//! Every function at least once, with its remarks.

use crate::Memory;
use crate::{DATA, at, check_at_300, check_error, check_range};

#[test]
fn over_ranges() {
    check_at_300(&[
        ("rate(c_total[1m])", "{job=\"a\"} 1; {job=\"b\"} 0.5"),
        ("increase(c_total[1m])", "{job=\"a\"} 60; {job=\"b\"} 30"),
        ("increase(c_total{job=\"b\"}[5m])", "{job=\"b\"} 144.82758620689657"),
        ("irate(c_total{job=\"a\"}[1m])", "{job=\"a\"} 1"),
        ("delta(g{pod=\"2\"}[1m])", "{node=\"x\", pod=\"2\"} -6"),
        ("idelta(g{pod=\"2\"}[1m])", "{node=\"x\", pod=\"2\"} -1"),
        ("deriv(c_total{job=\"a\"}[1m])", "{job=\"a\"} 1"),
        ("predict_linear(c_total{job=\"a\"}[1m], 60)", "{job=\"a\"} 360"),
        ("predict_linear(c_total{job=\"a\"}[1m] offset 1m, 60)", "{job=\"a\"} 360"),
        ("double_exponential_smoothing(c_total{job=\"a\"}[1m], 0.5, 0.5)", "{job=\"a\"} 300"),
        ("changes(few[5m])", "{} 1"),
        ("resets(c_total[5m])", "{job=\"a\"} 0; {job=\"b\"} 1"),
        ("sum_over_time(few[5m])", "{} 5"),
        ("avg_over_time(few[5m])", "{} 2.5"),
        ("min_over_time(few[5m])", "{} 2"),
        ("max_over_time(few[5m])", "{} 3"),
        ("count_over_time(few[5m])", "{} 2"),
        ("present_over_time(few[5m])", "{} 1"),
        ("stddev_over_time(few[5m])", "{} 0.5"),
        ("stdvar_over_time(few[5m])", "{} 0.25"),
        ("first_over_time(few[5m])", "few 2"),
        ("last_over_time(few[5m])", "few 3"),
        ("quantile_over_time(0.5, few[5m])", "{} 2.5"),
        ("mad_over_time(few[5m])", "{} 0.5"),
        ("ts_of_first_over_time(few[5m])", "{} 110"),
        ("ts_of_last_over_time(few[5m])", "{} 220"),
        ("ts_of_min_over_time(few[5m])", "{} 110"),
        ("ts_of_max_over_time(few[5m])", "{} 220"),
        ("integral(few[5m])", "{} 275"),
        ("integral(few[5m], 0)", "{} 220"),
        ("absent_over_time(few[5m])", ""),
        ("absent_over_time(missing{a=\"b\", c!=\"d\"}[5m])", "{a=\"b\"} 1"),
        ("max_over_time(odd{v=\"nan\"}[1m])", "{v=\"nan\"} NaN"),
    ]);
    check_range(&[
        ("rate(c_total{job=\"b\"}[1m])", "{job=\"b\"} 0.5@60 0.4@120 0.5@180 0.5@240 0.5@300"),
        ("min_over_time(g{pod=\"1\"}[30s])", "{node=\"x\", pod=\"1\"} 1@0 5@60 11@120 17@180 23@240 29@300"),
        ("max_over_time(g{pod=\"2\"}[30s])", "{node=\"x\", pod=\"2\"} 30@0 26@60 20@120 14@180 8@240 2@300"),
    ]);
}

#[test]
fn of_single_values() {
    let check = |function: &str, value: &str, expected: &str| {
        check_at_300(&[(&*format!("{function}(vector({value}))"), &*format!("{{}} {expected}"))]);
    };
    for (function, value, expected) in [
        ("abs", "-2", "2"),
        ("ceil", "1.2", "2"),
        ("floor", "-1.2", "-2"),
        ("exp", "0", "1"),
        ("sqrt", "9", "3"),
        ("ln", "1", "0"),
        ("log2", "8", "3"),
        ("log10", "100", "2"),
        ("sgn", "-3", "-1"),
        ("sin", "0", "0"),
        ("cos", "0", "1"),
        ("tan", "0", "0"),
        ("asin", "0", "0"),
        ("acos", "1", "0"),
        ("atan", "0", "0"),
        ("sinh", "0", "0"),
        ("cosh", "0", "1"),
        ("tanh", "0", "0"),
        ("asinh", "0", "0"),
        ("acosh", "1", "0"),
        ("atanh", "0", "0"),
        ("deg", "pi()", "180"),
        ("rad", "0", "0"),
        ("round", "2.5", "3"),
        ("year", "951782400", "2000"),
        ("month", "951782400", "2"),
        ("day_of_month", "951782400", "29"),
        ("day_of_week", "951782400", "2"),
        ("day_of_year", "951782400", "60"),
        ("days_in_month", "951782400", "29"),
        ("hour", "3600", "1"),
        ("minute", "3660", "1"),
        ("timestamp", "1", "300"),
    ] {
        check(function, value, expected);
    }
    check_at_300(&[
        ("minute()", "{} 5"),
        ("round(few, 2)", "{} 4"),
        ("clamp(few, 0, 2)", "{} 2"),
        ("clamp(few, 2, 0)", ""),
        ("clamp_min(odd{v=\"nan\"}, Inf)", "{v=\"nan\"} inf"),
        ("clamp_max(vector(-Inf), NaN)", "{} -inf"),
        ("timestamp(few)", "{} 220"),
        ("timestamp((few))", "{} 220"),
        ("timestamp(few + 0)", "{} 300"),
        ("start_timestamp(few)", ""),
        ("histogram_count(few)", ""),
        ("histogram_sum(few)", ""),
        ("histogram_avg(few)", ""),
        ("histogram_stddev(few)", ""),
        ("histogram_stdvar(few)", ""),
        ("scalar(few) + 1", "4"),
        ("absent(few)", ""),
        ("absent(missing{a=\"b\", a=\"c\", d=\"e\"})", "{d=\"e\"} 1"),
        ("sort(c_total)", "c_total{job=\"b\"} 100; c_total{job=\"a\"} 300"),
        ("sort_desc(c_total)", "c_total{job=\"a\"} 300; c_total{job=\"b\"} 100"),
        ("sort_by_label_desc(c_total, \"job\")", "c_total{job=\"b\"} 100; c_total{job=\"a\"} 300"),
        ("sort_by_label(c_total, \"job\")", "c_total{job=\"a\"} 300; c_total{job=\"b\"} 100"),
        ("start() + end() + range() + step()", "600"),
    ]);
}

#[test]
fn of_labels() {
    check_at_300(&[
        ("label_replace(few, \"a\", \"$1\", \"__name__\", \"(f).*\")", "few{a=\"f\"} 3"),
        ("label_replace(two, \"l\", \"\", \"l\", \".*\")", "two 2"),
        ("label_replace(two, \"l\", \"$1x\", \"l\", \"(.)\")", "two 2"),
        ("label_join(two, \"j\", \"-\", \"l\", \"l\")", "two{j=\"1-1\", l=\"1\"} 2"),
    ]);
    check_error(&[
        (
            "label_replace(c_total, \"job\", \"x\", \"job\", \".*\")",
            "vector cannot contain metrics with the same labelset",
        ),
        ("label_replace(few, \"a\", \"\", \"b\", \"(\")", "invalid regular expression in label_replace(): ("),
        (
            "label_replace(few, \"\", \"\", \"b\", \"\")",
            "invalid destination label name in label_replace(): ",
        ),
        ("label_join(few, \"a\", \"\", \"\")", "invalid source label name in label_join(): "),
        (
            "info(few)",
            "function \"info\" is not supported yet; hint: join with * on (...) group_left (...) target_info",
        ),
        (
            "double_exponential_smoothing(few[5m], 1, 0.5)",
            "invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000",
        ),
    ]);
}

#[test]
fn of_classic_histograms() {
    check_at_300(&[
        ("histogram_quantile(0.5, b_bucket)", "{} 1.5"),
        ("histogram_quantile(0.5, rate(b_bucket[1m]))", "{} 1.5"),
        ("histogram_quantile(0.9, sum by (le) (b_bucket))", "{} 2"),
        ("histogram_quantiles(b_bucket, \"q\", 0.5, 1)", "{q=\"0.5\"} 1.5; {q=\"1.0\"} 2"),
        ("histogram_fraction(0, 1.5, b_bucket)", "{} 0.5"),
        ("histogram_quantile(0.5, b_bucket{le!=\"+Inf\"})", "{} NaN"),
    ]);
}

#[test]
fn of_histograms_that_are_odd() {
    let store = Memory::load(
        10_000,
        r#"
        twice{le="1"}: 5
        twice{le="1.0"}: 5
        twice{le="2"}: 15
        twice{le="+Inf"}: 20
        junk{le="1"}: 5
        junk{le="junk"}: 7
        junk{le="+Inf"}: 10
        falling{le="1"}: 10
        falling{le="2"}: 8
        falling{le="+Inf"}: 20
        text{t="a\nb"}: 1
        "#,
    );
    let check = |query: &str, expected: &str, remarks: &[&str]| {
        let answer = at(&store, query, 0).unwrap();
        assert_eq!(crate::text(&answer.value), expected, "{query}");
        assert_eq!([answer.warnings, answer.infos].concat(), owned(remarks), "{query}");
    };
    check("histogram_quantile(0.5, twice)", "{} 1", &[]);
    check(
        "histogram_quantile(0.25, junk)",
        "{} 0.5",
        &["PromQL warning: bucket label \"le\" is missing or has a malformed value of \"junk\" (1:26)"],
    );
    check(
        "histogram_quantile(0.25, falling)",
        "{} 0.5",
        &["PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
           https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from buckets 2 to 2, \
           with a max diff of 2, over 1 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:26)"],
    );
    check("text{t=~\"a.b\"}", "text{t=\"a\\nb\"} 1", &[]);
}

#[test]
fn remarks() {
    let store = Memory::load(10_000, DATA);
    let check = |query: &str, warnings: &[&str], infos: &[&str]| {
        let answer = at(&store, query, 300).unwrap();
        assert_eq!((answer.warnings, answer.infos), (owned(warnings), owned(infos)), "{query}");
    };
    let owned_name = "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"g\" (1:10)";
    check("sum(rate(g[1m]))", &[], &[owned_name]);
    check("rate(c_total[1m])", &[], &[]);
    check("quantile(2, g)", &["PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"], &[]);
    check(
        "histogram_quantile(NaN, few)",
        &[
            "PromQL warning: quantile value should be between 0 and 1, got NaN (1:20)",
            "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" (1:25)",
        ],
        &[],
    );
    check(
        "limit_ratio(2, g)",
        &["PromQL warning: ratio value should be between -1 and 1, got 2, capping to 1 (1:13)"],
        &[],
    );
    check(
        "g </ 1",
        &[],
        &[
            "PromQL info: incompatible sample types encountered for binary operator \"</\": float </ float (1:1)",
        ],
    );
    let sorted = crate::engine().range(&store, "sort(g)", 0, 60_000, 60_000, &crate::Cancel::new()).unwrap();
    assert_eq!(
        sorted.warnings,
        [
            "PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)"
        ]
    );
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}
