//! What the backend publishes, and what happens to events when nobody takes them.

use std::time::{Duration, Instant};

use axum::body::Body;
use serde_json::{Value, json};
use todo_telemetry::testing::until;

use crate::{Backend, database_in, sidecar::Sidecar, start_on};

async fn created(backend: &todo_telemetry::testing::Running) -> String {
    let answer = backend.ask("POST", "/api/tasks", json!({"title": "a"})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    format!("/api/tasks/{}", answer.json()["id"])
}

#[tokio::test]
async fn every_change_is_published_once_and_in_order() {
    let sidecar = Sidecar::start().await;
    let variables = [&sidecar.variables()[..], &[("DAPR_API_TOKEN", "secret")]].concat();
    let backend = Backend::start(&variables).await;
    let path = created(&backend).await;
    backend.ask("PATCH", &path, json!({"priority": "high"})).await;
    for _ in 0..2 {
        backend.ask("POST", &format!("{path}/complete"), Value::Null).await;
    }
    backend.ask("GET", &path, Value::Null).await;
    for _ in 0..2 {
        backend.ask("DELETE", &path, Value::Null).await;
    }
    let published =
        until("four events", async || Some(sidecar.published()).filter(|events| events.len() >= 4)).await;
    let id = path.rsplit_once('/').unwrap().1;
    let types: Vec<&str> = published.iter().map(|one| one.event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["task.created", "task.updated", "task.completed", "task.deleted"]);
    for (number, one) in published.iter().enumerate() {
        let event = &one.event;
        assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!("/todo-backend")));
        assert_eq!(event["datacontenttype"], "application/json");
        assert_eq!((event["subject"].as_str().unwrap(), one.partition_key.as_str()), (id, id));
        assert_eq!(event["sequence"], format!("{:010}", number + 1));
        assert_eq!(event["data"]["task"]["title"], "a");
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
        assert_eq!(event["id"].as_str().unwrap().as_bytes()[14], b'7', "a UUID of version 7");
        assert_eq!(one.api_token.as_deref(), Some("secret"));
    }
    assert_eq!(published[1].event["data"]["changed"], json!(["priority"]));
    let ids: std::collections::BTreeSet<_> =
        published.iter().map(|one| one.event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4, "each event has an id of its own");
    for event_type in types {
        let series = format!("events_published_total{{event_type=\"{event_type}\",success=\"true\"}}");
        let counted = || backend.value(&series);
        until("it is counted", async || counted().await.filter(|count| *count == 1.0)).await;
    }
    emptied(&backend).await;
}

async fn emptied(backend: &todo_telemetry::testing::Running) {
    let depth = || backend.value("events_outbox_depth");
    until("the outbox is empty", async || depth().await.filter(|depth| *depth == 0.0)).await;
    backend.has("events_outbox_oldest_age_seconds", 0.0).await;
}

#[tokio::test]
async fn the_trace_of_the_request_goes_with_its_event_through_a_restart() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let folder = tempfile::tempdir().unwrap();
    let url = database_in(&folder);
    let sidecar = Sidecar::start().await;
    sidecar.answer(500, "ERR_PUBSUB_PUBLISH_MESSAGE");
    let backend = start_on(&url, &sidecar.variables()).await;
    let request = backend.request("POST", "/api/tasks").header("content-type", "application/json");
    let request = request.header("traceparent", PARENT).header("tracestate", "vendor=x");
    let answer = backend.send(request.body(Body::from(r#"{"title": "a"}"#)).unwrap()).await;
    assert_eq!(answer.status, 201);
    until("it was offered", async || Some(()).filter(|()| !sidecar.offered().is_empty())).await;
    drop(backend);
    sidecar.answer(204, "");
    let _backend = start_on(&url, &sidecar.variables()).await;
    let published = until("it arrives", async || sidecar.published().pop()).await;
    let parent = published.traceparent.expect("a trace goes on");
    assert_eq!((&parent[..36], &parent[52..]), (&PARENT[..36], "-00"), "not sampled stays not sampled");
    assert_eq!(
        (&published.event["traceparent"], &published.event["tracestate"]),
        (&json!(parent), &json!("vendor=x"))
    );
}

#[tokio::test]
async fn an_outage_is_outlasted_and_said_at_powers_of_two() {
    let sidecar = Sidecar::start().await;
    sidecar.answer(404, "ERR_PUBSUB_NOT_FOUND");
    let mut backend = Backend::start(&sidecar.variables()).await;
    let mut paths = Vec::new();
    for _ in 0..30 {
        paths.push(created(&backend).await);
    }
    for path in &paths {
        backend.ask("POST", &format!("{path}/complete"), Value::Null).await;
    }
    let failed = r#"events_published_total{event_type="task.created",success="false"}"#;
    until("attempts failed", async || backend.value(failed).await.filter(|count| *count >= 9.0)).await;
    let depth = || backend.value("events_outbox_depth");
    until("all wait", async || depth().await.filter(|depth| *depth == 60.0)).await;
    let age = || backend.value("events_outbox_oldest_age_seconds");
    until("the oldest ages", async || age().await.filter(|age| *age > 0.1)).await;
    assert!(
        sidecar.offered().iter().all(|event_type| event_type == "task.created"),
        "the first one comes first"
    );
    let away = sidecar.offered().len();
    assert!(away < 200, "{away} attempts of one replica whose sidecar is away");
    sidecar.answer(200, "");
    until("all arrive", async || Some(()).filter(|()| sidecar.published().len() == 60)).await;
    emptied(&backend).await;
    backend.terminate();
    assert!(backend.ended().await.success());
    let log = backend.log();
    let said: Vec<u64> = log.iter().filter_map(|line| line["failures"].as_u64()).collect();
    assert!(said.starts_with(&[1, 2, 4, 8]), "{said:?}");
    assert!(log.iter().any(|line| line["message"] == "events are published again"), "{log:?}");
}

#[tokio::test]
async fn a_refused_event_is_kept_aside_and_holds_nothing_up() {
    let sidecar = Sidecar::start().await;
    sidecar.answer(400, "ERR_PUBSUB_EVENTS_SER");
    let backend = Backend::start(&sidecar.variables()).await;
    let path = created(&backend).await;
    let refused = r#"events_refused_total{event_type="task.created"}"#;
    until("it is counted", async || backend.value(refused).await.filter(|count| *count == 1.0)).await;
    sidecar.answer(200, "");
    backend.ask("POST", &format!("{path}/complete"), Value::Null).await;
    let published = until("the next one arrives", async || sidecar.published().pop()).await;
    assert_eq!(published.event["type"], "task.completed");
    assert_eq!(sidecar.offered(), ["task.created", "task.completed"]);
    let aside = || backend.value("events_outbox_refused");
    until("it is in the gauge", async || aside().await.filter(|count| *count == 1.0)).await;
    assert!(backend.log().iter().any(|line| line["reason"] == "status 400 ERR_PUBSUB_EVENTS_SER"));
}

#[tokio::test]
async fn what_cannot_be_sent_before_the_end_is_sent_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let url = database_in(&folder);
    let sidecar = Sidecar::start().await;
    sidecar.answer(503, "");
    let variables = [&sidecar.variables()[..], &[("DRAIN_DELAY_MS", "0")]].concat();
    let mut backend = start_on(&url, &variables).await;
    for _ in 0..10 {
        created(&backend).await;
    }
    let terminated = Instant::now();
    backend.terminate();
    assert!(backend.ended().await.success());
    assert!(terminated.elapsed() < Duration::from_secs(5), "it does not wait for a sidecar that is away");
    assert!(backend.log().iter().any(|line| line["message"] == "events stay in the outbox"));
    sidecar.answer(204, "");
    let started = Instant::now();
    let backend = start_on(&url, &variables).await;
    until("all arrive", async || Some(()).filter(|()| sidecar.published().len() == 10)).await;
    assert!(started.elapsed() < Duration::from_secs(12), "claims were given up at the end");
    emptied(&backend).await;
}

#[tokio::test]
async fn without_a_component_events_stay_in_the_outbox_and_it_is_said_once() {
    let backend = Backend::start(&[]).await;
    for _ in 0..3 {
        created(&backend).await;
    }
    backend.has("events_outbox_depth", 3.0).await;
    let log = backend.log();
    let said =
        log.iter().filter(|line| line["message"] == "PUBSUB_NAME is not set: events stay in the outbox");
    assert_eq!(said.count(), 1, "{log:?}");
}

#[tokio::test]
async fn a_commit_is_published_within_milliseconds() {
    let sidecar = Sidecar::start().await;
    let backend = Backend::start(&sidecar.variables()).await;
    let mut delays = Vec::new();
    for number in 1..=21 {
        created(&backend).await;
        let answered = Instant::now();
        while sidecar.published().len() < number {
            tokio::task::yield_now().await;
            assert!(answered.elapsed() < Duration::from_secs(30));
        }
        delays.push(answered.elapsed());
    }
    delays.sort_unstable();
    // A look at the table would take a second; even on a busy machine half of all are much faster.
    assert!(delays[10] < Duration::from_millis(250), "{delays:?}");
}
