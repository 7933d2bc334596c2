//! CloudEvents 1.0 envelopes, field by field as daprd builds and completes them.
//!
//! Input: a body, its content type, the metadata of the request, the span's context. Output: the JSON that goes on the bus. Data stays
//! the text it came as, so that no number loses digits; it is not interpreted.

use crate::content_type::Kind;
use crate::{go_text, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Metadata of a request or a message, by name.
pub(crate) type Metadata = BTreeMap<String, String>;

/// A CloudEvent: its fields' JSON by name.
pub(crate) type Envelope = BTreeMap<String, Box<RawValue>>;

/// What an envelope is made of.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) app_id: &'a str,
    pub(crate) pubsub: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
    /// The `traceparent` text of the request's span; empty without tracing.
    pub(crate) trace_parent: String,
    /// The `tracestate` of the request's span.
    pub(crate) trace_state: String,
}

/// The envelope of a publish request.
///
/// # Errors
/// When the body says it is a CloudEvent and is no JSON object.
pub(crate) fn envelope(
    draft: &Draft<'_>,
    metadata: &Metadata,
    now: OffsetDateTime,
) -> Result<Envelope, String> {
    let mut envelope = match Kind::of(draft.content_type) {
        Kind::CloudEvent => completed(draft, now)?,
        kind => built(draft, kind, metadata, now),
    };
    if let Some(ttl) = time_to_live(metadata) {
        put(
            &mut envelope,
            "expiration",
            &timestamp(now.saturating_add(ttl.try_into().unwrap_or(time::Duration::MAX))),
        );
    }
    Ok(envelope)
}

/// The envelope of a payload that was published raw, made by the subscriber's sidecar.
pub(crate) fn of_raw_payload(payload: &[u8], topic: &str, pubsub: &str) -> Envelope {
    let mut envelope = Envelope::new();
    put(&mut envelope, "id", &random::event_id());
    put(&mut envelope, "specversion", "1.0");
    put(&mut envelope, "datacontenttype", "application/octet-stream");
    put(&mut envelope, "source", "Dapr");
    put(&mut envelope, "type", "com.dapr.event.sent");
    put(&mut envelope, "topic", topic);
    put(&mut envelope, "pubsubname", pubsub);
    put(&mut envelope, "data_base64", &STANDARD.encode(payload));
    envelope
}

/// The JSON of an envelope, its fields sorted by name.
pub(crate) fn to_json(envelope: &Envelope) -> Vec<u8> {
    serde_json::to_vec(envelope).expect("fields that are JSON make an object that is JSON")
}

/// A field that is text.
pub(crate) fn text(envelope: &Envelope, field: &str) -> Option<String> {
    serde_json::from_str(envelope.get(field)?.get()).ok()
}

/// Whether its `expiration` is past.
pub(crate) fn has_expired(envelope: &Envelope, now: OffsetDateTime) -> bool {
    text(envelope, "expiration")
        .and_then(|expiration| OffsetDateTime::parse(&expiration, &Rfc3339).ok())
        .is_some_and(|expiration| expiration < now)
}

fn put(envelope: &mut Envelope, field: &str, value: &str) {
    envelope.insert(field.to_owned(), to_raw_value(value).expect("text is JSON"));
}

fn timestamp(at: OffsetDateTime) -> String {
    let whole = at.replace_nanosecond(0).unwrap_or(at);
    whole.format(&Rfc3339).unwrap_or_default()
}

fn built(draft: &Draft<'_>, kind: Kind, metadata: &Metadata, now: OffsetDateTime) -> Envelope {
    let given = |field: &str| {
        let name = format!("cloudevent.{field}");
        metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name)).map(|(_, value)| value.as_str())
    };
    let chosen = |field: &str, otherwise: &str| {
        given(field).filter(|value| !value.is_empty()).unwrap_or(otherwise).to_owned()
    };
    let trace_parent = match given("traceparent").filter(|value| !value.is_empty()) {
        Some(parent) => parent.to_owned(),
        None => given("traceid").unwrap_or(&draft.trace_parent).to_owned(),
    };
    let mut envelope = Envelope::new();
    put(
        &mut envelope,
        "id",
        &given("id").filter(|id| !id.is_empty()).map_or_else(random::event_id, str::to_owned),
    );
    put(&mut envelope, "specversion", "1.0");
    let data_content_type = if draft.content_type.is_empty() { "text/plain" } else { draft.content_type };
    put(&mut envelope, "datacontenttype", data_content_type);
    let source = if draft.app_id.is_empty() { "Dapr" } else { draft.app_id };
    put(&mut envelope, "source", &chosen("source", source));
    put(&mut envelope, "type", &chosen("type", "com.dapr.event.sent"));
    put(&mut envelope, "topic", draft.topic);
    put(&mut envelope, "pubsubname", draft.pubsub);
    put(&mut envelope, "traceid", &trace_parent);
    put(&mut envelope, "traceparent", &trace_parent);
    put(&mut envelope, "tracestate", given("tracestate").unwrap_or(&draft.trace_state));
    put(&mut envelope, "time", &timestamp(now));
    put_data(&mut envelope, draft.body, kind);
    envelope
}

fn put_data(envelope: &mut Envelope, body: &[u8], kind: Kind) {
    match kind {
        Kind::Binary => put(envelope, "data_base64", &STANDARD.encode(body)),
        Kind::Json => match serde_json::from_slice::<Box<RawValue>>(body) {
            Ok(json) => {
                envelope.insert("data".to_owned(), json);
            }
            Err(_) => put(envelope, "data", &String::from_utf8_lossy(body)),
        },
        _ => put(envelope, "data", &String::from_utf8_lossy(body)),
    }
}

fn completed(draft: &Draft<'_>, now: OffsetDateTime) -> Result<Envelope, String> {
    let mut envelope: Envelope = serde_json::from_slice(draft.body).map_err(|error| error.to_string())?;
    if !envelope.contains_key("time") {
        put(&mut envelope, "time", &timestamp(now));
    }
    if !envelope.contains_key("traceid") {
        put(&mut envelope, "traceid", &draft.trace_parent);
        put(&mut envelope, "traceparent", &draft.trace_parent);
    }
    if !envelope.contains_key("tracestate") {
        put(&mut envelope, "tracestate", &draft.trace_state);
    }
    put(&mut envelope, "topic", draft.topic);
    put(&mut envelope, "pubsubname", draft.pubsub);
    for (field, otherwise) in [("source", "Dapr"), ("type", "com.dapr.event.sent"), ("specversion", "1.0")] {
        if envelope.get(field).is_none_or(|value| value.get() == "null") {
            put(&mut envelope, field, otherwise);
        }
    }
    Ok(envelope)
}

/// The `ttl` or `ttlInSeconds` of a request; one that cannot be read counts as none.
fn time_to_live(metadata: &Metadata) -> Option<Duration> {
    let find =
        |name: &str| metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let text = find("ttl").or_else(|| find("ttlInSeconds"))?;
    match text.parse::<u64>() {
        Ok(0) => None,
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => go_text::duration(text, Duration::from_secs(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn made(content_type: &str, body: &str, metadata: &[(&str, &str)]) -> Result<Value, String> {
        let draft = Draft {
            app_id: "app",
            pubsub: "bus",
            topic: "things",
            content_type,
            body: body.as_bytes(),
            trace_parent: "00-t-s-01".to_owned(),
            trace_state: "k=v".to_owned(),
        };
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let now =
            OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_500_000_000).expect("it is in range");
        envelope(&draft, &metadata, now)
            .map(|envelope| serde_json::from_slice(&to_json(&envelope)).expect("an envelope is JSON"))
    }

    #[test]
    fn an_envelope_has_daprs_fields() {
        let mut got =
            made("application/json", r#"{"b":1,"a":12345678901234567890123}"#, &[]).expect("it is made");
        let id = got.as_object_mut().and_then(|fields| fields.shift_remove("id")).expect("it has an id");
        assert_eq!(id.as_str().map(str::len), Some(36));
        let text = got.to_string();
        assert_eq!(got["time"], "2023-11-14T22:13:20Z", "{text}");
        got.as_object_mut().expect("it is an object").shift_remove("data");
        let expected = json!({
            "datacontenttype": "application/json", "pubsubname": "bus", "source": "app", "specversion": "1.0",
            "time": "2023-11-14T22:13:20Z", "topic": "things", "traceid": "00-t-s-01", "traceparent": "00-t-s-01",
            "tracestate": "k=v", "type": "com.dapr.event.sent",
        });
        assert_eq!(got, expected);
    }

    #[test]
    fn data_is_kept_as_it_came() {
        let check = |content_type: &str, body: &str, field: &str, expected: Value| {
            assert_eq!(
                made(content_type, body, &[]).expect("it is made")[field],
                expected,
                "{content_type} {body}"
            );
        };
        check("application/json", "[1, 2]", "data", json!([1, 2]));
        check("application/json", "not json", "data", json!("not json"));
        check("text/plain", "plain", "data", json!("plain"));
        check("", "plain", "data", json!("plain"));
        check("", "plain", "datacontenttype", json!("text/plain"));
        check("application/octet-stream", "abc", "data_base64", json!("YWJj"));
        check("application/octet-stream", "abc", "data", Value::Null);
        let draft_body = br#"{"n":12345678901234567890123}"#;
        let mut envelope = Envelope::new();
        put_data(&mut envelope, draft_body, Kind::Json);
        assert_eq!(envelope["data"].get().as_bytes(), draft_body, "no digit is lost");
    }

    #[test]
    fn metadata_overrides_fields() {
        let check = |metadata: &[(&str, &str)], field: &str, expected: &str| {
            assert_eq!(
                made("text/plain", "x", metadata).expect("it is made")[field],
                expected,
                "{metadata:?}"
            );
        };
        check(&[("cloudevent.id", "mine")], "id", "mine");
        check(&[("cloudevent.Type", "t")], "type", "t");
        check(&[("cloudevent.source", "s")], "source", "s");
        check(&[("cloudevent.traceid", "a")], "traceparent", "a");
        check(&[("cloudevent.traceid", "a"), ("cloudevent.traceparent", "b")], "traceid", "b");
        check(&[("cloudevent.tracestate", "c=d")], "tracestate", "c=d");
        check(&[("cloudevent.topic", "no")], "topic", "things");
        check(&[("ttlInSeconds", "60")], "expiration", "2023-11-14T22:14:20Z");
        check(&[("ttl", "1m")], "expiration", "2023-11-14T22:14:20Z");
        assert_eq!(
            made("text/plain", "x", &[("ttlInSeconds", "soon")]).expect("it is made")["expiration"],
            Value::Null
        );
    }

    #[test]
    fn a_given_event_is_completed() {
        let event = r#"{"id":"7","source":null,"time":"then","traceid":"old","data":1,"topic":"other"}"#;
        let got =
            made("application/cloudevents+json", event, &[("cloudevent.id", "no")]).expect("it is made");
        let expected = json!({
            "data": 1, "id": "7", "pubsubname": "bus", "source": "Dapr", "specversion": "1.0", "time": "then",
            "topic": "things", "traceid": "old", "tracestate": "k=v", "type": "com.dapr.event.sent",
        });
        assert_eq!(got, expected);
        assert!(made("application/cloudevents+json", "[]", &[]).is_err());
        assert!(made("application/cloudevents+json", "", &[]).is_err());
    }

    #[test]
    fn a_raw_payload_gets_an_envelope_and_time_runs_out() {
        let envelope = of_raw_payload(b"abc", "things", "bus");
        assert_eq!(text(&envelope, "data_base64").as_deref(), Some("YWJj"));
        assert_eq!(text(&envelope, "source").as_deref(), Some("Dapr"));
        let mut dated = Envelope::new();
        put(&mut dated, "expiration", "2023-11-14T22:13:20Z");
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("it is in range");
        assert!(!has_expired(&dated, at(1_700_000_000)));
        assert!(has_expired(&dated, at(1_700_000_001)));
        assert!(!has_expired(&Envelope::new(), at(1_700_000_001)));
    }
}
