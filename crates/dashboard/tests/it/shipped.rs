//! The shipped dashboards: they load, their expressions are PromQL, their rates have windows that a scrape interval of
//! 30 s can fill, and their panels do not lie on each other. Input: `kubernetes/monitoring`. Draws nothing.

use serde_json::Value;
use tidewatch_dashboard::{Catalog, Dashboard, interpolate};

use crate::files::{SCRAPE_INTERVAL, all_dashboards, opening_values};
use crate::metrics::range_windows;

#[test]
fn every_dashboard_loads_and_has_its_own_uid() {
    let mut catalog = Catalog::new();
    all_dashboards().into_iter().for_each(|dashboard| catalog.add(dashboard).unwrap());
    let listed: Vec<_> = catalog.sorted().iter().map(|d| (d.uid(), d.title(), d.folder())).collect();
    assert_eq!(
        listed,
        [
            ("autoscaling-overview", "Autoscaling", Some("Todo App")),
            ("dapr-overview", "Dapr", Some("Todo App")),
            ("kafka-overview", "Kafka", Some("Todo App")),
            ("kubernetes-overview", "Kubernetes", Some("Kubernetes")),
            ("slo-overview", "Service level objectives", Some("Todo App")),
            ("todo-app-production", "Todo App - Production", Some("Todo App")),
        ]
    );
}

#[test]
fn every_expression_is_promql_once_its_variables_are_in() {
    for dashboard in all_dashboards() {
        let values = opening_values(&dashboard);
        let expressions = dashboard.expressions();
        assert!(expressions.len() > 20, "{}: only {} expressions", dashboard.title(), expressions.len());
        for expression in expressions {
            let place = format!("{}: {} {}", dashboard.title(), expression.panel, expression.ref_id);
            let text = expression.interpolated(&values).unwrap_or_else(|error| panic!("{place}: {error}"));
            tidewatch_promql::parse(&text).unwrap_or_else(|error| panic!("{place}: {text}: {error}"));
        }
    }
}

#[test]
fn every_window_covers_four_scrapes() {
    for dashboard in all_dashboards() {
        let values = opening_values(&dashboard);
        for expression in dashboard.expressions() {
            for window in range_windows(&expression.interpolated(&values).unwrap()) {
                assert!(window >= SCRAPE_INTERVAL * 4, "{}: window of {window:?}", expression.panel);
            }
        }
    }
}

#[test]
fn query_variables_refer_only_to_variables_declared_before_them() {
    for dashboard in all_dashboards() {
        let mut known = opening_values(&dashboard);
        known.chosen.clear();
        let all = opening_values(&dashboard).chosen;
        for variable in dashboard.variables() {
            interpolate(&variable.query, &known).unwrap_or_else(|error| panic!("{}: {error}", variable.name));
            if let Some(choice) = all.get(&variable.name) {
                known.chosen.insert(variable.name.clone(), choice.clone());
            }
        }
    }
}

fn panels(dashboard: &Dashboard) -> Vec<Value> {
    let model: Value = serde_json::from_str(dashboard.json().get()).unwrap();
    model["panels"].as_array().unwrap().clone()
}

#[test]
fn panels_fill_the_grid_without_lying_on_each_other() {
    for dashboard in all_dashboards() {
        let mut taken = std::collections::BTreeMap::new();
        for panel in panels(&dashboard) {
            let at = |field: &str| panel["gridPos"][field].as_i64().unwrap();
            assert!(
                at("x") + at("w") <= 24 && at("w") > 0 && at("h") > 0,
                "{} leaves the grid",
                panel["title"]
            );
            for cell in
                (at("y")..at("y") + at("h")).flat_map(|y| (at("x")..at("x") + at("w")).map(move |x| (x, y)))
            {
                let other = taken.insert(cell, panel["title"].clone());
                assert_eq!(other, None, "{} lies on another panel", panel["title"]);
            }
        }
    }
}

#[test]
fn every_panel_explains_itself_and_asks_the_chosen_data_source() {
    const DRAWN: [&str; 4] = ["timeseries", "stat", "gauge", "table"];
    for dashboard in all_dashboards() {
        let mut kinds = std::collections::BTreeSet::new();
        for panel in panels(&dashboard) {
            let kind = panel["type"].as_str().unwrap();
            kinds.insert(kind.to_owned());
            if kind == "row" {
                continue;
            }
            let title = &panel["title"];
            assert!(DRAWN.contains(&kind), "{title} has type {kind}");
            assert!(panel["description"].as_str().is_some_and(|text| text.ends_with(['.', ')'])), "{title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        }
        assert_eq!(kinds.len(), 5, "{}: {kinds:?}", dashboard.title());
    }
}
