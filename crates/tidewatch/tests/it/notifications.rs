//! From a rule to a receiver through the Alertmanager that runs in the same process: killed and started again, with receivers that fail,
//! with wrong configurations.

use crate::page::{Page, light};
use crate::product::{ANY_FURTHER_PORTS, Caller, Product, eventually};
use crate::receiver::{Receiver, Reply};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::Ordering;

const RULES: &str = "groups:
  - name: lights
    interval: 200ms
    rules:
      - {alert: LightIsOn, expr: light > 0, annotations: {summary: 'light {{ $value }}'}}
      - {alert: Heat, expr: light > 0}
";

/// Routes that notify quickly and repeat after an hour, but those with `clock="yes"` at once again and again.
fn notifications(receivers: &str) -> String {
    format!(
        "route:\n  receiver: people\n  group_by: [alertname]\n  group_wait: 100ms\n  group_interval: 200ms\n  repeat_interval: 1h\n  \
         routes:\n  - {{matchers: [clock=yes], receiver: clock, repeat_interval: 200ms}}\nreceivers:\n{receivers}"
    )
}

fn webhook(name: &str, receiver: &Receiver) -> String {
    format!("- name: {name}\n  webhook_configs: [{{url: 'http://{}/secret-path'}}]\n", receiver.address)
}

/// `serve` with rules about the light and these notifications.
fn start(folder: &Path, page: &Page, notifications: &str) -> Product {
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\nrule_files: [lights.yml]\n\
         scrape_configs: [{{job_name: test, static_configs: [{{targets: ['{}']}}]}}]\n",
        page.address()
    );
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    write("lights.yml", RULES);
    let (config, notifications) =
        (write("prometheus.yml", &config), write("alertmanager.yml", notifications));
    let data = folder.display().to_string();
    let mut arguments = vec!["serve", "--config.file", &config, "--storage.tsdb.path", &data];
    arguments.extend(["--web.listen-address", "127.0.0.1:0", "--alertmanager.config.file", &notifications]);
    arguments.extend(ANY_FURTHER_PORTS);
    Product::start(&arguments, folder)
}

/// Asks Alertmanager's API.
fn ask(product: &Product, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let url = format!("{}{path}", product.address("/alertmanager"));
    Caller::new().ask(method, &url, &[], body).unwrap_or_else(|| panic!("{method} {url}: no answer"))
}

/// Puts an alert that ticks at the receiver `clock` and waits for so many ticks: other groups had as many turns.
fn pass(product: &Product, clock: &Receiver, turns: usize) {
    let (before, alert) = (clock.posted().len(), json!([{"labels": {"alertname": "Tick", "clock": "yes"}}]));
    assert_eq!(ask(product, "POST", "/api/v2/alerts", Some(&alert)).0, 200);
    clock.has_posts(before + turns);
}

#[test]
fn a_kill_loses_no_alert_repeats_none_and_leaves_silences() {
    let folder = tempfile::tempdir().unwrap();
    let ((page, state), people, clock) = (light(), Receiver::start(), Receiver::start());
    let notifications = notifications(&(webhook("people", &people) + &webhook("clock", &clock)));
    let mut product = start(folder.path(), &page, &notifications);
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Heat", "isRegex": false, "isEqual": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z", "createdBy": "me", "comment": "summer",
    });
    let (status, set) = ask(&product, "POST", "/api/v2/silences", Some(&silence));
    assert_eq!(status, 200, "{set}");
    let id = set["silenceID"].as_str().unwrap().to_owned();
    eventually("the first notification", || (people.told("LightIsOn", "firing") == 1).then_some(()));
    pass(&product, &clock, 3);
    // some may have been told before the silence was there
    let heat = people.told("Heat", "firing");
    // the log of notifications is written once they were taken
    eventually("what was told", || {
        let (_, told) = ask(&product, "GET", "/api/tidewatch/v1/notifications?limit=1000", None);
        let delivered = |one: &&Value| one["receiver"] == "people" && one["outcome"] == "delivered";
        (told["notifications"].as_array()?.iter().filter(delivered).count() == 1 + heat).then_some(())
    });
    product.signal(Signal::KILL);
    product.wait();

    let product = start(folder.path(), &page, &notifications);
    eventually("the alert again", || {
        let (_, alerts) = ask(&product, "GET", "/api/v2/alerts?filter=alertname%3DLightIsOn", None);
        (alerts[0]["status"]["state"] == "active").then_some(())
    });
    pass(&product, &clock, 5);
    assert_eq!((people.told("LightIsOn", "firing"), people.told("Heat", "firing")), (1, heat));
    let (_, kept) = ask(&product, "GET", &format!("/api/v2/silence/{id}"), None);
    assert_eq!((&kept["status"]["state"], &kept["comment"]), (&json!("active"), &json!("summer")), "{kept}");
    let (_, alerts) = ask(&product, "GET", "/api/v2/alerts?filter=alertname%3DHeat", None);
    assert_eq!(
        alerts[0]["status"],
        json!({"state": "suppressed", "silencedBy": [id], "inhibitedBy": [], "mutedBy": []})
    );

    state.store(0, Ordering::Relaxed);
    eventually("the end of it", || (people.told("LightIsOn", "resolved") == 1).then_some(()));
    assert_eq!(people.told("LightIsOn", "firing"), 1);
}

#[test]
fn a_receiver_that_fails_delays_only_itself_and_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _) = light();
    let (people, clock, silent) =
        (Receiver::start(), Receiver::start(), Receiver::answering(|_| Reply::Silence));
    let limited = Receiver::answering(|before| match before {
        0 => Reply::Status(429, Some(1)),
        _ => Reply::Status(200, None),
    });
    let failing = Receiver::answering(|before| Reply::Status(if before < 3 { 500 } else { 200 }, None));
    let refusing = Receiver::answering(|_| Reply::Status(404, None));
    let all = [
        ("clock", &clock),
        ("silent", &silent),
        ("limited", &limited),
        ("failing", &failing),
        ("refusing", &refusing),
    ];
    let receivers: String = all.iter().map(|(name, receiver)| webhook(name, receiver)).collect();
    let routes: String =
        all[1..].iter().map(|(name, _)| format!("  - {{receiver: {name}, continue: true}}\n")).collect();
    let text = notifications(&(webhook("people", &people) + &receivers));
    let text = text.replace("receivers:\n", &format!("{routes}  - {{receiver: people}}\nreceivers:\n"));
    let mut product = start(folder.path(), &page, &text);
    for (name, receiver, posts) in
        [("people", &people, 1), ("limited", &limited, 2), ("failing", &failing, 4)]
    {
        eventually(name, || {
            let (_, told) = ask(&product, "GET", "/api/tidewatch/v1/notifications", None);
            let delivered = |one: &Value| one["receiver"] == name && one["outcome"] == "delivered";
            told["notifications"].as_array()?.iter().any(delivered).then_some(())
        });
        assert!(receiver.posted().len() >= posts, "{name}: {:?}", receiver.posted().len());
    }
    let (_, told) = ask(&product, "GET", "/api/tidewatch/v1/notifications", None);
    let of = |name: &str| {
        let all = told["notifications"].as_array().unwrap();
        all.iter().find(|one| one["receiver"] == name).unwrap_or_else(|| panic!("{name}: {told}")).clone()
    };
    assert_eq!(of("refusing")["outcome"], "failed");
    assert!(of("refusing")["error"].as_str().unwrap().contains("404"), "{told}");
    assert!(!told.to_string().contains("secret-path"), "{told}");
    // it holds its connection, and is not among those that were told
    assert!(!silent.posted().is_empty());
    assert!(
        !told["notifications"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["receiver"] == "silent" && one["outcome"] == "delivered")
    );
    let count = |name: &str, label: &str| {
        let lines = Caller::new().metrics(&format!("{}/metrics", product.address("/prometheus")), name);
        lines.iter().filter(|(series, _)| series.contains(label)).map(|(_, value)| value).sum::<f64>()
    };
    assert!(count("alertmanager_notifications_failed_total", "clientError") >= 1.0);
    assert!(count("alertmanager_notification_requests_failed_total", "webhook") >= 5.0);
    let said = product.said();
    assert!(said.contains("refusing") && said.contains("404") && !said.contains("secret-path"), "{said}");
}

#[test]
fn wrong_notifications_are_refused_and_those_of_before_stay() {
    let folder = tempfile::tempdir().unwrap();
    let ((page, _), people, clock) = (light(), Receiver::start(), Receiver::start());
    let good = notifications(&(webhook("people", &people) + &webhook("clock", &clock)));
    let mut product = start(folder.path(), &page, &good);
    let before = ask(&product, "GET", "/api/v2/status", None).1["config"].clone();
    std::fs::write(folder.path().join("broken.tmpl"), "{{ define \"x\" }}{{ .Status | nosuch }}{{ end }}\n")
        .unwrap();
    let wrong = [
        (
            good.replace("receiver: people", "receiver: nobody"),
            "alertmanager.yml:2:13",
            "undefined receiver \"nobody\"",
        ),
        (good.replace("clock=yes", "clock=~("), "alertmanager.yml:8:17", "invalid regular expression \"(\""),
        (
            good.replace("webhook_configs", "webhook_config"),
            "alertmanager.yml:11:3",
            "did you mean webhook_configs?",
        ),
        (good.clone() + "templates: ['*.tmpl']\n", "broken.tmpl:1", "nosuch"),
    ];
    for (count, (text, place, reason)) in wrong.into_iter().enumerate() {
        std::fs::write(folder.path().join("alertmanager.yml"), text).unwrap();
        product.signal(Signal::HUP);
        let refusal = "the previous one stays in force";
        eventually("the refusal", || (product.said().matches(refusal).count() == count + 1).then_some(()));
        let said = product.said();
        let last = said.rsplit(refusal).next().unwrap();
        assert!(last.contains(place) && last.contains(reason), "{place} {reason}: {last}");
    }
    assert_eq!(ask(&product, "GET", "/api/v2/status", None).1["config"], before);
    let metrics = Caller::new().metrics(
        &format!("{}/metrics", product.address("/prometheus")),
        "alertmanager_config_last_reload_successful",
    );
    assert_eq!(metrics[0].1, 0.0);
    pass(&product, &clock, 1);

    std::fs::write(folder.path().join("alertmanager.yml"), good + "# changed\n").unwrap();
    product.signal(Signal::HUP);
    eventually("the new configuration", || {
        product.said().contains("configuration loaded from").then_some(())
    });
    let metrics = Caller::new().metrics(
        &format!("{}/metrics", product.address("/prometheus")),
        "alertmanager_config_last_reload_successful",
    );
    assert_eq!(metrics[0].1, 1.0);
}
