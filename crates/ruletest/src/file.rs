//! The format of a test file: which rules, which series, what is expected.
//!
//! Input: the text of a file in the format of promtool 3.16. Output: a [`TestFile`], or all that is wrong with its fields. Expressions and
//! series stay text: a test that cannot read its own fails alone.

use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_manifest::ManifestError;
use tidewatch_manifest::reading::{Fields, NodeValue, duration, read_settings_file, text, text_map, texts};
use tidewatch_model::parse_timestamp;

/// A test file.
#[derive(Debug, Default)]
pub(crate) struct TestFile {
    /// Patterns of the rule files' paths.
    pub(crate) rule_files: Vec<String>,
    /// Time between evaluations of rules, more than 0.
    pub(crate) evaluation_interval: Duration,
    /// Names of groups in the order of their evaluation.
    pub(crate) group_order: Vec<String>,
    /// Whether numbers may differ by the smallest possible difference.
    pub(crate) fuzzy: bool,
    /// The tests.
    pub(crate) tests: Vec<Test>,
}

/// One test: series and what is expected of them.
#[derive(Debug, Default)]
pub(crate) struct Test {
    pub(crate) name: String,
    /// Time between samples, more than 0.
    pub(crate) interval: Duration,
    /// When it begins, in milliseconds since the Unix epoch.
    pub(crate) start: i64,
    /// Series and their values.
    pub(crate) series: Vec<(String, String)>,
    pub(crate) alerts: Vec<AlertTest>,
    pub(crate) expressions: Vec<ExpressionTest>,
    pub(crate) external_labels: BTreeMap<String, String>,
    pub(crate) external_url: String,
}

/// What fires of an alerting rule at a time after the beginning.
#[derive(Debug)]
pub(crate) struct AlertTest {
    pub(crate) at: Duration,
    pub(crate) alert: String,
    /// Labels and annotations.
    pub(crate) expected: Vec<(BTreeMap<String, String>, BTreeMap<String, String>)>,
}

/// What an expression gives at a time after the beginning.
#[derive(Debug)]
pub(crate) struct ExpressionTest {
    pub(crate) at: Duration,
    pub(crate) expression: String,
    /// Series and their values.
    pub(crate) expected: Vec<(String, f64)>,
}

/// Reads a test file.
pub(crate) fn parse_test_file(file: &str, content: &str) -> Result<TestFile, Vec<ManifestError>> {
    let read = |fields: &Fields<'_>| {
        let given = duration(fields, "evaluation_interval").filter(|interval| !interval.is_zero());
        let interval = given.unwrap_or(Duration::from_secs(60));
        let tests = fields.list("tests");
        TestFile {
            rule_files: texts(fields, "rule_files"),
            evaluation_interval: interval,
            group_order: texts(fields, "group_eval_order"),
            fuzzy: fields.flag("fuzzy_compare").unwrap_or_default(),
            tests: tests.iter().map(|test| read_test(test, interval)).collect(),
        }
    };
    read_settings_file(file, &quote_infinities(content), false, read).map(|(read, _)| read)
}

/// Puts values such as `.inf` in quotes: the reader of settings takes no infinite numbers, but expectations may be.
fn quote_infinities(content: &str) -> Cow<'_, str> {
    let special = Regex::new(r"(?m)(\bvalue[\x22\x27]?: *)([+-]?\.(?:inf|Inf|INF|nan|NaN|NAN))(\s|[,}]|$)")
        .expect("a constant expression compiles");
    special.replace_all(content, "$1\"$2\"$3")
}

fn read_test(fields: &Fields<'_>, interval: Duration) -> Test {
    let start = text(fields, "start_timestamp").map_or(0, |written| {
        parse_timestamp(&written).unwrap_or_else(|error| {
            fields.wrong("start_timestamp", error, "write Unix seconds or e.g. 2026-01-31T12:00:00Z");
            0
        })
    });
    let series = fields.list("input_series");
    let read_series = |series: &Fields<'_>| {
        let read = (optional(series, "series"), optional(series, "values"));
        series.finish_ref();
        read
    };
    let test = Test {
        name: optional(fields, "name"),
        interval: duration(fields, "interval").filter(|interval| !interval.is_zero()).unwrap_or(interval),
        start,
        series: series.iter().map(read_series).collect(),
        alerts: fields.list("alert_rule_test").iter().map(read_alert).collect(),
        expressions: fields.list("promql_expr_test").iter().map(read_expression).collect(),
        external_labels: text_map(fields, "external_labels"),
        external_url: optional(fields, "external_url"),
    };
    fields.finish_ref();
    test
}

fn read_alert(fields: &Fields<'_>) -> AlertTest {
    let read = |alert: &Fields<'_>| {
        let read = (text_map(alert, "exp_labels"), text_map(alert, "exp_annotations"));
        alert.finish_ref();
        read
    };
    let test = AlertTest {
        at: duration(fields, "eval_time").unwrap_or_default(),
        alert: optional(fields, "alertname"),
        expected: fields.list("exp_alerts").iter().map(read).collect(),
    };
    fields.finish_ref();
    test
}

fn read_expression(fields: &Fields<'_>) -> ExpressionTest {
    let read = |sample: &Fields<'_>| {
        if text(sample, "histogram").is_some_and(|histogram| !histogram.is_empty()) {
            sample.wrong("histogram", "native histograms are not supported", "expect series of floats");
        }
        let read = (optional(sample, "labels"), number(sample, "value"));
        sample.finish_ref();
        read
    };
    let test = ExpressionTest {
        at: duration(fields, "eval_time").unwrap_or_default(),
        expression: optional(fields, "expr"),
        expected: fields.list("exp_samples").iter().map(read).collect(),
    };
    fields.finish_ref();
    test
}

fn optional(fields: &Fields<'_>, key: &'static str) -> String {
    text(fields, key).unwrap_or_default()
}

/// A number in YAML's notation, where infinities are `.inf`; 0 when it is absent.
fn number(fields: &Fields<'_>, key: &'static str) -> f64 {
    let Some(node) = fields.raw(key) else { return 0.0 };
    let number = match &node.value {
        NodeValue::Integer(number) => Some(*number as f64),
        NodeValue::Float(number) => Some(*number),
        NodeValue::Text(written) => match written.to_ascii_lowercase().as_str() {
            ".inf" | "+.inf" => Some(f64::INFINITY),
            "-.inf" => Some(f64::NEG_INFINITY),
            ".nan" => Some(f64::NAN),
            // the words that Rust takes for numbers are none in YAML
            lower if lower.contains("inf") || lower.contains("nan") => None,
            _ => written.replace('_', "").parse().ok(),
        },
        _ => None,
    };
    number.unwrap_or_else(|| {
        fields.wrong(key, "must be a number", "write e.g. 12, 0.5, 1e3, .inf or .nan");
        0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_with_its_defaults() {
        let text = "rule_files: [a.yml]\nfuzzy_compare: true\ntests:\n- input_series:\n  - {series: up, values: 1x3}\n  \
                    start_timestamp: 100\n  alert_rule_test:\n  - {alertname: A, eval_time: 5m}\n  promql_expr_test:\n  \
                    - {expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 1e3}, {value: .inf}]}\n";
        let file = parse_test_file("t.yml", text).unwrap();
        let test = &file.tests[0];
        assert_eq!((file.evaluation_interval.as_secs(), test.interval.as_secs()), (60, 60));
        assert_eq!((file.fuzzy, test.start), (true, 100_000));
        assert_eq!(test.series, [("up".to_owned(), "1x3".to_owned())]);
        assert_eq!(test.alerts[0].at, Duration::from_secs(300));
        let expected = [("up".to_owned(), 1000.0), (String::new(), f64::INFINITY)];
        assert_eq!(test.expressions[0].expected, expected);
    }

    #[test]
    fn what_is_unknown_or_not_there_is_refused_by_name() {
        let check = |text: &str, expected: &str| {
            let errors = parse_test_file("t.yml", text).unwrap_err();
            assert!(errors.iter().any(|error| error.to_string().contains(expected)), "{text}: {errors:?}");
        };
        check("test: []", "unknown field");
        check("tests: [{alert_rule_test: [{alertnam: A}]}]", "did you mean alertname?");
        check("tests: [{interval: 5}]", "invalid duration");
        check("tests: [{promql_expr_test: [{exp_samples: [{histogram: '{{}}'}]}]}]", "native histograms");
        check("tests: [{promql_expr_test: [{exp_samples: [{value: many}]}]}]", "must be a number");
    }
}
