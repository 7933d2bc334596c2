//! Alerts on their way to real Alertmanagers.

use crate::capture::{Capture, Reply};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_manifest::{AlertingConfig, PrometheusConfig};
use tidewatch_model::{Alert, AlertSink, Labels, TargetGroup, parse_timestamp};
use tidewatch_notify::{Sender, SenderOptions};
use tidewatch_telemetry::{Exposition, Registry};

fn alerting(entries: &str) -> AlertingConfig {
    let text = format!("alerting:\n  alertmanagers: [{entries}]\n");
    PrometheusConfig::parse("p.yml", &text).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}")).alerting
}

fn entry(server: &Capture) -> String {
    format!("{{static_configs: [{{targets: ['{}']}}]}}", server.address)
}

fn start(entries: &str, options: SenderOptions) -> Arc<Sender> {
    Sender::start(&alerting(entries), Labels::empty(), options)
}

fn alerts(range: std::ops::Range<usize>) -> Vec<Alert> {
    range.map(|n| Alert { labels: Labels::from_pairs([("n", n.to_string())]), ..Alert::default() }).collect()
}

/// The label `n` of all alerts that came, a list for each request.
fn received(server: &Capture) -> Vec<Vec<usize>> {
    let number = |alert: &Value| alert["labels"]["n"].as_str().unwrap().parse().unwrap();
    let of = |body: &str| {
        serde_json::from_str::<Vec<Value>>(body).unwrap().iter().map(number).collect::<Vec<usize>>()
    };
    server.requests().iter().map(|request| of(&request.body)).collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} does not happen");
}

#[tokio::test]
async fn requests_are_prometheuss_byte_for_byte() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prometheus/alerts.json");
    let captured: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!captured.is_empty());
    for request in captured {
        let server = Capture::start().await;
        let config = format!(
            "{{path_prefix: /am, authorization: {{credentials: s3cret-token}}, static_configs: [{{targets: ['{}']}}], \
             alert_relabel_configs: [{{target_label: added, replacement: 'yes'}}]}}",
            server.address
        );
        let external = Labels::from_pairs([("zone", "eu"), ("replica", "b")]);
        let sender = Sender::start(&alerting(&config), external, SenderOptions::default());
        let body = request["body"].as_str().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pairs = |value: &Value| {
            let pairs = value.as_object().into_iter().flatten();
            Labels::from_pairs(pairs.map(|(name, value)| (name.clone(), text(value))))
        };
        let sent: Vec<Alert> = serde_json::from_str::<Vec<Value>>(body)
            .unwrap()
            .iter()
            .map(|alert| {
                let own = pairs(&alert["labels"]).drop(&["added", "zone"]);
                Alert {
                    labels: if own.get("replica") == Some("b") { own.drop(&["replica"]) } else { own },
                    annotations: pairs(&alert["annotations"]),
                    starts_at: parse_timestamp(&text(&alert["startsAt"])).unwrap(),
                    ends_at: parse_timestamp(&text(&alert["endsAt"])).unwrap(),
                    generator_url: text(&alert["generatorURL"]),
                }
            })
            .collect();
        sender.send(&sent);
        let found = server.wait_for(1).await.remove(0);
        assert_eq!(found.body, body);
        assert_eq!(found.path, request["path"]);
        for (name, value) in request["headers"].as_object().unwrap() {
            assert_eq!(found.header(&name.to_ascii_lowercase()), value.as_str());
        }
        sender.shutdown().await;
    }
}

#[tokio::test]
async fn one_that_is_slow_or_gone_delays_only_itself() {
    let quick = Capture::start().await;
    let slow =
        Capture::answering(|_| Reply { delay: Duration::from_secs(3600), ..Reply::new(200, "") }).await;
    let refusing = Capture::answering(|_| Reply::new(500, "")).await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = format!("{{static_configs: [{{targets: ['{gone}']}}]}}");
    let entries = format!("{}, {}, {}, {gone}", entry(&slow), entry(&quick), entry(&refusing));
    let options = SenderOptions { drain_timeout: Duration::from_millis(10), ..SenderOptions::default() };
    let sender = start(&entries, options);
    let registry = Registry::default();
    sender.register_metrics(&registry);
    assert_eq!(sender.alertmanagers().active.len(), 4);
    slow.requests();
    sender.send(&alerts(0..10));
    slow.wait_for(1).await;
    for round in 1..=3 {
        sender.send(&alerts(0..10));
        until("the quick one gets all", || received(&quick).concat().len() == 10 * (round + 1)).await;
    }
    let value = |text: &str, name: &str, address: std::net::SocketAddr| {
        let prefix =
            format!("prometheus_notifications_{name}{{alertmanager=\"http://{address}/api/v2/alerts\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("{text} lacks {prefix}")).parse::<f64>().unwrap()
    };
    until("the refusing one is given up", || {
        value(&registry.encode(Exposition::Text), "errors_total", refusing.address) == 40.0
    })
    .await;
    let text = registry.encode(Exposition::Text);
    assert_eq!(value(&text, "sent_total", quick.address), 40.0);
    assert_eq!(value(&text, "dropped_total", refusing.address), 40.0);
    assert_eq!(value(&text, "errors_total", quick.address), 0.0);
    assert_eq!(value(&text, "queue_length", slow.address), 30.0);
    assert_eq!(value(&text, "queue_length", quick.address), 0.0);
    assert!(value(&text, "latency_seconds_count", quick.address) >= 4.0);
    assert!(text.contains("prometheus_notifications_alertmanagers_discovered 4"), "{text}");
    assert!(text.contains("prometheus_notifications_queue_capacity 10000"), "{text}");
    sender.shutdown().await;
}

#[tokio::test]
async fn batches_and_queues_are_bounded_and_the_oldest_make_room() {
    let (open, closed) =
        (Reply::new(200, ""), Reply { delay: Duration::from_secs(1), ..Reply::new(200, "") });
    let server = Capture::answering(move |request| match request.body.contains("\"n\":\"0\"") {
        true => closed.clone(),
        false => open.clone(),
    })
    .await;
    let options = SenderOptions { queue_capacity: 25, max_batch_size: 10, ..SenderOptions::default() };
    let sender = start(&entry(&server), options);
    let registry = Registry::default();
    sender.register_metrics(&registry);
    sender.send(&alerts(0..1));
    server.wait_for(1).await;
    // the first request is under way: 40 alerts wait for 25 places
    sender.send(&alerts(1..21));
    sender.send(&alerts(21..41));
    assert!(registry.encode(Exposition::Text).contains("/api/v2/alerts\"} 15"), "dropped_total");
    server.wait_for(4).await;
    let expected = [vec![0], (16..26).collect(), (26..36).collect(), (36..41).collect()];
    assert_eq!(received(&server), expected);
    // more at once than there is room for
    sender.send(&alerts(100..150));
    server.wait_for(7).await;
    assert_eq!(received(&server)[4..].concat(), (125..150).collect::<Vec<_>>());
    sender.shutdown().await;
}

#[tokio::test]
async fn what_waits_is_sent_at_the_end() {
    let server =
        Capture::answering(|_| Reply { delay: Duration::from_millis(20), ..Reply::new(200, "") }).await;
    let options = SenderOptions { max_batch_size: 5, ..SenderOptions::default() };
    let sender = start(&entry(&server), options);
    sender.send(&alerts(0..50));
    sender.shutdown().await;
    assert_eq!(received(&server).concat(), (0..50).collect::<Vec<_>>());
    sender.send(&alerts(50..60));
    assert!(sender.alertmanagers().active.is_empty());
    assert_eq!(received(&server).concat().len(), 50);
}

#[tokio::test]
async fn the_end_does_not_wait_for_one_that_is_gone() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let options = SenderOptions { max_batch_size: 1, ..SenderOptions::default() };
    let sender = start(&format!("{{static_configs: [{{targets: ['{gone}']}}]}}"), options);
    sender.send(&alerts(0..10_000));
    tokio::time::timeout(Duration::from_secs(10), sender.shutdown()).await.expect("it gives up");
}

#[tokio::test]
async fn targets_and_configurations_come_and_go() {
    let (first, second) = (Capture::start().await, Capture::start().await);
    let group = |server: &Capture| TargetGroup {
        targets: vec![Labels::from_pairs([("__address__", server.address.to_string())])],
        ..TargetGroup::default()
    };
    let files = "{file_sd_configs: [{files: [ams.json]}], \
                  relabel_configs: [{action: drop, source_labels: [__address__], regex: 'dropped:1'}]}";
    let sender = start(files, SenderOptions::default());
    sender.send(&alerts(0..1));
    assert!(sender.alertmanagers().active.is_empty());
    let mut dropped = group(&first);
    dropped.targets.push(Labels::from_pairs([("__address__", "dropped:1")]));
    sender.set_targets(0, vec![dropped]);
    let view = sender.alertmanagers();
    assert_eq!(view.active, [format!("http://{}/api/v2/alerts", first.address)]);
    assert_eq!(view.dropped, ["http://dropped:1/api/v2/alerts"]);
    sender.send(&alerts(1..2));
    first.wait_for(1).await;
    sender.set_targets(0, vec![group(&second)]);
    sender.send(&alerts(2..3));
    second.wait_for(1).await;
    // an entry that did not change keeps its targets, another one is added
    sender.reload(&alerting(&format!("{files}, {}", entry(&first))), Labels::from_pairs([("zone", "eu")]));
    sender.send(&alerts(3..4));
    first.wait_for(2).await;
    second.wait_for(2).await;
    assert!(second.requests()[1].body.contains("\"zone\":\"eu\""));
    sender.reload(&AlertingConfig::default(), Labels::empty());
    assert!(sender.alertmanagers().active.is_empty());
    assert_eq!((received(&first), received(&second)), (vec![vec![1], vec![3]], vec![vec![2], vec![3]]));
    sender.shutdown().await;
}
