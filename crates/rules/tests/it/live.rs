//! Rules as they run: moments, reloads, restarts, the end.

use crate::world::{groups, labels, store};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidewatch_model::{Alert, AlertSink, Append, Batch, Clock, Labels, SeriesRef, SystemClock};
use tidewatch_promql::{Cancel, Engine, EngineOptions, Value};
use tidewatch_rules::{AlertState, GroupStatus, RuleHealth, Rules, RulesDeps, RulesOptions};
use tidewatch_telemetry::{Exposition, Registry};
use tidewatch_tsdb::Tsdb;

#[derive(Default)]
struct Sink(Mutex<Vec<Alert>>);

impl AlertSink for Sink {
    fn send(&self, alerts: &[Alert]) {
        self.0.lock().unwrap().extend_from_slice(alerts);
    }
}

struct Live {
    rules: Arc<Rules>,
    tsdb: Arc<Tsdb>,
    sink: Arc<Sink>,
}

impl Live {
    fn start(tsdb: &Arc<Tsdb>, text: &str) -> Self {
        Self::start_with(tsdb, text, RulesOptions { concurrency: 2, ..RulesOptions::default() })
    }

    fn start_with(tsdb: &Arc<Tsdb>, text: &str, options: RulesOptions) -> Self {
        let sink = Arc::new(Sink::default());
        let deps = RulesDeps {
            read: tsdb.clone(),
            append: tsdb.clone(),
            engine: EngineOptions::default(),
            clock: Arc::new(SystemClock),
            sink: sink.clone(),
            external_labels: Labels::from_pairs([("cluster", "c")]),
            external_url: "http://here".to_owned(),
        };
        let rules = Rules::start(groups(text), deps, options).unwrap();
        Self { rules, tsdb: tsdb.clone(), sink }
    }

    fn put(&self, series: &str, value: f64) {
        put(&self.tsdb, series, value);
    }

    fn query(&self, query: &str) -> usize {
        let engine = Engine::new(EngineOptions::default());
        let value = engine.instant(&*self.tsdb, query, SystemClock.now(), &Cancel::new()).unwrap().value;
        let Value::Vector(elements) = value else { panic!("{query}") };
        elements.len()
    }

    fn status(&self, group: &str) -> Option<GroupStatus> {
        self.rules.groups().into_iter().find(|status| status.group.name == group)
    }
}

fn put(tsdb: &Tsdb, series: &str, value: f64) {
    let mut batch = Batch::default();
    batch.push(SeriesRef::UNKNOWN, labels(series), SystemClock.now(), value);
    tsdb.append(&mut batch).unwrap();
}

/// Waits until something holds, for at most ten seconds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within ten seconds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn text(interval: &str, rules: &str) -> String {
    let rules: String = rules.lines().map(|line| format!("  {}\n", line.trim())).collect();
    format!("groups:\n- name: g\n  interval: {interval}\n  rules:\n{rules}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_evaluated_at_their_moments_and_tell_how_they_are_doing() {
    let (_folder, tsdb) = store();
    put(&tsdb, "x", 1.0);
    let live = Live::start(
        &tsdb,
        &text("40ms", "- {record: r, expr: x}\n- {alert: A, expr: x}\n- {record: bad, expr: '\"t\"'}"),
    );
    let before = live.status("g").unwrap();
    assert_eq!(before.rules[0].health, RuleHealth::Unknown);
    assert_eq!(before.rules[1].state, Some(AlertState::Unknown));
    until("the alert's series", || live.query("ALERTS") == 1).await;
    let status = live.status("g").unwrap();
    let [record, alert, bad] = status.rules.as_slice() else { panic!("{status:?}") };
    assert_eq!((record.health, alert.state), (RuleHealth::Good, Some(AlertState::Firing)));
    assert_eq!(bad.health, RuleHealth::Bad);
    assert_eq!(bad.last_error.as_deref(), Some("rule result is not a vector or scalar"));
    assert!(status.last_evaluation.is_some() && record.last_evaluation.is_some());
    assert_eq!(alert.alerts[0].labels.to_string(), "{alertname=\"A\"}");
    let sent = live.sink.0.lock().unwrap()[0].clone();
    assert_eq!(sent.labels.to_string(), "{alertname=\"A\", cluster=\"c\"}");
    live.rules.shutdown().await;
    let count = live.sink.0.lock().unwrap().len();
    assert_eq!(live.sink.0.lock().unwrap().len(), count);
    assert!(live.rules.groups().len() == 1, "what was in force can still be looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_what_did_not_change_and_ends_what_went() {
    let (_folder, tsdb) = store();
    put(&tsdb, "x", 1.0);
    let rules = "- {record: r, expr: x}\n- {alert: A, expr: x, for: 1h}";
    let live = Live::start(
        &tsdb,
        &(text("30ms", rules) + "- name: h\n  interval: 30ms\n  rules: [{record: s, expr: x}]\n"),
    );
    until("both groups", || live.query("ALERTS") == 1 && live.query("s") == 1).await;
    let since = |live: &Live| live.status("g").unwrap().rules[1].alerts[0].active_at;
    let began = since(&live);
    // the same again, without the second group
    live.rules.reload(groups(&text("30ms", rules))).await.unwrap();
    assert!(live.status("h").is_none());
    until("the end of the series of the group that went", || live.query("s") == 0).await;
    assert_eq!(since(&live), began);
    // another interval: the alerts stay, the series of the rule that went end
    live.rules
        .reload(groups(&text("25ms", "- {alert: A, expr: x, for: 1h}\n- {record: t, expr: x}")))
        .await
        .unwrap();
    until("the new rule", || live.query("t") == 1 && live.query("r") == 0).await;
    assert_eq!(live.status("g").unwrap().rules[0].alerts[0].active_at, began);
    live.rules.shutdown().await;
    live.rules.reload(groups(&text("25ms", rules))).await.unwrap();
    assert!(live.status("g").unwrap().rules[1].last_evaluation.is_some(), "nothing changes after the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_groups_of_one_name_are_refused_and_nothing_changes() {
    let (_folder, tsdb) = store();
    let live = Live::start(&tsdb, &text("30ms", "- {record: r, expr: x}"));
    let mut twice = groups(&text("30ms", "- {record: q, expr: x}"));
    twice.extend(groups(&text("30ms", "- {record: q, expr: x}")));
    let error = live.rules.reload(twice).await.unwrap_err().to_string();
    assert!(error.contains("rules.yml: groupname: \"g\" is repeated"), "{error}");
    assert_eq!(live.status("g").unwrap().group.rules[0].name, "r");
    live.put("x", 1.0);
    until("the rule that stays", || live.query("r") == 1).await;
    live.rules.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_alert_goes_on_after_a_restart() {
    let (_folder, tsdb) = store();
    put(&tsdb, "x", 1.0);
    // active for 40 minutes, of which the last five were an outage
    let now = SystemClock.now();
    let mut batch = Batch::default();
    let series = labels("ALERTS_FOR_STATE{alertname=\"A\"}");
    batch.push(SeriesRef::UNKNOWN, series, now - 300_000, ((now - 2_400_000) / 1000) as f64);
    tsdb.append(&mut batch).unwrap();
    let live = Live::start(&tsdb, &text("50ms", "- {alert: A, expr: x, for: 1h}"));
    let active = || live.status("g").and_then(|g| g.rules[0].alerts.first().map(|alert| alert.active_at));
    until("the first evaluation", || active().is_some()).await;
    until("restoration", || active().is_some_and(|at| (now - 2_110_000..now - 2_080_000).contains(&at)))
        .await;
    until("its series", || live.query("ALERTS") == 1).await;
    live.rules.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_prometheuss_names_and_labels() {
    let (_folder, tsdb) = store();
    let live =
        Live::start(&tsdb, &text("30ms", "- {record: r, expr: vector(1)}\n- {record: bad, expr: '\"t\"'}"));
    let registry = Registry::default();
    live.rules.register(&registry);
    let value = |name: &str| -> f64 {
        let text = registry.encode(Exposition::Text);
        let start = format!("{name}{{rule_group=\"rules.yml;g\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{name} is missing in\n{text}")).parse().unwrap()
    };
    until("two evaluations", || value("prometheus_rule_evaluations_total") >= 4.0).await;
    assert!(value("prometheus_rule_evaluation_failures_total") >= 2.0);
    assert!(value("prometheus_rule_group_iterations_total") >= 2.0);
    assert!(value("prometheus_rule_group_iterations_missed_total") >= 0.0);
    assert_eq!(value("prometheus_rule_group_interval_seconds"), 0.03);
    assert_eq!(value("prometheus_rule_group_rules"), 2.0);
    assert_eq!(value("prometheus_rule_group_last_evaluation_samples"), 1.0);
    assert!(value("prometheus_rule_group_last_duration_seconds") > 0.0);
    assert!(value("prometheus_rule_group_last_evaluation_timestamp_seconds") > 1e9);
    let text = registry.encode(Exposition::Text);
    for name in ["prometheus_rule_group_duration_seconds", "prometheus_rule_evaluation_duration_seconds"] {
        assert!(text.contains(&format!("{name}{{quantile=\"0.5\"}} ")), "{text}");
    }
    live.rules.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_are_queried_at_once_give_what_they_give_one_after_the_other() {
    let (_folder, tsdb) = store();
    put(&tsdb, "x", 3.0);
    let mut rules = String::new();
    for number in 0..30 {
        rules += &format!("- {{record: r{number}, expr: x + {number}}}\n");
        rules += &format!("- {{record: of_r{number}, expr: r{number} * 2}}\n");
    }
    rules += "- {record: sum, expr: 'sum({__name__=~\"r.+|of_r.+\"})'}";
    let options = RulesOptions { concurrency: 1, rule_concurrency: 3, ..RulesOptions::default() };
    let live = Live::start_with(&tsdb, &text("40ms", &rules), options);
    let expected: f64 = (0..30).map(|number| f64::from(3 + number) * 3.0).sum();
    until("the sum", || live.query("sum") == 1).await;
    assert_eq!(live.query(&format!("sum == {expected}")), 1);
    assert_eq!(
        live.status("g").unwrap().rules().filter(|(_, status)| status.health == RuleHealth::Bad).count(),
        0
    );
    live.rules.shutdown().await;
}
