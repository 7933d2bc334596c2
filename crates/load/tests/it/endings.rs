//! Every way in which a request, a connection or a run ends is told for what it is.

use crate::server::{Reply, Server};
use crate::{load, report};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidewatch_load::{Error, Progress, RequestTemplate, Target, run};
use tokio::sync::watch;

fn ok(headers: &str) -> Reply {
    Reply::Answer(200, headers.into(), "hello".into())
}

/// Runs 60 requests against an answer for each number; errors by kind.
async fn errors(answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> BTreeMap<String, u64> {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| answer(count.fetch_add(1, Ordering::SeqCst)));
    let mut spec = load(&server.url, "120/s:500ms");
    spec.limits.timeout = Duration::from_secs(2);
    let report = report(&spec).await.unwrap();
    assert_eq!(report.totals.ok + report.totals.errors, 60);
    assert_eq!(report.totals.errors, report.totals.errors_by_kind.values().sum::<u64>());
    report.totals.errors_by_kind
}

#[tokio::test]
async fn failures_are_told_by_kind() {
    let kinds = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect()
    };
    let third = |number: usize, reply: Reply| if number.is_multiple_of(3) { reply } else { ok("") };
    assert_eq!(errors(|_| ok("")).await, kinds(&[]));
    let unavailable = move |n| third(n, Reply::Answer(503, String::new(), String::new()));
    assert_eq!(errors(unavailable).await, kinds(&[("503", 20)]));
    assert_eq!(errors(move |n| third(n, Reply::Close)).await, kinds(&[("closed", 20)]));
    assert_eq!(errors(move |n| third(n, Reply::Noise)).await, kinds(&[("protocol", 20)]));
    // a server that ends connections in order loses nothing
    assert_eq!(errors(|_| ok("connection: close\r\n")).await, kinds(&[]));
}

#[tokio::test]
async fn a_port_without_a_server_makes_every_request_fail_without_looking_fast() {
    let address = tidewatch_testkit::unused_address();
    let report = report(&load(&format!("http://{address}/"), "50/s:1s")).await.unwrap();
    assert_eq!(report.totals.errors_by_kind, BTreeMap::from([("connect".to_owned(), 50)]));
    assert_eq!((report.totals.sent, report.latency.count), (0, 0));
}

#[tokio::test]
async fn connections_are_reused_bounded_and_replaced() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(5));
        ok("")
    });
    let mut spec = load(&server.url, "300/s:1s");
    spec.limits.connections = 4;
    let kept = report(&spec).await.unwrap();
    assert_eq!((kept.totals.ok, kept.totals.received_bytes), (300, 1500));
    assert!(server.connections() <= 4 && kept.totals.connections as usize == server.connections());
    spec.limits.connection_lifetime = Duration::from_millis(200);
    let replaced = report(&spec).await.unwrap();
    assert_eq!((replaced.totals.ok, replaced.totals.errors), (300, 0));
    assert!(replaced.totals.connections >= 8, "{}", replaced.totals.connections);
}

#[tokio::test]
async fn several_urls_are_loaded_alike() {
    let servers =
        [Server::start(|_| ok("")), Server::start(|_| Reply::Answer(404, String::new(), String::new()))];
    let mut spec = load(&servers[0].url, "100/s:1s");
    let templates =
        servers.iter().map(|server| RequestTemplate::parse(&server.url, "GET", &[], "").unwrap()).collect();
    spec.target = Target::Requests(templates);
    let report = report(&spec).await.unwrap();
    let told: Vec<_> = report.operations.iter().map(|o| (o.ok, o.errors)).collect();
    assert_eq!(told, [(50, 0), (0, 50)]);
}

#[tokio::test]
async fn a_wish_to_stop_ends_with_the_report_of_what_was_sent() {
    let server = Server::start(|_| ok(""));
    let (stop, stops) = watch::channel(0);
    let mut looks = 0;
    let mut observe = |progress: &Progress| {
        looks += 1;
        assert!(progress.scheduled >= 50 && progress.planned == Duration::from_secs(60));
        stop.send_replace(1);
    };
    let report = run(&load(&server.url, "100/s:1m"), &mut observe, stops).await.unwrap();
    assert!(report.ended_early && looks == 1);
    assert!((90..=200).contains(&report.totals.ok), "{:?}", report.totals);
    assert_eq!((report.totals.errors, report.totals.scheduled), (0, report.totals.ok));
    assert!(report.sending_seconds < 10.0 && (report.planned_seconds - 60.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_second_wish_gives_up_on_answers() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_secs(60));
        Reply::Close
    });
    let (stop, stops) = watch::channel(0);
    let mut observe = |_: &Progress| stop.send_modify(|wishes| *wishes += 1);
    let mut spec = load(&server.url, "10/s:1m");
    spec.limits.timeout = Duration::from_secs(50);
    let ended = tokio::time::timeout(Duration::from_secs(20), run(&spec, &mut observe, stops)).await;
    let report = ended.expect("it does not wait for the answers").unwrap();
    let given_up = report.totals.errors_by_kind.get("given up").copied().unwrap_or_default();
    assert!(given_up >= 9 && given_up == report.totals.scheduled, "{:?}", report.totals);
}

#[tokio::test]
async fn other_machines_are_not_loaded_unless_allowed() {
    let refused = report(&load("http://192.0.2.1:80/", "1/s:1s")).await;
    assert!(matches!(refused, Err(Error::Remote { .. })), "{refused:?}");
}
