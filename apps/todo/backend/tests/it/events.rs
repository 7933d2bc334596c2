//! What the backend tells the event service.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::{Value, json};
use todo_telemetry::testing::until;
use tokio::net::TcpListener;

use crate::Backend;

/// Stands in for the event service: keeps what it accepts, with a status the test chooses.
#[derive(Clone)]
struct Receiver {
    status: Arc<AtomicU16>,
    accepted: Arc<Mutex<Vec<Value>>>,
    url: String,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { status: Arc::new(AtomicU16::new(200)), accepted: Arc::default(), url };
        let router = Router::new().route("/events/tasks", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn accepted(&self) -> Vec<Value> {
        self.accepted.lock().unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, Json(event): Json<Value>) -> StatusCode {
    let status = StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).unwrap();
    if status.is_success() {
        receiver.accepted.lock().unwrap().push(event);
    }
    status
}

#[tokio::test]
async fn every_change_is_announced_once_and_in_order() {
    let receiver = Receiver::start().await;
    let backend = Backend::start(&[("EVENT_SERVICE_URL", &receiver.url)]).await;
    let id = backend.ask("POST", "/api/tasks", json!({"title": "a"})).await.json()["id"].clone();
    let path = format!("/api/tasks/{id}");
    backend.ask("PATCH", &path, json!({"priority": "high"})).await;
    backend.ask("POST", &format!("{path}/complete"), Value::Null).await;
    backend.ask("POST", &format!("{path}/complete"), Value::Null).await;
    backend.ask("GET", &path, Value::Null).await;
    backend.ask("DELETE", &path, Value::Null).await;
    backend.ask("DELETE", &path, Value::Null).await;
    let events =
        until("four events", async || Some(receiver.accepted()).filter(|events| events.len() >= 4)).await;
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["task.created", "task.updated", "task.completed", "task.deleted"]);
    for event in &events {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["subject"], id.to_string());
        assert_eq!(event["data"]["task"]["title"], "a");
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
    }
    assert_eq!(events[1]["data"]["changed"], json!(["priority"]));
    let ids: std::collections::BTreeSet<_> =
        events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4, "each event has an id of its own");
    for event_type in types {
        let series = format!("events_published_total{{event_type=\"{event_type}\",success=\"true\"}}");
        backend.has(&series, 1.0).await;
        backend
            .has(&format!("events_publish_duration_seconds_count{{event_type=\"{event_type}\"}}"), 1.0)
            .await;
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_gets_everything_later() {
    let receiver = Receiver::start().await;
    receiver.answer(503);
    let backend = Backend::start(&[("EVENT_SERVICE_URL", &receiver.url)]).await;
    let id = backend.ask("POST", "/api/tasks", json!({"title": "a"})).await.json()["id"].clone();
    backend.ask("POST", &format!("/api/tasks/{id}/complete"), Value::Null).await;
    let failed = r#"events_published_total{event_type="task.created",success="false"}"#;
    until("two attempts failed", async || backend.value(failed).await.filter(|failures| *failures >= 2.0))
        .await;
    receiver.answer(200);
    let events =
        until("both events", async || Some(receiver.accepted()).filter(|events| events.len() == 2)).await;
    assert_eq!((&events[0]["type"], &events[1]["type"]), (&json!("task.created"), &json!("task.completed")));
    backend.has(r#"events_dropped_total{event_type="task.created",reason="expired"}"#, 0.0).await;
}

#[tokio::test]
async fn a_refused_event_is_lost_once_and_holds_nothing_up() {
    let receiver = Receiver::start().await;
    receiver.answer(422);
    let backend = Backend::start(&[("EVENT_SERVICE_URL", &receiver.url)]).await;
    let id = backend.ask("POST", "/api/tasks", json!({"title": "a"})).await.json()["id"].clone();
    let lost = r#"events_dropped_total{event_type="task.created",reason="refused"}"#;
    until("it is counted", async || backend.value(lost).await.filter(|lost| *lost == 1.0)).await;
    receiver.answer(200);
    backend.ask("POST", &format!("/api/tasks/{id}/complete"), Value::Null).await;
    until("the next one arrives", async || Some(receiver.accepted()).filter(|events| events.len() == 1))
        .await;
}

#[tokio::test]
async fn a_full_queue_is_counted_and_blocks_nobody() {
    let receiver = Receiver::start().await;
    receiver.answer(503);
    let variables = [
        ("EVENT_SERVICE_URL", receiver.url.as_str()),
        ("EVENT_QUEUE_SIZE", "4"),
        ("SHUTDOWN_TIMEOUT_MS", "100"),
    ];
    let mut backend = Backend::start(&variables).await;
    for _ in 0..20 {
        assert_eq!(backend.ask("POST", "/api/tasks", json!({"title": "a"})).await.status, 201);
    }
    // Four lanes hold one event each, and each has one more in its hands.
    let lost = r#"events_dropped_total{event_type="task.created",reason="queue_full"}"#;
    let lost = backend.value(lost).await.unwrap();
    assert!((12.0..=16.0).contains(&lost), "{lost}");
    backend.terminate();
    backend.ended().await;
    let log = backend.log();
    assert!(log.iter().any(|line| line["reason"] == "queue_full"), "{log:?}");
    assert!(log.iter().any(|line| line["lost"].as_u64() == Some(20 - lost as u64)), "{log:?}");
}

#[tokio::test]
async fn waiting_events_are_sent_before_the_end() {
    let receiver = Receiver::start().await;
    receiver.answer(503);
    let mut backend = Backend::start(&[("EVENT_SERVICE_URL", &receiver.url), ("DRAIN_DELAY_MS", "0")]).await;
    for _ in 0..10 {
        backend.ask("POST", "/api/tasks", json!({"title": "a"})).await;
    }
    backend.terminate();
    until("it drains", async || tokio::net::TcpStream::connect(backend.address).await.err()).await;
    receiver.answer(200);
    assert!(backend.ended().await.success());
    assert_eq!(receiver.accepted().len(), 10);
}
