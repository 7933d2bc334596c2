//! `GET` and `PUT /v1.0/metadata`: what the sidecar runs.
//!
//! Input: the API's state. Output: daprd's JSON, without actors.

use crate::api::{Api, answer};
use crate::subscription::{Origin, Rule, Subscription};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use serde_json::{Map, Value, json};
use std::sync::PoisonError;

/// The version of Dapr whose pub/sub API this is.
const RUNTIME_VERSION: &str = "1.18.0-tidewatch";
/// Attributes that can be set; more are refused.
const MOST_ATTRIBUTES: usize = 64;

impl Api {
    pub(crate) fn metadata_json(&self) -> Vec<u8> {
        let mut body = Map::new();
        body.insert("id".to_owned(), json!(self.app_id));
        body.insert("runtimeVersion".to_owned(), json!(RUNTIME_VERSION));
        let component = |name: &String| json!({"name": name, "type": "pubsub.kafka", "version": "v1", "capabilities": ["BULK_PUBSUB"]});
        let components: Vec<Value> = self.pubsubs.keys().map(component).collect();
        if !components.is_empty() {
            body.insert("components".to_owned(), json!(components));
        }
        let mut extended = self.attributes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        extended.insert("daprRuntimeVersion".to_owned(), RUNTIME_VERSION.to_owned());
        body.insert("extended".to_owned(), json!(extended));
        let subscriptions: Vec<Value> = self
            .subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(subscription)
            .collect();
        if !subscriptions.is_empty() {
            body.insert("subscriptions".to_owned(), json!(subscriptions));
        }
        body.insert("appConnectionProperties".to_owned(), self.app_connection());
        body.insert("actorRuntime".to_owned(), json!({"runtimeStatus": "DISABLED", "hostReady": false}));
        Value::Object(body).to_string().into_bytes()
    }

    fn app_connection(&self) -> Value {
        let mut app = Map::new();
        if let Some(port) = self.app.port {
            app.insert("port".to_owned(), json!(port));
        }
        app.insert("protocol".to_owned(), json!("http"));
        app.insert("channelAddress".to_owned(), json!(self.app.address));
        if let Some(most) = self.app.max_concurrency {
            app.insert("maxConcurrency".to_owned(), json!(most));
        }
        if let Some(health) = &self.app.health {
            let health = json!({
                "healthCheckPath": health.path,
                "healthProbeInterval": format!("{}s", health.interval.as_secs_f64()),
                "healthProbeTimeout": format!("{}ms", health.timeout.as_millis()),
                "healthThreshold": health.threshold,
            });
            app.insert("health".to_owned(), health);
        }
        Value::Object(app)
    }

    pub(crate) fn set_attribute(&self, key: &str, value: &Bytes) -> Response<Full<Bytes>> {
        let mut attributes = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        if attributes.len() >= MOST_ATTRIBUTES && !attributes.contains_key(key) {
            let message = format!("there are {MOST_ATTRIBUTES} attributes already, and no more can be set");
            return crate::api_error::ApiError::plain(400, "ERR_METADATA_FULL", message).into();
        }
        attributes.insert(key.to_owned(), String::from_utf8_lossy(value).into_owned());
        answer(204, None, "")
    }
}

fn subscription(one: &Subscription) -> Value {
    let rule = |rule: &Rule| match &rule.condition {
        Some(condition) => json!({"match": condition.to_string(), "path": rule.path}),
        None => json!({"path": rule.path}),
    };
    let mut body = Map::new();
    body.insert("pubsubname".to_owned(), json!(one.pubsub));
    body.insert("topic".to_owned(), json!(one.topic));
    if !one.metadata.is_empty() {
        body.insert("metadata".to_owned(), json!(one.metadata));
    }
    body.insert("rules".to_owned(), one.rules.iter().map(rule).collect());
    body.insert("deadLetterTopic".to_owned(), json!(one.dead_letter_topic.as_deref().unwrap_or_default()));
    let origin = match one.origin {
        Origin::Declarative => "DECLARATIVE",
        Origin::Programmatic => "PROGRAMMATIC",
    };
    body.insert("type".to_owned(), json!(origin));
    Value::Object(body)
}
