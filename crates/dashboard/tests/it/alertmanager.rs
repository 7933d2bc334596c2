//! Alertmanager's configuration: every severity has its way, every receiver is there and used, and no secret stands in it.
//! Input: `alertmanager-config.yaml`, the shipped alerts. Routes nothing; the routes are tested where they are implemented.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{alerts, read, texts};

fn config() -> Value {
    let mut texts = texts("kubernetes/monitoring/alertmanager-config.yaml");
    serde_saphyr::from_str(&texts.remove("alertmanager.yaml").unwrap()).unwrap()
}

fn strings<'a>(value: &'a Value, into: &mut Vec<(String, &'a str)>, key: &str) {
    match value {
        Value::String(text) => into.push((key.to_owned(), text)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, into, key)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| strings(value, into, key)),
        _ => {}
    }
}

fn routes(config: &Value) -> &Vec<Value> {
    config["route"]["routes"].as_array().unwrap()
}

#[test]
fn every_receiver_is_there_and_used() {
    let config = config();
    let named = |value: &Value| value.as_str().unwrap().to_owned();
    let receivers: BTreeSet<String> =
        config["receivers"].as_array().unwrap().iter().map(|receiver| named(&receiver["name"])).collect();
    let mut used: BTreeSet<String> = routes(&config).iter().map(|route| named(&route["receiver"])).collect();
    used.insert(named(&config["route"]["receiver"]));
    assert_eq!(receivers, used);
    let kinds: BTreeSet<&String> = config["receivers"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|receiver| receiver.as_object().unwrap().keys())
        .filter(|key| key.ends_with("_configs"))
        .collect();
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["discord_configs", "slack_configs", "webhook_configs"]
    );
}

#[test]
fn every_severity_and_the_watchdog_have_a_route() {
    let config = config();
    let matchers: Vec<&str> =
        routes(&config).iter().map(|route| route["matchers"][0].as_str().unwrap()).collect();
    let expected =
        ["alertname = \"Watchdog\"", "severity = \"critical\"", "severity =~ \"critical|warning\""];
    assert_eq!(matchers, expected);
    assert_eq!(routes(&config)[1]["continue"], true, "the chat is told of what pages");
    let severities: BTreeSet<String> =
        alerts().into_iter().map(|alert| alert.labels["severity"].clone()).collect();
    assert_eq!(severities.into_iter().collect::<Vec<_>>(), ["critical", "none", "warning"]);
}

#[test]
fn inhibition_names_shipped_alerts_and_never_equal_nothing() {
    let names: BTreeSet<String> = alerts().into_iter().map(|alert| alert.alert).collect();
    for rule in config()["inhibit_rules"].as_array().unwrap() {
        let mut texts = Vec::new();
        strings(rule, &mut texts, "");
        for (_, text) in texts.iter().filter(|(_, text)| text.starts_with("alertname")) {
            let name = text.split('"').nth(1).unwrap();
            assert!(names.contains(name), "{name} is no alert");
        }
        // two labels at least: alerts that lack both would count as equal
        assert!(rule["equal"].as_array().unwrap().len() >= 2, "{rule}");
    }
}

#[test]
fn addresses_come_from_files_alone() {
    let config = config();
    let mut texts = Vec::new();
    strings(&config["receivers"], &mut texts, "");
    let files: Vec<&str> =
        texts.iter().filter(|(key, _)| key.ends_with("_file")).map(|(_, text)| *text).collect();
    assert_eq!(files.len(), 4);
    assert!(files.iter().all(|file| file.starts_with("/etc/alertmanager/receivers/")), "{files:?}");
    assert!(texts.iter().all(|(_, text)| !text.contains("://")), "an address stands in the file");
    let stack = read("kubernetes/values/kube-prometheus-stack.yaml");
    for part in ["configSecret: todo-app-alertmanager", "mountPath: /etc/alertmanager/receivers,"] {
        assert!(stack.contains(part), "{part}");
    }
}
