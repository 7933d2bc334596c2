//! The metric names in expressions, beside `docs/metrics-used.md`: the local runtime produces exactly that list, so a name
//! that is missing there is a panel without data. Input: shipped expressions and the document.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use promql_parser::parser::{Expr, parse};
use promql_parser::util::{ExprVisitor, walk_expr};

use crate::files::{alerts, all_dashboards, opening_values, read};

#[derive(Default)]
struct Selectors {
    names: BTreeSet<String>,
    windows_ms: Vec<i64>,
}

impl ExprVisitor for Selectors {
    type Error = Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Infallible> {
        match expr {
            Expr::VectorSelector(selector) => self.names.extend(selector.name.clone()),
            Expr::MatrixSelector(selector) => {
                self.names.extend(selector.vs.name.clone());
                self.windows_ms.push(i64::try_from(selector.range.as_millis()).unwrap());
            }
            _ => {}
        }
        Ok(true)
    }
}

fn selectors(promql: &str) -> Selectors {
    let expr = parse(promql).unwrap_or_else(|error| panic!("{promql}: {error}"));
    let mut found = Selectors::default();
    walk_expr(&mut found, &expr).unwrap();
    found
}

/// The windows of all range selectors, in milliseconds.
pub(crate) fn range_windows_ms(promql: &str) -> Vec<i64> {
    selectors(promql).windows_ms
}

/// Every metric name that a shipped panel, variable or alert reads.
fn used() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for dashboard in all_dashboards() {
        let values = opening_values(&dashboard);
        for expression in dashboard.expressions() {
            names.extend(selectors(&expression.interpolated(&values).unwrap()).names);
        }
        for variable in dashboard.variables() {
            if let Some(arguments) = variable.query.strip_prefix("label_values(") {
                let (selector, _label) = arguments.rsplit_once(',').unwrap();
                names.extend(selectors(selector).names);
            }
        }
    }
    names.extend(alerts().iter().flat_map(|alert| selectors(&alert.expr).names));
    names
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
