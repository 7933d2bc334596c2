//! Alerts from a rule file to an Alertmanager, and what becomes of a wrong rule file.

use crate::page::{Page, light};
use crate::product::{Product, eventually, get};
use crate::receiver::Receiver;
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::Ordering;

const RULES: &str = "groups:
  - name: lights
    interval: 200ms
    rules:
      - {record: 'lights:double', expr: 2 * light}
      - alert: LightIsOn
        expr: lights:double > 1
        labels: {severity: page}
        annotations: {summary: '{{ $labels.instance }} is at {{ $value }} in {{ $externalLabels.house }}'}
";

/// The first of the alerts that were posted for which something holds.
fn find(receiver: &Receiver, holds: impl Fn(&Value) -> bool) -> Option<Value> {
    let posted = receiver.posted();
    posted.iter().filter_map(Value::as_array).flatten().find(|alert| holds(alert)).cloned()
}

fn start(folder: &Path, page: &Page, receiver: &Receiver) -> Product {
    std::fs::write(folder.join("lights.yml"), RULES).unwrap();
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms, external_labels: {{house: 'h1'}}}}\n\
         rule_files: ['l*.yml']\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n\
         scrape_configs:\n  - job_name: test\n    static_configs:\n      - targets: ['{}']\n",
        receiver.address,
        page.address()
    );
    Product::serve(folder, &config)
}

#[test]
fn an_alert_fires_is_sent_and_ends_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let ((page, state), receiver) = (light(), Receiver::start());
    let product = start(folder.path(), &page, &receiver);
    let fired = eventually("the alert at the receiver", || {
        find(&receiver, |alert| alert["labels"]["alertname"] == "LightIsOn")
    });
    assert_eq!((&fired["labels"]["severity"], &fired["labels"]["house"]), (&"page".into(), &"h1".into()));
    assert_eq!(fired["annotations"]["summary"], format!("{} is at 2 in h1", page.address()));
    assert!(fired["generatorURL"].as_str().unwrap().starts_with(&product.address("/prometheus")), "{fired}");
    let alerts = product.api("/api/v1/alerts");
    assert_eq!(alerts["data"]["alerts"][0]["state"], "firing", "{alerts}");
    // written once it is known what was pending before a restart
    eventually("its series", || (product.values("ALERTS{alertstate=\"firing\"}") == [1.0]).then_some(()));
    let known = product.api("/api/v1/alertmanagers");
    let url = known["data"]["activeAlertmanagers"][0]["url"].as_str().unwrap().to_owned();
    assert!(url.contains(&receiver.address.to_string()), "{known}");

    state.store(0, Ordering::Relaxed);
    eventually("no alert any more", || {
        let alerts = product.api("/api/v1/alerts");
        alerts["data"]["alerts"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    // an end that is not years away but now: at most the one of the last evaluation
    let text = |alert: &Value, field: &str| alert[field].as_str().unwrap().to_owned();
    eventually("its end at the receiver", || {
        find(&receiver, |alert| {
            text(alert, "endsAt") < text(&fired, "endsAt") && text(alert, "endsAt") > text(alert, "startsAt")
        })
    });
    let annotations = get(&format!("{}/api/annotations?tags=alert", product.address("/prometheus"))).1;
    assert!(annotations.contains("LightIsOn fires"), "{annotations}");
}

#[test]
fn a_wrong_rule_file_is_refused_and_the_rules_of_before_stay() {
    let folder = tempfile::tempdir().unwrap();
    let ((page, _), receiver) = (light(), Receiver::start());
    let mut product = start(folder.path(), &page, &receiver);
    eventually("the recorded series", || (product.values("lights:double") == [2.0]).then_some(()));
    let file = folder.path().join("lights.yml");
    std::fs::write(&file, RULES.replace("2 * light}", "'2 * * light'}")).unwrap();
    product.signal(Signal::HUP);
    eventually("the refusal", || product.said().contains("the previous one stays in force").then_some(()));
    let said = product.said();
    assert!(
        said.contains("lights.yml:5") && said.contains("lights:double") && said.contains("hint:"),
        "{said}"
    );
    let metrics = get(&format!("{}/metrics", product.address("/prometheus"))).1;
    assert!(metrics.contains("prometheus_config_last_reload_successful 0"), "{metrics}");
    let rules = product.api("/api/v1/rules");
    assert_eq!(rules["data"]["groups"][0]["rules"][0]["query"], "2 * light", "{rules}");

    std::fs::write(&file, RULES.replace("2 * light", "3 * light")).unwrap();
    product.signal(Signal::HUP);
    eventually("the new rule", || (product.values("lights:double") == [3.0]).then_some(()));
    let alerts = product.api("/api/v1/alerts");
    assert_eq!(
        alerts["data"]["alerts"][0]["state"], "firing",
        "a rule that did not change goes on: {alerts}"
    );
}
