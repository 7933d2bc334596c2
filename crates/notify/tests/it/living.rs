//! The live program: what its receivers get, what outlives it, and what it says of itself.

use crate::capture::{Capture, Reply};
use crate::scenario::{full_config, labels};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidewatch_model::{Alert, AlertSink, AnchoredRegex, Clock, SystemClock};
use tidewatch_notify::{
    AlertFilter, AlertViewState, Alertmanager, AlertmanagerOptions, Config, GroupFilter, NotifyError,
    Outcome, Silence, SilenceFilter, SilenceState, parse_matchers,
};
use tidewatch_telemetry::{Exposition, Registry};

fn config(url: &str, route: &str) -> Config {
    full_config(&format!(
        "route: {{receiver: r, {route}}}\nreceivers: [{{name: r, webhook_configs: [{{url: '{url}'}}]}}]"
    ))
}

const AT_ONCE: &str = "group_wait: 0s, group_interval: 1h";

fn options(folder: Option<&Path>) -> AlertmanagerOptions {
    AlertmanagerOptions { data_dir: folder.map(Path::to_owned), ..AlertmanagerOptions::default() }
}

fn now() -> i64 {
    SystemClock.now()
}

fn firing(name: &str) -> Alert {
    Alert { labels: labels(name), starts_at: now(), ..Alert::default() }
}

fn silence(matchers: &str) -> Silence {
    Silence { matchers: parse_matchers(matchers).unwrap(), ends_at: now() + 3_600_000, ..Silence::default() }
}

/// Waits until something is so, at most 20 s.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn outcomes(alertmanager: &Alertmanager) -> Vec<(String, Outcome, u32)> {
    let all = alertmanager.history(1000);
    all.iter().map(|record| (record.integration.clone(), record.outcome, record.attempts)).collect()
}

#[tokio::test]
async fn an_alert_becomes_a_request() {
    let server = Capture::start().await;
    let alertmanager =
        Alertmanager::start(config(&format!("http://{}/hook", server.address), AT_ONCE), options(None))
            .unwrap();
    alertmanager.send(&[firing("A,x=1")]);
    let request = &server.wait_for(1).await[0];
    assert_eq!(request.path, "/hook");
    assert!(
        request.body.contains("\"alertname\":\"A\"") && request.body.contains("\"status\":\"firing\""),
        "{}",
        request.body
    );
    until("it is delivered", || {
        outcomes(&alertmanager) == [("webhook[0]".to_owned(), Outcome::Delivered, 1)]
    })
    .await;
    let record = &alertmanager.history(1)[0];
    assert_eq!((record.receiver.as_str(), record.group_key.as_str()), ("r", "{}:{}"));
    alertmanager.shutdown().await;
}

#[tokio::test]
async fn the_api_sees_alerts_groups_and_silences() {
    let alertmanager = Alertmanager::start(
        full_config(
            "route: {receiver: r, group_by: [alertname], labels: {team: '{{ .GroupLabels.alertname }}!', of: '{{ routeLabels \"team\" }}'}}\n\
             inhibit_rules: [{source_matchers: [alertname=S], target_matchers: [alertname=T]}]\n\
             receivers: [{name: r, labels: {tier: '1'}}]",
        ),
        options(None),
    )
    .unwrap();
    let problems = alertmanager.put_alerts(vec![firing("S"), Alert::default(), firing("T"), firing("A")]);
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].index, problems[0].message.as_str()), (1, "at least one label pair required"));
    let id = alertmanager.set_silence(silence("alertname=A")).unwrap();
    let of = |filter: AlertFilter| {
        let alerts = alertmanager.alerts(&filter);
        let mut names: Vec<String> =
            alerts.iter().map(|a| a.alert.labels.get("alertname").unwrap().to_owned()).collect();
        names.sort();
        names.concat()
    };
    assert_eq!(of(AlertFilter::default()), "AST");
    assert_eq!(of(AlertFilter { silenced: false, ..AlertFilter::default() }), "ST");
    assert_eq!(of(AlertFilter { inhibited: false, ..AlertFilter::default() }), "AS");
    assert_eq!(of(AlertFilter { active: false, ..AlertFilter::default() }), "AT");
    assert_eq!(
        of(AlertFilter {
            matchers: parse_matchers("alertname=~\"[A-S]\"").unwrap(),
            ..AlertFilter::default()
        }),
        "AS"
    );
    assert_eq!(
        of(AlertFilter { receiver: Some(AnchoredRegex::new("x.*").unwrap()), ..AlertFilter::default() }),
        ""
    );
    assert_eq!(
        of(AlertFilter {
            receiver_matchers: parse_matchers("tier=1,name=r").unwrap(),
            ..AlertFilter::default()
        }),
        "AST"
    );
    assert_eq!(
        of(AlertFilter { receiver_matchers: parse_matchers("tier=2").unwrap(), ..AlertFilter::default() }),
        ""
    );
    let groups = alertmanager.groups(&GroupFilter::default());
    let shown: Vec<_> =
        groups.iter().map(|group| (group.labels.to_string(), group.alerts[0].state)).collect();
    let expected =
        [("A", AlertViewState::Suppressed), ("S", AlertViewState::Active), ("T", AlertViewState::Suppressed)];
    assert_eq!(shown, expected.map(|(name, state)| (format!("{{alertname=\"{name}\"}}"), state)));
    assert_eq!(
        (groups[0].alerts[0].silenced_by.as_slice(), groups[0].route_labels.get("team")),
        ([id.clone()].as_slice(), Some("A!"))
    );
    assert_eq!(groups[0].route_labels.get("of"), Some("A!"));
    assert_eq!(groups[2].alerts[0].inhibited_by, [groups[1].alerts[0].fingerprint.clone()]);
    assert_eq!(groups[2].alerts[0].receivers, ["r"]);
    assert_eq!(alertmanager.receivers(&[])[0].labels["name"], "r");
    alertmanager.expire_silence(&id).unwrap();
    let silences = alertmanager.silences(&SilenceFilter::default());
    assert_eq!((silences.len(), silences[0].state), (1, SilenceState::Expired));
    assert_eq!(alertmanager.silence(&id).unwrap().state, SilenceState::Expired);
    assert!(matches!(alertmanager.expire_silence("none"), Err(NotifyError::SilenceNotFound)));
    alertmanager.shutdown().await;
}

#[tokio::test]
async fn one_that_is_down_slow_or_full_delays_only_itself() {
    let slow =
        Capture::answering(|_| Reply { delay: Duration::from_secs(3600), ..Reply::new(200, "") }).await;
    let full = Capture::answering(|_| Reply::new(429, "").header("retry-after", "3600")).await;
    let refusing = Capture::answering(|_| Reply::new(400, "never")).await;
    let good = Capture::start().await;
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let urls = [slow.address, full.address, refusing.address, gone, good.address];
    let webhooks: Vec<String> = urls.iter().map(|address| format!("{{url: 'http://{address}/'}}")).collect();
    let text = format!(
        "route: {{receiver: r, group_by: ['...'], group_wait: 0s, group_interval: 30m}}\nreceivers: [{{name: r, webhook_configs: [{}]}}]",
        webhooks.join(", ")
    );
    let alertmanager = Alertmanager::start(full_config(&text), options(None)).unwrap();
    let begin = Instant::now();
    let alerts: Vec<Alert> = (0..50).map(|number| firing(&format!("A,n={number}"))).collect();
    alertmanager.send(&alerts);
    good.wait_for(50).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // those that were refused failed, for the one that is full every group waits
    until("refused and full ones failed", || {
        let count = |name: &str| {
            outcomes(&alertmanager).iter().filter(|(i, o, _)| i == name && *o == Outcome::Failed).count()
        };
        count("webhook[2]") == 50 && count("webhook[1]") == 50
    })
    .await;
    assert!(
        full.requests().len() <= 32,
        "{} requests to one that asked to be left alone",
        full.requests().len()
    );
    until("the one that is down is tried again", || {
        outcomes(&alertmanager)
            .iter()
            .any(|(i, o, attempts)| i == "webhook[3]" && *o == Outcome::Retrying && *attempts > 1)
    })
    .await;
    let registry = Registry::default();
    alertmanager.register_metrics(&registry);
    let text = registry.encode(Exposition::Text);
    for line in [
        "alertmanager_notifications_total{integration=\"webhook\"} 250",
        "alertmanager_notifications_total{integration=\"slack\"} 0",
        "alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"clientError\"} 50",
        "alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"rateLimited\"} 50",
        "alertmanager_alerts{state=\"active\"} 50.0",
        "alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"} 50.0",
        "alertmanager_silences{state=\"active\"} 0.0",
        "alertmanager_config_last_reload_successful 1.0",
        "alertmanager_dispatcher_aggregation_groups 50.0",
        "alertmanager_integrations 5.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let begin = Instant::now();
    alertmanager.shutdown().await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn after_a_failure_it_is_tried_until_it_is_taken() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let server = Capture::answering(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Reply::new(503, "later"),
        _ => Reply::new(200, ""),
    })
    .await;
    let alertmanager =
        Alertmanager::start(config(&format!("http://{}/", server.address), AT_ONCE), options(None)).unwrap();
    alertmanager.send(&[firing("A")]);
    until("delivered at the third attempt", || {
        outcomes(&alertmanager) == [("webhook[0]".to_owned(), Outcome::Delivered, 3)]
    })
    .await;
    assert_eq!(alertmanager.history(1)[0].error, None);
    alertmanager.shutdown().await;
}

#[tokio::test]
async fn after_a_kill_silences_hold_and_nobody_is_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Capture::start().await;
    let url = format!("http://{}/", server.address);
    let route = "group_by: [alertname], group_wait: 0s, group_interval: 1h";
    let alertmanager = Alertmanager::start(config(&url, route), options(Some(folder.path()))).unwrap();
    let kept = alertmanager.set_silence(silence("alertname=S")).unwrap();
    let ended = alertmanager.set_silence(silence("alertname=E")).unwrap();
    alertmanager.expire_silence(&ended).unwrap();
    alertmanager.send(&[firing("A"), firing("S")]);
    until("A is delivered", || {
        outcomes(&alertmanager).iter().any(|(_, outcome, _)| *outcome == Outcome::Delivered)
    })
    .await;
    // the files as a kill would leave them at this moment, in the midst of a line
    let killed = tempfile::tempdir().unwrap();
    for name in ["silences.journal", "notifications.journal"] {
        let mut bytes = std::fs::read(folder.path().join(name)).unwrap();
        bytes.extend_from_slice(b"0123abcd {\"id\":\"torn");
        std::fs::write(killed.path().join(name), bytes).unwrap();
    }
    let error = Alertmanager::start(config(&url, route), options(Some(folder.path()))).unwrap_err();
    assert!(matches!(error, NotifyError::InUse { .. }), "{error}");
    let again = Alertmanager::start(config(&url, route), options(Some(killed.path()))).unwrap();
    let states: Vec<_> = [&kept, &ended].iter().map(|id| again.silence(id).unwrap().state).collect();
    assert_eq!(states, [SilenceState::Active, SilenceState::Expired]);
    assert_eq!(again.status().problems.len(), 2, "{:?}", again.status().problems);
    again.send(&[firing("A"), firing("S"), firing("B")]);
    until("B is delivered", || outcomes(&again).len() == 1).await;
    let told: Vec<String> = server.requests().iter().map(|request| request.body.clone()).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[1].contains("\"alertname\":\"B\""), "{}", told[1]);
    again.shutdown().await;
    alertmanager.shutdown().await;
    // the folder is free, and what was torn is gone
    let third = Alertmanager::start(config(&url, route), options(Some(killed.path()))).unwrap();
    assert!(third.status().problems.is_empty(), "{:?}", third.status().problems);
    third.shutdown().await;
}

#[tokio::test]
async fn a_reload_takes_effect_and_a_bad_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Capture::start().await, Capture::start().await);
    let alertmanager =
        Alertmanager::start(config(&format!("http://{}/", old.address), AT_ONCE), options(None)).unwrap();
    alertmanager.send(&[firing("A")]);
    old.wait_for(1).await;
    std::fs::write(folder.path().join("t.tmpl"), "{{ nope }}").unwrap();
    let text = format!(
        "templates: ['*.tmpl']\nroute: {{receiver: q, {AT_ONCE}}}\n\
         receivers: [{{name: q, webhook_configs: [{{url: 'http://{}/?token=s3cret'}}]}}]",
        new.address
    );
    let config = || Config::parse(&folder.path().join("am.yml"), &text).unwrap();
    let error = alertmanager.reload(config()).unwrap_err().to_string();
    assert!(error.contains("t.tmpl:1:1") && error.contains("\"nope\" not defined"), "{error}");
    assert!(!alertmanager.status().last_reload_ok);
    assert!(alertmanager.status().config.contains("receiver: r"));
    std::fs::write(folder.path().join("t.tmpl"), "{{ define \"mine\" }}x{{ end }}").unwrap();
    alertmanager.reload(config()).unwrap();
    assert!(alertmanager.status().last_reload_ok);
    // the group stays, and the new receiver is told at once
    let request = &new.wait_for(1).await[0];
    assert!(request.body.contains("\"receiver\":\"q\""), "{}", request.body);
    let status = alertmanager.status();
    assert!(status.config.contains("<secret>") && !status.config.contains("s3cret"), "{}", status.config);
    assert_eq!(old.requests().len(), 1);
    alertmanager.shutdown().await;
}

#[tokio::test]
async fn a_delivery_under_way_ends_with_its_receiver() {
    let hanging =
        Capture::answering(|_| Reply { delay: Duration::from_secs(3600), ..Reply::new(200, "") }).await;
    let good = Capture::start().await;
    let alertmanager =
        Alertmanager::start(config(&format!("http://{}/", hanging.address), AT_ONCE), options(None)).unwrap();
    alertmanager.send(&[firing("A")]);
    hanging.wait_for(1).await;
    alertmanager.reload(config(&format!("http://{}/", good.address), AT_ONCE)).unwrap();
    good.wait_for(1).await;
    until("it is delivered", || {
        outcomes(&alertmanager).iter().any(|(_, outcome, _)| *outcome == Outcome::Delivered)
    })
    .await;
    alertmanager.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_written_is_said_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("file");
    std::fs::write(&missing, "").unwrap();
    let error =
        Alertmanager::start(config("http://x", AT_ONCE), options(Some(&missing))).unwrap_err().to_string();
    assert!(error.starts_with("cannot make ") && error.contains("file"), "{error}");
}

#[tokio::test]
async fn without_a_shutdown_nothing_is_left_behind() {
    let alertmanager = Alertmanager::start(config("http://x", AT_ONCE), options(None)).unwrap();
    let weak = Arc::downgrade(&alertmanager);
    drop(alertmanager);
    until("it is gone", || weak.upgrade().is_none()).await;
}
