//! The todo application's objectives: the generated file is not stale.

use tidewatch_slo::{Declaration, prometheus_rule};
use tidewatch_testkit::repository;

#[test]
fn the_generated_rules_are_those_of_the_declaration() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let (from, to) = ("slo/todo-app.yaml", "kubernetes/monitoring/slo-rules.yaml");
    let declaration = Declaration::parse(from, &read(from)).unwrap();
    assert!(declaration.objectives.len() >= 4);
    let fresh = prometheus_rule(from, &declaration) == read(to);
    assert!(fresh, "{to} is stale: tidewatch slo generate {from} > {to}");
}
