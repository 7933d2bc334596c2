//! Faults on demand in the real process: refused unless enabled, seen by users and in the metrics, over by themselves.

use serde_json::{Value, json};
use todo_telemetry::testing::until;

use crate::{Backend, database_in, sidecar::Sidecar, start_on};

const ENABLED: (&str, &str) = ("FAULTS_ENABLED", "true");
const FAILED: &str = r#"http_requests_total{method="GET",endpoint="/api/tasks",status="500"}"#;

fn active(fault: &str) -> String {
    format!("todo_fault_active{{fault=\"{fault}\"}}")
}

#[tokio::test]
async fn a_process_without_leave_refuses_every_fault() {
    let backend = Backend::start(&[]).await;
    for (method, path, body) in [
        ("GET", "/faults", Value::Null),
        ("POST", "/faults/crash", json!({})),
        ("DELETE", "/faults", Value::Null),
        ("DELETE", "/faults/latency", Value::Null),
    ] {
        let answer = backend.manage(method, path, body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
        assert!(
            answer.json()["detail"].as_str().unwrap().contains("hint: start it with FAULTS_ENABLED=true")
        );
    }
    assert_eq!(backend.value(&active("crash")).await, None);
    assert_eq!(backend.ask("GET", "/api/tasks", Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_share_of_the_requests_fails_until_it_is_undone() {
    let backend = Backend::start(&[ENABLED]).await;
    assert_eq!(backend.ask("POST", "/faults/error-ratio", json!({})).await.status, 404, "on the users' port");
    let ask = async || backend.ask("GET", "/api/tasks", Value::Null).await.status;
    let answer = backend.manage("POST", "/faults/error-ratio", json!({"ratio": 0.25})).await;
    assert_eq!((answer.status, &answer.json()["ratio"]), (200, &json!(0.25)));
    backend.has(&active("error-ratio"), 1.0).await;
    for _ in 0..80 {
        assert!([200, 500].contains(&ask().await));
    }
    let failed = backend.value(FAILED).await.unwrap();
    assert!((18.0..=22.0).contains(&failed), "{failed} of 80");
    assert_eq!(backend.ask("GET", "/readyz", Value::Null).await.status, 200, "probes are not broken");

    let list = backend.manage("GET", "/faults", Value::Null).await.json();
    assert_eq!(list["faults"][0]["kind"], "error-ratio", "{list}");
    let undone = backend.manage("DELETE", "/faults", Value::Null).await.json();
    assert_eq!(undone, json!({"undone": ["error-ratio"]}));
    backend.has(&active("error-ratio"), 0.0).await;
    for _ in 0..20 {
        assert_eq!(ask().await, 200);
    }
    backend.has(FAILED, failed).await;
}

#[tokio::test]
async fn latency_is_in_the_histogram_and_ends_by_itself() {
    let backend = Backend::start(&[ENABLED]).await;
    let told = json!({"latency_seconds": 0.3, "for_seconds": 1});
    assert_eq!(backend.manage("POST", "/faults/latency", told).await.status, 200);
    assert_eq!(backend.ask("GET", "/api/tasks", Value::Null).await.status, 200);
    let bucket = |le: &str| {
        format!("http_request_duration_seconds_bucket{{le=\"{le}\",method=\"GET\",endpoint=\"/api/tasks\"}}")
    };
    backend.has(&bucket("0.25"), 0.0).await;
    backend.has(&bucket("+Inf"), 1.0).await;
    until("the fault is over", async || (backend.value(&active("latency")).await == Some(0.0)).then_some(()))
        .await;
    assert_eq!(backend.manage("GET", "/faults", Value::Null).await.json(), json!({"faults": []}));
}

#[tokio::test]
async fn what_cannot_be_caused_is_named_with_its_remedy() {
    let backend = Backend::start(&[ENABLED]).await;
    let unknown = backend.manage("POST", "/faults/rain", json!({})).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    assert!(
        unknown.json()["detail"].as_str().unwrap().contains("the faults are error-ratio, latency, crash")
    );
    let wrong = backend.manage("POST", "/faults/latency", json!({"for_seconds": 7200})).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.json()["errors"][0]["field"], "for_seconds");
    assert_eq!(backend.manage("POST", "/faults/stopped-consumer", json!({})).await.status, 422);
    assert_eq!(backend.manage("POST", "/faults/crash", Value::Null).await.status, 415);
    let page = backend.manage("GET", "/nothing", Value::Null).await;
    assert_eq!(page.status, 404);
}

#[tokio::test]
async fn a_metrics_page_can_be_one_that_nobody_understands() {
    let backend = Backend::start(&[ENABLED]).await;
    assert_eq!(backend.manage("POST", "/faults/broken-metrics", json!({})).await.status, 200);
    let page = backend.metrics("text/plain").await;
    assert!(page.status == 200 && page.body.ends_with(b"{\n"), "{page:?}");
    assert_eq!(backend.manage("DELETE", "/faults/broken-metrics", Value::Null).await.status, 200);
    backend.has(&active("broken-metrics"), 0.0).await;
    assert_eq!(backend.manage("POST", "/faults/empty-metrics", json!({})).await.status, 200);
    assert_eq!(backend.value("events_outbox_depth").await, None);
    assert!(backend.metrics("text/plain").await.body.starts_with(b"# "));
}

#[tokio::test]
async fn a_crash_goes_on_over_restarts_until_its_time_is_over() {
    let mut backend = Backend::start(&[ENABLED]).await;
    let database = database_in(&backend.folder);
    let folder = backend.folder.path().display().to_string();
    let variables = [ENABLED, ("FAULTS_STATE_DIR", &folder), ("POD_NAME", "web-1")];
    let mut first = start_on(&database, &variables).await;
    assert_eq!(first.manage("POST", "/faults/crash", json!({"for_seconds": 3600})).await.status, 200);
    assert_eq!(first.ended().await.code(), Some(70));

    // the same pod crashes again, and another one does not
    let mut second = start_on(&database, &variables).await;
    assert_eq!(second.ended().await.code(), Some(70));
    let other = [ENABLED, ("FAULTS_STATE_DIR", folder.as_str()), ("POD_NAME", "web-2")];
    start_on(&database, &other).await.has(&active("crash"), 0.0).await;

    // undone while it is up for a moment
    let mut third = start_on(&database, &variables).await;
    third.has(&active("crash"), 1.0).await;
    let undone = third.manage("DELETE", "/faults/crash", Value::Null).await.json();
    assert_eq!(undone, json!({"undone": ["crash"]}));
    third.terminate();
    assert_eq!(third.ended().await.code(), Some(0));
    start_on(&database, &variables).await.has(&active("crash"), 0.0).await;
    backend.kill().await;
}

#[tokio::test]
async fn events_refused_on_demand_are_offered_again_when_it_is_over() {
    let sidecar = Sidecar::start().await;
    let variables = [&sidecar.variables()[..], &[ENABLED]].concat();
    let backend = Backend::start(&variables).await;
    assert_eq!(backend.manage("POST", "/faults/malformed-events", json!({})).await.status, 200);
    for title in ["a", "b"] {
        assert_eq!(backend.ask("POST", "/api/tasks", json!({"title": title})).await.status, 201);
    }
    let refused = || backend.value("events_outbox_refused");
    until("both are refused", async || refused().await.filter(|count| *count == 2.0)).await;
    assert!(sidecar.published().is_empty());

    assert_eq!(backend.manage("DELETE", "/faults", Value::Null).await.status, 200);
    until("none is refused", async || refused().await.filter(|count| *count == 0.0)).await;
    let published =
        until("both are published", async || Some(sidecar.published()).filter(|events| events.len() == 2));
    let titles: Vec<Value> =
        published.await.iter().map(|one| one.event["data"]["task"]["title"].clone()).collect();
    assert!(titles.contains(&json!("a")) && titles.contains(&json!("b")), "{titles:?}");
}
