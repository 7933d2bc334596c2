//! The metric names in expressions, beside `docs/metrics-used.md`: the local runtime produces exactly that list, so a name
//! that is missing there is a panel without data. Input: shipped expressions and the document.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidewatch_promql::{Expression, parse};

use crate::files::{all_dashboards, opening_values, read, rules};

fn parsed(promql: &str) -> Expression {
    parse(promql).unwrap_or_else(|error| panic!("{promql}: {error}"))
}

/// The metric names that an expression reads.
fn names(promql: &str) -> BTreeSet<String> {
    let expression = parsed(promql);
    let matchers = expression.selectors().into_iter().flatten();
    matchers
        .filter(|matcher| matcher.name() == "__name__")
        .map(|matcher| matcher.value().to_owned())
        .collect()
}

/// The windows of all range selectors.
pub(crate) fn range_windows(promql: &str) -> Vec<Duration> {
    parsed(promql).ranges()
}

/// Every metric name that a shipped panel, variable or rule reads.
fn used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for dashboard in all_dashboards() {
        let values = opening_values(&dashboard);
        for expression in dashboard.expressions() {
            used.extend(names(&expression.interpolated(&values).unwrap()));
        }
        for variable in dashboard.variables() {
            if let Some(arguments) = variable.query.strip_prefix("label_values(") {
                let (selector, _label) = arguments.rsplit_once(',').unwrap();
                used.extend(names(selector));
            }
        }
    }
    used.extend(rules().iter().flat_map(|rule| names(&rule.expr)));
    used
}

/// The listed metrics and their types: the first two cells of each table row.
fn listed() -> BTreeMap<String, char> {
    let text = read("docs/metrics-used.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let name = cells.next().unwrap().trim_end_matches('`').to_owned();
        (name, cells.next().unwrap().chars().next().unwrap())
    })
    .collect()
}

#[test]
fn the_list_of_metrics_is_what_dashboards_and_rules_use() {
    let listed = listed();
    let base = |name: &String| {
        let stripped = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        stripped.filter(|stripped| listed.get(*stripped) == Some(&'H')).map_or(name.clone(), str::to_owned)
    };
    let used: BTreeSet<String> = used().iter().map(base).collect();
    let listed: BTreeSet<String> = listed.keys().cloned().collect();
    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "used, but not in docs/metrics-used.md: {missing:?}");
    let unused: Vec<_> = listed.difference(&used).collect();
    assert!(unused.is_empty(), "in docs/metrics-used.md, but not used: {unused:?}");
}

#[test]
fn recorded_series_are_those_that_are_read() {
    let recorded: BTreeSet<String> =
        rules().into_iter().map(|rule| rule.record).filter(|name| !name.is_empty()).collect();
    let read: BTreeSet<String> = used().into_iter().filter(|name| name.starts_with("slo:")).collect();
    assert_eq!(read, recorded, "read on the left, recorded on the right");
}
