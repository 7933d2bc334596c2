//! Stands in for a Dapr sidecar: takes what is published, with an answer the test chooses, and delivers to nobody.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One request to publish that was answered with a success.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) event: Value,
    pub(crate) partition_key: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) api_token: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Sidecar {
    status: Arc<AtomicU16>,
    code: Arc<Mutex<&'static str>>,
    published: Arc<Mutex<Vec<Published>>>,
    offered: Arc<Mutex<Vec<String>>>,
    pub(crate) url: String,
}

impl Sidecar {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sidecar = Self {
            status: Arc::new(AtomicU16::new(204)),
            code: Arc::default(),
            published: Arc::default(),
            offered: Arc::default(),
            url,
        };
        let route = "/v1.0/publish/todo-pubsub/{topic}";
        let router = Router::new().route(route, post(publish)).with_state(sidecar.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        sidecar
    }

    /// What a backend needs to publish here.
    pub(crate) fn variables(&self) -> [(&str, &str); 2] {
        [("DAPR_HTTP_ENDPOINT", &self.url), ("PUBSUB_NAME", "todo-pubsub")]
    }

    pub(crate) fn answer(&self, status: u16, code: &'static str) {
        *self.code.lock().unwrap() = code;
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn published(&self) -> Vec<Published> {
        self.published.lock().unwrap().clone()
    }

    /// Types of the events of every request, whatever its answer.
    pub(crate) fn offered(&self) -> Vec<String> {
        self.offered.lock().unwrap().clone()
    }
}

async fn publish(
    State(sidecar): State<Sidecar>,
    Path(topic): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    assert_eq!(
        (topic.as_str(), &headers["content-type"]),
        ("task-events", &"application/cloudevents+json".parse().unwrap())
    );
    if query.iter().any(|(name, value)| name == "metadata.rawPayload" && value.parse::<bool>().is_err()) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let event: Value = serde_json::from_str(&body).unwrap();
    sidecar.offered.lock().unwrap().push(event["type"].as_str().unwrap().to_owned());
    let status = StatusCode::from_u16(sidecar.status.load(Ordering::SeqCst)).unwrap();
    if !status.is_success() {
        let code = *sidecar.code.lock().unwrap();
        return (status, json!({"errorCode": code, "message": "as the test wants"}).to_string())
            .into_response();
    }
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let [(name, partition_key)] = &query[..] else { panic!("{query:?}") };
    assert_eq!(name, "metadata.partitionKey");
    sidecar.published.lock().unwrap().push(Published {
        event,
        partition_key: partition_key.clone(),
        traceparent: header("traceparent"),
        api_token: header("dapr-api-token"),
    });
    status.into_response()
}
