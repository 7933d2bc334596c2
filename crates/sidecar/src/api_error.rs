//! Errors of the HTTP API, with daprd's codes, statuses and bodies.
//!
//! Input: what went wrong. Output: a status and JSON. Which request leads to which is its handler's.

use crate::cloud_event::Metadata;
use serde_json::{Map, Value, json};

/// An error answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    code: &'static str,
    message: String,
    details: Vec<Value>,
}

impl ApiError {
    /// One without details.
    pub(crate) fn plain(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new() }
    }

    /// One about a pub/sub component: `reason` without its prefix, `about` as the error's metadata.
    fn pubsub(
        status: u16,
        code: &'static str,
        reason: &str,
        message: String,
        about: impl Into<Value>,
    ) -> Self {
        let info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "domain": "dapr.io",
            "metadata": about.into(),
            "reason": format!("DAPR_PUBSUB_{reason}"),
        });
        Self { status, code, message, details: vec![info] }
    }

    /// The same with the component named as the resource.
    fn about(mut self, pubsub: &str) -> Self {
        let resource = json!({
            "@type": "type.googleapis.com/google.rpc.ResourceInfo",
            "description": self.message,
            "owner": "",
            "resource_name": pubsub,
            "resource_type": "pubsub",
        });
        self.details.insert(0, resource);
        self
    }

    /// There is no such component.
    pub(crate) fn not_found(pubsub: &str, metadata: &Metadata) -> Self {
        let message = format!("pubsub {pubsub} is not found");
        Self::pubsub(404, "ERR_PUBSUB_NOT_FOUND", "NOT_FOUND", message, json!(metadata))
    }

    /// The request's metadata cannot be used.
    pub(crate) fn metadata(pubsub: &str, metadata: &Metadata, reason: &str) -> Self {
        let message = format!("failed deserializing metadata. Error: {reason}");
        Self::pubsub(400, "ERR_PUBSUB_REQUEST_METADATA", "METADATA_DESERIALIZATION", message, json!(metadata))
            .about(pubsub)
    }

    /// The body is no CloudEvent although it says so.
    pub(crate) fn cloud_event(pubsub: &str, app_id: &str, reason: &str) -> Self {
        let about = json!({"appID": app_id, "error": reason});
        let message = "cannot create cloudevent".to_owned();
        Self::pubsub(500, "ERR_PUBSUB_CLOUD_EVENTS_SER", "CLOUD_EVENT_CREATION", message, about).about(pubsub)
    }

    /// The application may not use the topic.
    pub(crate) fn forbidden(pubsub: &str, topic: &str, app_id: &str) -> Self {
        let message = format!("topic {topic} is not allowed for app id {app_id}");
        let about = json!({"error": message, "topic": topic});
        Self::pubsub(403, "ERR_PUBSUB_FORBIDDEN", "FORBIDDEN", message, about).about(pubsub)
    }

    /// The bus did not take the message.
    pub(crate) fn publish(pubsub: &str, topic: &str, reason: &str) -> Self {
        let message = format!("error when publishing to topic {topic} in pubsub {pubsub}: {reason}");
        let about = json!({"error": reason, "topic": topic});
        Self::pubsub(500, "ERR_PUBSUB_PUBLISH_MESSAGE", "PUBLISH_MESSAGE", message, about).about(pubsub)
    }

    /// A bulk request is no list of entries.
    pub(crate) fn unmarshal_events(pubsub: &str, topic: &str, app_id: &str, reason: &str) -> Self {
        let message =
            format!("error when unmarshaling the request for topic {topic} pubsub {pubsub}: {reason}");
        Self::pubsub(400, "ERR_PUBSUB_EVENTS_SER", "UNMARSHAL_EVENTS", message, json!({"appID": app_id}))
            .about(pubsub)
    }

    /// The entries of a bulk request do not have ids of their own.
    pub(crate) fn marshal_events(pubsub: &str, topic: &str, app_id: &str, reason: &str) -> Self {
        let message =
            format!("error marshaling events to bytes for topic {topic} pubsub {pubsub}. error: {reason}");
        let about = json!({"appID": app_id, "error": reason});
        Self::pubsub(400, "ERR_PUBSUB_EVENTS_SER", "MARSHAL_EVENTS", message, about).about(pubsub)
    }

    /// The event of an entry does not fit its content type.
    pub(crate) fn marshal_envelope(pubsub: &str, topic: &str, app_id: &str, reason: &str) -> Self {
        let message = format!(
            "error when marshalling cloud event envelope for topic {topic} pubsub {pubsub}: {reason}"
        );
        let about = json!({"appID": app_id, "error": reason});
        Self::pubsub(400, "ERR_PUBSUB_EVENTS_SER", "MARSHAL_ENVELOPE", message, about).about(pubsub)
    }

    /// The body.
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut body = Map::new();
        body.insert("errorCode".to_owned(), json!(self.code));
        body.insert("message".to_owned(), json!(self.message));
        if !self.details.is_empty() {
            body.insert("details".to_owned(), json!(self.details));
        }
        Value::Object(body).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_daprds_body() {
        let error = ApiError::not_found("bus", &[("k".to_owned(), "v".to_owned())].into());
        let expected = r#"{"errorCode":"ERR_PUBSUB_NOT_FOUND","message":"pubsub bus is not found","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"dapr.io","metadata":{"k":"v"},"reason":"DAPR_PUBSUB_NOT_FOUND"}]}"#;
        assert_eq!(String::from_utf8(error.json()).expect("JSON is text"), expected);
        let error = ApiError::plain(500, "ERR_X", "no");
        assert_eq!(error.json(), br#"{"errorCode":"ERR_X","message":"no"}"#);
    }
}
