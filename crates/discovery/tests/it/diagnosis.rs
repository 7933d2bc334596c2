//! Monitors that find nothing, or twice, say why.

use crate::{monitor, monitors, service};
use tidewatch_discovery::{diagnose, not_scraped};
use tidewatch_manifest::{Endpoints, load_text};

fn services() -> Vec<Endpoints> {
    vec![
        service("shop", "web", &[("app", "web"), ("tier", "front")], 2),
        service("shop", "db", &[("app", "db")], 1),
        service("shop", "starting", &[("app", "starting")], 0),
    ]
}

fn check(spec: &str, expected: &[(&str, &str)]) {
    let found = diagnose(&[monitor(spec)], &services());
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, (message, hint)) in found.iter().zip(expected) {
        assert!(found.message.contains(message), "{found}");
        assert!(found.hint.contains(hint), "{found}");
        assert!(found.to_string().starts_with("monitors.yaml:1: monitor shop/web: "), "{found}");
    }
}

#[test]
fn a_monitor_that_finds_its_targets_is_fine() {
    check("{selector: {matchLabels: {app: web}}, endpoints: [{port: metrics}]}", &[]);
    check("{selector: {matchLabels: {app: starting}}, endpoints: [{port: whatever}]}", &[]);
}

#[test]
fn an_empty_namespace_names_those_that_have_services() {
    check(
        "{selector: {}, namespaceSelector: {matchNames: [prod]}, endpoints: [{port: metrics}]}",
        &[(
            "no Service in namespace prod",
            "there are Services in shop; set spec.namespaceSelector.matchNames, or any: true",
        )],
    );
}

#[test]
fn a_selector_without_match_names_the_nearest_service() {
    check(
        "{selector: {matchLabels: {app: webb, tier: front}}, endpoints: [{port: metrics}]}",
        &[(
            "no Service matches its selector {app=webb, tier=front}",
            "nearest is Service shop/web with labels {app=web, tier=front}: app is \"web\", not \"webb\"",
        )],
    );
}

#[test]
fn an_absent_port_names_those_that_exist() {
    let hint = "it has \"http\" (8000 \"c-http\"), \"metrics\" (9464 \"c-metrics\"); change endpoints[].port";
    check(
        "{selector: {matchLabels: {app: web}}, endpoints: [{port: metric}, {port: metrics}]}",
        &[("Service shop/web has no port named \"metric\"", hint)],
    );
    check(
        "{selector: {matchLabels: {app: web}}, endpoints: [{targetPort: 1234}]}",
        &[("no port that leads to container port 1234", "change endpoints[].targetPort")],
    );
}

#[test]
fn two_monitors_on_the_same_port_are_named() {
    let one = |name: &str, path: &str| {
        format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, endpoints: [{{port: metrics{path}}}]}}\n"
        )
    };
    let found =
        diagnose(&monitors(&format!("{}---\n{}", one("a", ""), one("b", ", path: /metrics"))), &services());
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        found.message,
        "shop/web-1:9464/metrics and 1 more is scraped 2 times: by serviceMonitor/shop/a/0 (Service web), serviceMonitor/shop/b/0 (Service web)"
    );
    assert_eq!(found.monitor, "shop/a");
    assert_eq!(
        diagnose(&monitors(&format!("{}---\n{}", one("a", ""), one("b", ", path: /other"))), &services()),
        []
    );
}

#[test]
fn monitors_of_other_kinds_are_not_passed_over_in_silence() {
    let text = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: p, namespace: shop}\nspec: {}\n---\n\
                apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n";
    let found = not_scraped(&load_text("m.yaml", text).unwrap().others);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].to_string(),
        "m.yaml:1: monitor shop/p: PodMonitor is not supported yet, nothing is scraped for it\n  \
         hint: use a ServiceMonitor, or scrape_configs in a prometheus.yml"
    );
}
