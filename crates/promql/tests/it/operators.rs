//! Operators: arithmetic, comparisons, matching, sets, aggregations.

use crate::{check_at_300, check_error, check_range};

#[test]
fn scalars() {
    check_at_300(&[
        ("1 + 2 * 3 ^ 2 % 5", "4"),
        ("-2^2", "-4"),
        ("2^3^2", "512"),
        ("017 + 08", "23"),
        ("5m", "300"),
        ("1 == bool NaN", "0"),
        ("1/0", "inf"),
        ("'it\\'s'", "\"it's\""),
        ("time()", "300"),
        ("scalar(c_total)", "NaN"),
        ("max_of(1, 2) - min_of(1, 2)", "1"),
    ]);
}

#[test]
fn vectors_with_scalars() {
    check_at_300(&[
        ("few * 2", "{} 6"),
        ("few > 2", "few 3"),
        ("2 < few", "few 3"),
        ("few > bool 3", "{} 0"),
        ("-few", "{} -3"),
        ("+few", "few 3"),
        ("few == 4", ""),
        ("odd{v=\"nan\"} != 1", "odd{v=\"nan\"} NaN"),
        ("{__name__=~\"one|two\"} + 1", "{l=\"1\"} 3"),
    ]);
    check_range(&[("{__name__=~\"one|two\"} + 1", "{l=\"1\"} 2@0 2@60 2@120 3@240 3@300")]);
}

#[test]
fn vectors_with_vectors() {
    check_at_300(&[
        ("g * on (pod) info", "{pod=\"1\"} 31; {pod=\"2\"} 0"),
        (
            "g * on (pod) group_left (version) info",
            "{node=\"x\", pod=\"1\", version=\"a\"} 31; {node=\"x\", pod=\"2\", version=\"b\"} 0",
        ),
        (
            "info * on (pod) group_right (version) g",
            "{node=\"x\", pod=\"1\", version=\"a\"} 31; {node=\"x\", pod=\"2\", version=\"b\"} 0",
        ),
        ("g > on (pod) info", "{pod=\"1\"} 31"),
        ("g > on (pod) group_left () info", "g{node=\"x\", pod=\"1\"} 31"),
        ("g / on (node) group_left () node", "{node=\"x\", pod=\"1\"} 0.31; {node=\"x\", pod=\"2\"} 0"),
        ("node < on (node) group_right () g", ""),
        // the value of the left side, the labels of the right, its name included
        ("node > on (node) group_right () g{pod=\"1\"}", "g{node=\"x\", pod=\"1\"} 100"),
        ("g < bool on (node) group_left () node", "{node=\"x\", pod=\"1\"} 1; {node=\"x\", pod=\"2\"} 1"),
        ("both_a + both_b", "{l=\"1\"} 3"),
        ("both_a < both_b", "both_a{l=\"1\"} 1"),
        ("one + two", ""),
        ("g atan2 on (pod) info", "{pod=\"1\"} 1.5385494443596428; {pod=\"2\"} 0"),
        // a label that the one side lacks goes
        ("g{pod=\"1\"} * on (node) group_left (pod) node", "{node=\"x\"} 3100"),
    ]);
    check_error(&[
        (
            "node * on (node) g",
            "found duplicate series for the match group {node=\"x\"} on the right hand-side of the operation: [{__name__=\"g\", node=\"x\", pod=\"1\"}, {__name__=\"g\", node=\"x\", pod=\"2\"}];many-to-many matching not allowed: matching labels must be unique on one side",
        ),
        (
            "g * on (node) node",
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
        ),
        (
            "g * on (node) group_left (pod) node",
            "multiple matches for labels: grouping labels must ensure unique matches",
        ),
        ("{__name__=~\"both_.\"} + 1", "vector cannot contain metrics with the same labelset"),
    ]);
}

#[test]
fn one_ambiguous_step_fails_the_whole_range() {
    let store = crate::Memory::load(60_000, "a: 1x5\nb{l=\"1\"}: 1x5\nb{l=\"2\"}: _x5 1");
    let found = crate::engine().range(&store, "a + on () b", 0, 300_000, 60_000, &crate::Cancel::new());
    assert!(found.unwrap_err().to_string().starts_with("found duplicate series"));
    let found = crate::engine().range(&store, "a + on () b", 0, 240_000, 60_000, &crate::Cancel::new());
    assert_eq!(crate::text(&found.unwrap().value), "{} 2@0 2@60 2@120 2@180 2@240");
}

#[test]
fn sets() {
    check_at_300(&[
        ("g and on (pod) info{version=\"a\"}", "g{node=\"x\", pod=\"1\"} 31"),
        ("g unless on (pod) info{version=\"a\"}", "g{node=\"x\", pod=\"2\"} 0"),
        ("few or one or two", "few 3; two{l=\"1\"} 2"),
        ("both_a or both_b", "both_a{l=\"1\"} 1"),
        ("missing or vector(0)", "{} 0"),
        ("few and on () missing", ""),
    ]);
    check_range(&[
        ("one and few", ""),
        ("one or on (l) two", "one{l=\"1\"} 1@0 1@60 1@120; two{l=\"1\"} 2@240 2@300"),
    ]);
}

#[test]
fn aggregations() {
    check_at_300(&[
        ("sum(c_total)", "{} 400"),
        ("sum by (node) (g)", "{node=\"x\"} 31"),
        ("avg without (pod) (g)", "{node=\"x\"} 15.5"),
        ("count(g)", "{} 2"),
        ("min(odd)", "{} -2.5"),
        ("max(odd)", "{} inf"),
        ("group by (job) (c_total)", "{job=\"a\"} 1; {job=\"b\"} 1"),
        ("stddev(c_total)", "{} 100"),
        ("stdvar(c_total)", "{} 10000"),
        ("quantile(0.5, c_total)", "{} 200"),
        ("quantile(0, odd)", "{} NaN"),
        ("topk(1, c_total)", "c_total{job=\"a\"} 300"),
        ("topk(2.9, c_total)", "c_total{job=\"a\"} 300; c_total{job=\"b\"} 100"),
        ("topk(-1, c_total)", ""),
        ("bottomk(1, odd)", "odd{v=\"minus\"} -2.5"),
        ("bottomk by (node) (1, g)", "g{node=\"x\", pod=\"2\"} 0"),
        ("limitk(1, c_total)", "c_total{job=\"a\"} 300"),
        ("limit_ratio(1, few)", "few 3"),
        ("limit_ratio(-1, few)", "few 3"),
        ("limit_ratio(0, few)", ""),
        ("count_values(\"v\", info)", "{v=\"1\"} 2"),
        ("count_values by (pod) (\"v\", info)", "{pod=\"1\", v=\"1\"} 1; {pod=\"2\", v=\"1\"} 1"),
        ("sum(missing)", ""),
        // a mean whose sum no float holds
        (
            "avg(vector(1e308) or on (x) label_replace(vector(1e308), \"x\", \"1\", \"\", \"\")) / 1e308",
            "{} 1",
        ),
    ]);
    check_error(&[
        ("topk(NaN, few)", "Parameter value is NaN"),
        ("topk(Inf, few)", "Scalar value +Inf overflows int64"),
        ("limit_ratio(NaN, few)", "Ratio value is NaN"),
        ("count_values(\"\", few)", "invalid label name \"\""),
    ]);
    check_range(&[
        (
            "topk(1, g)",
            "g{node=\"x\", pod=\"1\"} 19@180 25@240 31@300; g{node=\"x\", pod=\"2\"} 30@0 24@60 18@120",
        ),
        ("sum by (l) ({__name__=~\"one|two\"})", "{l=\"1\"} 1@0 1@60 1@120 2@240 2@300"),
        ("count(g)", "{} 3@0 3@60 3@120 3@180 3@240 2@300"),
    ]);
}

#[test]
fn sums_are_compensated() {
    let store =
        crate::Memory::load(1000, "m{n=\"1\"}: 1\nm{n=\"2\"}: 1e100\nm{n=\"3\"}: 1\nm{n=\"4\"}: -1e100");
    assert_eq!(crate::text(&crate::at(&store, "sum(m)", 0).unwrap().value), "{} 2");
    assert_eq!(crate::text(&crate::at(&store, "avg(m)", 0).unwrap().value), "{} 0.5");
}
