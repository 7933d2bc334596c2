//! Jaeger's stable API, below `/api/v3`: traces in OTLP's JSON.
//!
//! Input: calls. Output: `{"result": …}`, or plain lists for services and operations; errors as `{"error": …}`. Differences on purpose: a
//! search that does not say how many traces gets 100, and one that asks for too many is told so with 400, where Jaeger answers 500.

use super::ask;
use super::duration;
use super::envelope::{Api, Refusal, from_store};
use super::legacy::{operations_of_kind, push_operations, segment};
use super::otlp_json::push_traces;
use super::v3_adjust::{adjust, sanitize};
use crate::Shared;
use crate::json::{push_escaped_text, push_list};
use crate::parameters::Parameters;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use tidewatch_model::parse_timestamp;
use tidewatch_traces::{Search, Trace};

pub(super) async fn services(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    from_store(shared, &headers, Api::V3, |store| {
        let mut body = b"{\"services\":".to_vec();
        push_list(&mut body, store.services(), |out, name| push_escaped_text(out, &name));
        body.push(b'}');
        Ok(body)
    })
    .await
}

pub(super) async fn operations(
    State(shared): State<Shared>,
    headers: HeaderMap,
    asked: Parameters,
) -> Response {
    from_store(shared, &headers, Api::V3, move |store| {
        let mut body = b"{\"operations\":".to_vec();
        let found = operations_of_kind(store, asked.get("service"), asked.get("span_kind"));
        push_operations(&mut body, &found);
        body.push(b'}');
        Ok(body)
    })
    .await
}

fn malformed(name: &str, error: impl std::fmt::Display) -> Refusal {
    Refusal::bad(format!("malformed parameter {name}: {error}"))
}

/// Yes or no; no when it is not said.
fn flag(asked: &Parameters, name: &str) -> Result<bool, Refusal> {
    match asked.get(name) {
        "" => Ok(false),
        text => ask::boolean(text).map_err(|error| malformed(name, error)),
    }
}

/// A time in RFC 3339, in nanoseconds since the Unix epoch.
fn time(asked: &Parameters, name: &str) -> Result<u64, Refusal> {
    let text = asked.get(name);
    nanoseconds(text).ok_or_else(|| {
        malformed(
            name,
            format!("parsing time {text:?} as \"2006-01-02T15:04:05.999999999Z07:00\": cannot parse it"),
        )
    })
}

fn nanoseconds(text: &str) -> Option<u64> {
    // Only a date makes it RFC 3339: numbers are times in another API. Fractions are kept to the nanosecond.
    let (date, rest) = text.split_once('T')?;
    let zone = rest.find(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let milliseconds = parse_timestamp(&format!("{date}T{clock}{zone}")).ok()?;
    if fraction.bytes().any(|byte| !byte.is_ascii_digit()) || (rest.contains('.') && fraction.is_empty()) {
        return None;
    }
    let padded = format!("{fraction:0<9}");
    let fraction: u64 = padded.get(..9)?.parse().ok()?;
    Some(u64::try_from(milliseconds).unwrap_or_default().saturating_mul(1_000_000).saturating_add(fraction))
}

/// Traces of a search or by id; none is an error.
fn answer(mut traces: Vec<Trace>, raw: bool) -> Result<Vec<u8>, Refusal> {
    if traces.is_empty() {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "No traces found"));
    }
    for trace in &mut traces {
        let mut warnings = sanitize(trace);
        if !raw {
            adjust(trace, &mut warnings);
        }
        warnings.put(trace);
    }
    let mut body = Vec::with_capacity(traces.len() * 8192);
    body.extend_from_slice(b"{\"result\":");
    push_traces(&mut body, &traces);
    body.push(b'}');
    Ok(body)
}

pub(super) async fn trace(
    State(shared): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
    asked: Parameters,
) -> Response {
    let read = || {
        let id = ask::trace_id(segment(&uri, 0)).map_err(|error| malformed("trace_id", error))?;
        for name in ["start_time", "end_time"] {
            if !asked.get(name).is_empty() {
                time(&asked, name)?;
            }
        }
        Ok((id, flag(&asked, "raw_traces")?))
    };
    let (id, raw) = match read() {
        Ok(call) => call,
        Err(refusal) => return Refusal::answer(&refusal, Api::V3),
    };
    from_store(shared, &headers, Api::V3, move |store| answer(store.trace(id).into_iter().collect(), raw))
        .await
}

fn read_search(asked: &Parameters) -> Result<(Search, bool), Refusal> {
    let text = |name: &str| Some(asked.get(name)).filter(|text| !text.is_empty()).map(str::to_owned);
    let (from, to) = ("query.start_time_min", "query.start_time_max");
    if asked.get(from).is_empty() || asked.get(to).is_empty() {
        return Err(Refusal::bad(format!("{from} and {to} are required")));
    }
    let mut search = Search {
        service: text("query.service_name"),
        operation: text("query.operation_name"),
        start_ns: time(asked, from)?,
        end_ns: time(asked, to)?,
        ..Search::default()
    };
    let depth = "query.num_traces";
    let number = match asked.get(depth) {
        "" => ask::DEFAULT_LIMIT,
        text => ask::integer(text, "Atoi", 64).map_err(|error| malformed(depth, error))?,
    };
    let bound = |name| match asked.get(name) {
        "" => Ok(0),
        text => duration::parse(text).map_err(|error| malformed(name, error)),
    };
    let (shortest, longest) = (bound("query.duration_min")?, bound("query.duration_max")?);
    ask::bounds(&mut search, shortest, longest);
    let raw = flag(asked, "query.raw_traces")?;
    search.limit = ask::limit(number)?;
    Ok((search, raw))
}

pub(super) async fn search(State(shared): State<Shared>, headers: HeaderMap, asked: Parameters) -> Response {
    match read_search(&asked) {
        Ok((search, raw)) => {
            from_store(shared, &headers, Api::V3, move |store| answer(store.find(&search), raw)).await
        }
        Err(refusal) => refusal.answer(Api::V3),
    }
}

pub(super) async fn trace_summaries() -> Response {
    let text = "trace summaries are not supported by tidewatch; hint: ask /api/v3/traces";
    Refusal::new(StatusCode::NOT_IMPLEMENTED, text).answer(Api::V3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_to_the_nanosecond() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(nanoseconds(text), expected, "{text}");
        check("1970-01-01T00:00:01Z", Some(1_000_000_000));
        check("2026-11-22T22:20:00.000000123Z", Some(1_795_386_000_000_000_123));
        check("2026-11-22T23:20:00.5+01:00", Some(1_795_386_000_500_000_000));
        check("1960-01-01T00:00:00Z", Some(0));
        check("1795386000", None);
        check("2026-11-22", None);
        check("2026-11-22T22:20:00", None);
        check("2026-11-22T22:20:00.Z", None);
    }
}
