//! 10,000 alerts in 1,000 groups and 100,000 that are sent again: what taking, grouping, silencing, showing and rendering them costs.
//!
//! Run with `cargo bench -p tidewatch-notify`. Output: wall time of each step. No step waits or uses the network, so that it is processor
//! time too; all but the rendering happens with the lock held, which is for how long everybody else waits.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidewatch_model::{Alert, AlertSink, Labels};
use tidewatch_notify::{
    AlertFilter, AlertStatus, Alertmanager, AlertmanagerOptions, Config, GroupFilter, Notification,
    NotifiedAlert, Silence, Simulation, Templates, build, parse_matchers,
};
use tidewatch_telemetry::{Exposition, Registry};

const NOW: i64 = 1_767_323_045_000;
const GROUPS: usize = 1000;

fn main() {
    println!("decisions, 10,000 alerts in 1,000 groups");
    decide("  no silences", 10_000, &[]);
    let by_name = |number: usize| format!("alertname=Alert{number},instance=~\"x.*\"");
    decide("  1,000 silences by name", 10_000, &silences(1000, by_name));
    let alike = |number: usize| format!("severity=critical,pod=~\"pod-{number}-.*\"");
    decide("  1,000 silences of one value", 10_000, &silences(1000, alike));
    let patterns = |number: usize| format!("pod=~\"pod-{number}-.*|web-{number}.+\",instance!=\"\"");
    decide("  1,000 silences by pattern", 10_000, &silences(1000, patterns));
    decide("  10,000 silences by pattern", 1000, &silences(10_000, patterns));
    println!("one group of 10,000 alerts, each receiver");
    render(10_000);
    println!("the live program, 100,000 alerts");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime can be made").block_on(live());
}

fn timed<T>(what: &str, step: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let made = step();
    println!("{what:<44} {:>9.1} ms", begin.elapsed().as_secs_f64() * 1000.0);
    made
}

fn alerts(count: usize, now: i64) -> Vec<Alert> {
    let description = "It has done so for ten minutes. See the dashboard of the service for the reason.";
    let alert = |number: usize| Alert {
        labels: Labels::from_pairs([
            ("alertname", format!("Alert{}", number % GROUPS)),
            ("cluster", "eu-1".to_owned()),
            ("instance", format!("10.0.{}.{}:9100", number / 250 % 250, number % 250)),
            ("namespace", format!("ns-{}", number % 17)),
            ("pod", format!("pod-{number}-7d9f")),
            ("severity", "critical".to_owned()),
        ]),
        annotations: Labels::from_pairs([
            ("summary", format!("pod-{number} answers 5 < 6 requests")),
            ("description", description.to_owned()),
        ]),
        starts_at: now,
        ends_at: now + 3_600_000,
        generator_url: "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1".to_owned(),
    };
    (0..count).map(alert).collect()
}

fn silences(count: usize, matchers: impl Fn(usize) -> String) -> Vec<Silence> {
    let silence = |number| Silence {
        matchers: parse_matchers(&matchers(number)).expect("matchers of this program"),
        ends_at: NOW + 7_200_000,
        created_by: "bench".to_owned(),
        ..Silence::default()
    };
    (0..count).map(silence).collect()
}

fn config() -> Config {
    let text = "route: {receiver: r, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}\n\
                receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]";
    Config::parse(Path::new("bench.yml"), text).expect("a configuration of this program")
}

fn decide(what: &str, count: usize, silences: &[Silence]) {
    let mut simulation = Simulation::new(config(), NOW);
    timed(&format!("{what}: set them"), || {
        for silence in silences {
            simulation.set_silence(silence.clone()).expect("there is room");
        }
    });
    let all = alerts(count, NOW);
    timed(&format!("{what}: put {count}"), || simulation.put_alerts(all.clone()));
    timed(&format!("{what}: flush"), || simulation.advance(Duration::from_secs(31)));
    timed(&format!("{what}: flush again"), || simulation.advance(Duration::from_secs(300)));
}

fn render(count: usize) {
    let text = "receivers:\n- name: r\n  webhook_configs: [{url: 'http://127.0.0.1:1/'}]\n  \
                slack_configs: [{api_url: 'http://127.0.0.1:1/'}]\n  \
                pagerduty_configs: [{routing_key: k, url: 'http://127.0.0.1:1/'}]\n  \
                discord_configs: [{webhook_url: 'http://127.0.0.1:1/'}]\n  \
                msteamsv2_configs: [{webhook_url: 'http://127.0.0.1:1/'}]\n  \
                email_configs: [{to: a@b, from: a@b, smarthost: '127.0.0.1:1'}]\n\
                route: {receiver: r}\n";
    let config = Config::parse(Path::new("bench.yml"), text).expect("a configuration of this program");
    let receivers = build(&config.receivers[0], &Arc::new(Templates::new("http://am")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let notification = notification(count);
    for receiver in &receivers {
        // nobody listens, so that all but the request is measured
        timed(&format!("  {}", receiver.name()), || runtime.block_on(receiver.notify(&notification)))
            .expect_err("nobody listens");
    }
    let templates = Templates::new("http://am");
    let shared = "{{ range .Alerts }}{{ $.CommonLabels.severity }}{{ end }}";
    timed("  a template that asks what they share", || templates.text(shared, &notification))
        .expect("a template of this program");
    let patterns = "{{ range .Alerts }}{{ if match \"^pod-[0-9]+-.*$\" .Labels.pod }}x{{ end }}{{ end }}";
    timed("  a template with a pattern", || templates.text(patterns, &notification))
        .expect("a template of this program");
}

fn notification(count: usize) -> Notification {
    let notified = |alert: Alert| NotifiedAlert {
        status: AlertStatus::Firing,
        labels: alert.labels,
        annotations: alert.annotations,
        starts_at: alert.starts_at,
        generator_url: alert.generator_url,
        fingerprint: "0123456789abcdef".to_owned(),
        ..NotifiedAlert::default()
    };
    Notification {
        receiver: "r".to_owned(),
        group_key: "{}:{}".to_owned(),
        alerts: alerts(count, NOW).into_iter().map(notified).collect(),
        now_ms: NOW,
        ..Notification::default()
    }
}

async fn live() {
    let alertmanager = Alertmanager::start(config(), AlertmanagerOptions::default()).expect("it starts");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let now = now.as_millis() as i64;
    let all = alerts(100_000, now);
    timed("  put", || alertmanager.send(&all));
    timed("  put again", || alertmanager.send(&all));
    let registry = Registry::default();
    alertmanager.register_metrics(&registry);
    timed("  metrics", || registry.encode(Exposition::Text));
    timed("  GET alerts", || alertmanager.alerts(&AlertFilter::default()));
    timed("  GET groups", || alertmanager.groups(&GroupFilter::default()));
    let more = alerts(100_100, now).split_off(100_000);
    timed("  100 more than there is room for", || alertmanager.put_alerts(more));
    alertmanager.shutdown().await;
}
