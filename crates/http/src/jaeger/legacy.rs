//! The API that Jaeger's page and Grafana's Jaeger data source call, below `/api`.
//!
//! Input: calls. Output: `{"data": …, "total": …, "limit": 0, "offset": 0, "errors": …}`. `lookback` of a search is for the page alone:
//! `start` and `end` count, as in Jaeger. Times with an id are only read, since ids are looked up everywhere.

use super::ask::{self, Asked, kind_name};
use super::envelope::{Api, Refusal, from_store, legacy, within_gate};
use super::legacy_adjust::adjust;
use super::legacy_json::{push_trace, push_trace_id};
use super::legacy_trace::LegacyTrace;
use crate::Shared;
use crate::json::{push_escaped_text, push_list};
use crate::parameters::Parameters;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use std::time::Duration;
use tidewatch_model::percent_decoded;
use tidewatch_otlp::{decode_traces, json_to_protobuf};
use tidewatch_traces::{Dependency, SpanKind, Trace, TraceBuilder, TraceStore};

const NO_ERRORS: &[u8] = b"null";
/// Bytes of a trace in JSON, about.
const TRACE_BYTES: usize = 8192;

/// Now, in nanoseconds since the Unix epoch: the last one of this millisecond, so that what has just come is not in the future.
pub(super) fn now_ns(shared: &Shared) -> u64 {
    let milliseconds = u64::try_from(shared.state.clock.now()).unwrap_or_default();
    (milliseconds + 1).saturating_mul(1_000_000) - 1
}

/// A part of the address as it was sent, counted from its end. Ids have no need of escapes, and Jaeger undoes none.
pub(super) fn segment(uri: &Uri, from_end: usize) -> &str {
    uri.path().rsplit('/').nth(from_end).unwrap_or_default()
}

/// A list, or `null` instead of an empty one.
fn push_texts(out: &mut Vec<u8>, texts: &[String]) {
    if texts.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        push_list(out, texts, |out, text| push_escaped_text(out, text));
    }
}

pub(super) async fn services(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    from_store(shared, &headers, Api::Legacy, |store| {
        let names = store.services();
        Ok(legacy(names.len(), NO_ERRORS, |out| push_texts(out, &names)))
    })
    .await
}

pub(super) async fn operation_names(State(shared): State<Shared>, headers: HeaderMap, uri: Uri) -> Response {
    let service = percent_decoded(segment(&uri, 1).as_bytes(), true).unwrap_or_default();
    let service = String::from_utf8_lossy(&service).into_owned();
    from_store(shared, &headers, Api::Legacy, move |store| {
        let mut names: Vec<String> = store.operations(&service).into_iter().map(|(name, _)| name).collect();
        names.dedup();
        Ok(legacy(names.len(), NO_ERRORS, |out| push_texts(out, &names)))
    })
    .await
}

pub(super) async fn operations(
    State(shared): State<Shared>,
    headers: HeaderMap,
    asked: Parameters,
) -> Response {
    if asked.get("service").is_empty() {
        return Refusal::bad("parameter 'service' is required").answer(Api::Legacy);
    }
    from_store(shared, &headers, Api::Legacy, move |store| {
        let found = operations_of_kind(store, asked.get("service"), asked.get("spanKind"));
        Ok(legacy(found.len(), NO_ERRORS, |out| push_operations(out, &found)))
    })
    .await
}

/// The operations of a service that are of a kind, by its name; of any where that is empty.
pub(super) fn operations_of_kind(store: &TraceStore, service: &str, kind: &str) -> Vec<(String, SpanKind)> {
    let mut found = store.operations(service);
    found.retain(|(_, other)| kind.is_empty() || kind_name(*other) == kind);
    found
}

/// Operations as a list of names and kinds, which is the same in both APIs.
pub(super) fn push_operations(out: &mut Vec<u8>, operations: &[(String, SpanKind)]) {
    push_list(out, operations, |out, (name, kind)| {
        out.extend_from_slice(b"{\"name\":");
        push_escaped_text(out, name);
        out.extend_from_slice(format!(",\"spanKind\":\"{}\"}}", kind_name(*kind)).as_bytes());
    });
}

/// Traces as a list, adjusted or not.
fn push_traces(out: &mut Vec<u8>, traces: &[Trace], raw: bool) {
    out.reserve(traces.len() * TRACE_BYTES);
    push_list(out, traces, |out, trace| {
        let mut view = LegacyTrace::of(trace);
        if !raw {
            adjust(&mut view);
        }
        push_trace(out, &view);
    });
}

pub(super) async fn search(State(shared): State<Shared>, headers: HeaderMap, asked: Parameters) -> Response {
    let asked = match ask::legacy_search(&asked, now_ns(&shared)) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.answer(Api::Legacy),
    };
    from_store(shared, &headers, Api::Legacy, move |store| {
        let Asked { search, ids, raw } = asked;
        let mut errors = NO_ERRORS.to_vec();
        let traces = if ids.is_empty() {
            store.find(&search)
        } else {
            let (mut found, mut missing) = (Vec::new(), Vec::new());
            for id in ids {
                match store.trace(id) {
                    Some(trace) => found.push(trace),
                    None => missing.push(id),
                }
            }
            if !missing.is_empty() {
                errors.clear();
                push_list(&mut errors, missing, |out, id| {
                    out.extend_from_slice(b"{\"msg\":\"trace not found\",\"traceID\":");
                    push_trace_id(out, id);
                    out.push(b'}');
                });
            }
            found
        };
        Ok(legacy(0, &errors, |out| push_traces(out, &traces, raw)))
    })
    .await
}

/// What a call about one trace says besides its id.
fn read_trace_call(uri: &Uri, asked: &Parameters) -> Result<(tidewatch_traces::TraceId, bool), Refusal> {
    let id = ask::trace_id(segment(uri, 0)).map_err(Refusal::bad)?;
    ask::time(asked, "start", 1000, 0)?;
    ask::time(asked, "end", 1000, 0)?;
    Ok((id, ask::flag(asked, "raw")?))
}

pub(super) async fn trace(
    State(shared): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
    asked: Parameters,
) -> Response {
    let (id, raw) = match read_trace_call(&uri, &asked) {
        Ok(call) => call,
        Err(refusal) => return refusal.answer(Api::Legacy),
    };
    from_store(shared, &headers, Api::Legacy, move |store| {
        let found = store.trace(id).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "trace not found"))?;
        Ok(legacy(0, NO_ERRORS, |out| push_traces(out, &[found], raw)))
    })
    .await
}

pub(super) async fn dependencies(
    State(shared): State<Shared>,
    headers: HeaderMap,
    asked: Parameters,
) -> Response {
    const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;
    let read = || {
        let end = ask::time(&asked, "endTs", 1_000_000, now_ns(&shared))?;
        Ok((end, ask::milliseconds(&asked, "lookback", DAY_NS)?))
    };
    let (end, lookback) = match read() {
        Ok(read) => read,
        Err(refusal) => return Refusal::answer(&refusal, Api::Legacy),
    };
    let Ok(lookback) = u64::try_from(lookback) else {
        return Refusal::bad("end time must be greater than start time").answer(Api::Legacy);
    };
    let service = asked.get("service").to_owned();
    from_store(shared, &headers, Api::Legacy, move |store| {
        let mut found = store.dependencies(end, Duration::from_nanos(lookback));
        found.retain(|edge| service.is_empty() || edge.parent == service || edge.child == service);
        Ok(legacy(0, NO_ERRORS, |out| push_list(out, &found, push_dependency)))
    })
    .await
}

fn push_dependency(out: &mut Vec<u8>, edge: &Dependency) {
    out.extend_from_slice(b"{\"parent\":");
    push_escaped_text(out, &edge.parent);
    out.extend_from_slice(b",\"child\":");
    push_escaped_text(out, &edge.child);
    out.extend_from_slice(format!(",\"callCount\":{}}}", edge.calls).as_bytes());
}

/// OTLP in JSON, as a file that the page was given, in the form of the page.
pub(super) async fn transform(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return Refusal::new(rejection.status(), rejection.body_text()).answer(Api::Legacy),
    };
    within_gate(&shared, &headers, Api::Legacy, move || {
        let cannot = |error| Refusal::bad(format!("cannot unmarshal OTLP : {error}"));
        let request = json_to_protobuf(&body).map_err(cannot)?;
        let mut builder = TraceBuilder::default();
        decode_traces(&request, &mut builder).map_err(cannot)?;
        Ok(legacy(0, NO_ERRORS, |out| push_traces(out, builder.traces(), true)))
    })
    .await
}

pub(super) async fn archive(uri: Uri, asked: Parameters) -> Response {
    match read_trace_call(&uri, &asked) {
        Ok(_) => {
            let text = "archive span storage was not configured";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text).answer(Api::Legacy)
        }
        Err(refusal) => refusal.answer(Api::Legacy),
    }
}

pub(super) async fn deep_dependencies() -> Response {
    not_supported("deep dependencies (paths of calls through several services)")
}

pub(super) async fn quality_metrics() -> Response {
    not_supported("the quality of traces")
}

fn not_supported(what: &str) -> Response {
    let text = format!("{what} is not supported by tidewatch");
    Refusal::new(StatusCode::NOT_IMPLEMENTED, text).answer(Api::Legacy)
}
