//! Compares what fires and what expressions give with what a test expects.
//!
//! Input: the expectations of a test, the groups as last evaluated, the store. Output: failures, in promtool's words. Numbers must be
//! equal, or with `fuzzy_compare` be neighbours; NaN equals nothing, as in promtool.

use crate::file::{AlertTest, ExpressionTest, Test};
use crate::run::milliseconds;
use crate::series::parse_labels;
use crate::shown::{self, Pairs};
use std::ops::Range;
use tidewatch_model::{Labels, format_duration};
use tidewatch_promql::{Cancel, Engine, Value};
use tidewatch_rules::{AlertState, GroupState};

use crate::store::Store;

/// Checks the expectations of alerts within a window of milliseconds since the beginning.
pub(crate) fn check_alerts(
    test: &Test,
    window: &Range<i64>,
    groups: &[GroupState],
    diff: bool,
    failures: &mut Vec<String>,
) {
    let mut due: Vec<&AlertTest> =
        test.alerts.iter().filter(|alert| window.contains(&milliseconds(alert.at))).collect();
    due.sort_by_key(|alert| alert.at);
    for alert in due {
        let got = firing(groups, &alert.alert);
        let mut expected = alert.expected.clone();
        for (labels, _) in &mut expected {
            labels.insert("alertname".to_owned(), alert.alert.clone());
        }
        expected.sort();
        if expected == got {
            continue;
        }
        let name = if test.name.is_empty() { String::new() } else { format!("    name: {},\n", test.name) };
        let (alertname, at) = (&alert.alert, format_duration(alert.at));
        let shown = if diff {
            format!("diff: {}", shown::difference(&expected, &got))
        } else {
            format!("exp:{}, \n        got:{}", shown::alerts(&expected), shown::alerts(&got))
        };
        failures.push(format!("{name}    alertname: {alertname}, time: {at}, \n        {shown}"));
    }
}

/// Labels and annotations of all alerts of that name that fire.
fn firing(groups: &[GroupState], name: &str) -> Vec<(Pairs, Pairs)> {
    let mut firing = Vec::new();
    for group in groups {
        for (at, rule) in group.group().rules.iter().enumerate() {
            let Some(alerting) = rule.alerting().filter(|_| rule.name == name) else { continue };
            for alert in group.alerts(at).filter(|alert| alert.state == AlertState::Firing) {
                // an annotation that says nothing is there for promtool, unlike a label
                let mut annotations: Pairs =
                    alerting.annotations.keys().map(|name| (name.clone(), String::new())).collect();
                annotations.extend(pairs(&alert.annotations));
                firing.push((pairs(&alert.labels), annotations));
            }
        }
    }
    firing.sort();
    firing
}

fn pairs(labels: &Labels) -> Pairs {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Checks what expressions give.
pub(crate) fn check_expressions(
    test: &Test,
    fuzzy: bool,
    engine: &Engine,
    store: &Store,
    failures: &mut Vec<String>,
) {
    for expectation in &test.expressions {
        let (expression, at) = (&expectation.expression, format_duration(expectation.at));
        match compare(expectation, test.start, fuzzy, engine, store) {
            Ok(None) => {}
            Ok(Some(difference)) => {
                failures.push(format!("    expr: {expression:?}, time: {at},{difference}"));
            }
            Err(error) => failures.push(format!("    expr: {expression:?}, time: {at}, err: {error}")),
        }
    }
}

/// What is not as expected of one expression.
fn compare(
    expectation: &ExpressionTest,
    start: i64,
    fuzzy: bool,
    engine: &Engine,
    store: &Store,
) -> Result<Option<String>, String> {
    let time = start.saturating_add(milliseconds(expectation.at));
    let answer = engine
        .instant(store, &expectation.expression, time, &Cancel::new())
        .map_err(|error| error.to_string())?;
    let mut got: Vec<(Pairs, f64)> = match answer.value {
        Value::Vector(elements) => {
            elements.iter().map(|element| (pairs(&element.labels), element.sample.value)).collect()
        }
        Value::Scalar(sample) => vec![(Pairs::new(), sample.value)],
        Value::Text { .. } | Value::Matrix(_) => {
            return Err("rule result is not a vector or scalar".to_owned());
        }
    };
    let mut expected = Vec::with_capacity(expectation.expected.len());
    for (labels, value) in &expectation.expected {
        let labels = parse_labels(labels).map_err(|error| format!("labels {labels:?}: {error}"))?;
        expected.push((labels, *value));
    }
    for samples in [&mut expected, &mut got] {
        samples.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    let close = |a: f64, b: f64| a == b || fuzzy && (a.next_down() == b || a.next_up() == b);
    let same = expected.len() == got.len()
        && expected.iter().zip(&got).all(|(wanted, got)| wanted.0 == got.0 && close(wanted.1, got.1));
    Ok((!same).then(|| {
        let (expected, found) = (shown::samples(&expected), shown::samples(&got));
        let mut text = format!("\n        exp: {expected}\n        got: {found}");
        if got.iter().any(|(_, value)| value.is_nan()) {
            text.push_str("\n        hint: NaN equals nothing; compare e.g. count(expr != expr)");
        }
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidewatch_model::METRIC_NAME;

    #[test]
    fn numbers_must_be_equal_or_neighbours() {
        let (engine, store) = (Engine::new(Default::default()), Store::default());
        let check = |expression: &str, labels: &str, value: f64, fuzzy: bool, expected: bool| {
            let expectation = ExpressionTest {
                at: Duration::ZERO,
                expression: expression.to_owned(),
                expected: vec![(labels.to_owned(), value)],
            };
            let found = compare(&expectation, 0, fuzzy, &engine, &store).unwrap();
            assert_eq!(found.is_none(), expected, "{expression}: {found:?}");
        };
        store.add(&Labels::from_pairs([(METRIC_NAME, "up"), ("a", "b")]), 0, 1.0).unwrap();
        check("up", "up{a='b'}", 1.0, false, true);
        check("up", "up", 1.0, false, false);
        check("1", "{}", 1.0, false, true);
        check("0.1 + 0.2", "", 0.3, false, false);
        check("0.1 + 0.2", "", 0.3, true, true);
        check("0.1 + 0.2", "", 0.300_000_1, true, false);
        check("NaN", "", f64::NAN, true, false);
    }
}
