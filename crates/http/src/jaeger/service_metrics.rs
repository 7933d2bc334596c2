//! Rate, errors and latency of services, for the Monitor tab of Jaeger's page.
//!
//! Input: calls, and the samples that are counted from spans (`traces_span_metrics_*`). Output: Jaeger's families of metrics, one point
//! per step. The questions are PromQL, evaluated as any query: within the gate and stopped when the client leaves.

use super::ask;
use super::duration::time_text;
use super::envelope::{Api, Refusal, legacy};
use super::legacy::now_ns;
use super::legacy_json::push_double;
use crate::Shared;
use crate::error::{ApiError, ErrorType};
use crate::gate::Work;
use crate::json::{push_escaped_text, push_list};
use crate::parameters::Parameters;
use crate::reply::{EncodedBody, Encoding};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tidewatch_promql::{Cancel, Engine, MatrixSeries, QueryError, Value};

const CALLS: &str = "traces_span_metrics_calls_total";
const BUCKETS: &str = "traces_span_metrics_duration_milliseconds_bucket";
/// The most points of a series.
const MAX_POINTS: i64 = 11_000;
const MS: i64 = 1_000_000;

/// What a call asks for.
struct Asked {
    /// Matchers, with braces left out.
    matchers: String,
    group_by: &'static str,
    by_operation: bool,
    rate_ms: i64,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
}

pub(super) async fn calls(shared: State<Shared>, headers: HeaderMap, asked: Parameters) -> Response {
    answer(shared.0, &headers, &asked, "call_rate", "calls/sec", |asked| {
        let Asked { matchers, group_by, rate_ms, .. } = asked;
        format!("sum(rate({CALLS}{{{matchers}}}[{rate_ms}ms])) by ({group_by})")
    })
    .await
}

pub(super) async fn errors(shared: State<Shared>, headers: HeaderMap, asked: Parameters) -> Response {
    let help = "error rate, computed as a fraction of errors/sec over calls/sec";
    answer(shared.0, &headers, &asked, "error_rate", help, |asked| {
        let Asked { matchers, group_by, rate_ms, .. } = asked;
        let failed = format!("{matchers},status_code=\"STATUS_CODE_ERROR\"");
        let sum = |matchers: &str| format!("sum(rate({CALLS}{{{matchers}}}[{rate_ms}ms])) by ({group_by})");
        // Where nothing failed the rate is 0, not absent.
        format!("({} or 0 * {}) / {}", sum(&failed), sum(matchers), sum(matchers))
    })
    .await
}

pub(super) async fn latencies(shared: State<Shared>, headers: HeaderMap, asked: Parameters) -> Response {
    let quantile = match asked.get("quantile").parse::<f64>() {
        Ok(quantile) => quantile,
        Err(_) => {
            let text = format!(
                "unable to parse param 'quantile': strconv.ParseFloat: parsing {:?}: invalid syntax",
                asked.get("quantile")
            );
            return Refusal::bad(text).answer(Api::Legacy);
        }
    };
    let help = format!("{quantile:.2}th quantile latency");
    answer(shared.0, &headers, &asked, "latencies", &help, move |asked| {
        let Asked { matchers, group_by, rate_ms, .. } = asked;
        format!(
            "histogram_quantile({quantile:.2}, sum(rate({BUCKETS}{{{matchers}}}[{rate_ms}ms])) by ({group_by},le))"
        )
    })
    .await
}

pub(super) async fn min_step(headers: HeaderMap) -> Response {
    let body = legacy(0, b"null", |out| out.push(b'1'));
    EncodedBody::new(body, Encoding::accepted_by(&headers)).into_response("application/json")
}

fn escaped(service: &str) -> String {
    let mut out = String::with_capacity(service.len());
    for letter in service.chars() {
        if ".+*?()|[]{}^$\\".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn read(asked: &Parameters, now: u64) -> Result<Asked, Refusal> {
    let services: Vec<String> = asked.all("service").map(escaped).collect();
    if services.is_empty() {
        let text = "unable to parse param 'service': please provide at least one service name";
        return Err(Refusal::bad(text));
    }
    let by_operation = ask::flag(asked, "groupByOperation")?;
    let kind = |name: &str| match name {
        "unspecified" | "internal" | "server" | "client" | "producer" | "consumer" => {
            Ok(format!("SPAN_KIND_{}", name.to_uppercase()))
        }
        other => {
            Err(Refusal::bad(format!("unable to parse param 'spanKind': unsupported span kind: '{other}'")))
        }
    };
    let mut kinds = asked.all("spanKind").map(kind).collect::<Result<Vec<_>, _>>()?;
    if kinds.is_empty() {
        kinds.push("SPAN_KIND_SERVER".to_owned());
    }
    let end_ms = i64::try_from(ask::time(asked, "endTs", MS, now)? / MS.unsigned_abs()).unwrap_or(i64::MAX);
    let milliseconds = |name, default: i64| {
        let given = ask::milliseconds(asked, name, default * MS)? / MS;
        let text = || format!("unable to parse param '{name}': {given} is not positive");
        if given > 0 { Ok(given) } else { Err(Refusal::bad(text())) }
    };
    let lookback = milliseconds("lookback", 3_600_000)?;
    let (step_ms, rate_ms) = (milliseconds("step", 5_000)?, milliseconds("ratePer", 600_000)?);
    if lookback / step_ms > MAX_POINTS {
        let text =
            format!("more than {MAX_POINTS} points; hint: give a longer 'step' or a shorter 'lookback'");
        return Err(Refusal::bad(text));
    }
    let matchers = format!("service_name=~{:?},span_kind=~{:?}", services.join("|"), kinds.join("|"));
    let group_by = if by_operation { "service_name,span_name" } else { "service_name" };
    let start_ms = end_ms.saturating_sub(lookback);
    Ok(Asked { matchers, group_by, by_operation, rate_ms, start_ms, end_ms, step_ms })
}

async fn answer(
    shared: Shared,
    headers: &HeaderMap,
    asked: &Parameters,
    name: &str,
    help: &str,
    query: impl FnOnce(&Asked) -> String,
) -> Response {
    let asked = match read(asked, now_ns(&shared)) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.answer(Api::Legacy),
    };
    let query = query(&asked);
    let (name, help) = if asked.by_operation {
        (format!("service_operation_{name}"), format!("{help}, grouped by service & operation"))
    } else {
        (format!("service_{name}"), format!("{help}, grouped by service"))
    };
    let (store, engine) = (shared.state.store.clone(), shared.state.engine);
    let accepted = Encoding::accepted_by(headers);
    let work = move |cancel: &Cancel, _| {
        let Asked { start_ms, end_ms, step_ms, .. } = asked;
        let answer = Engine::new(engine).range(&*store, &query, start_ms, end_ms, step_ms, cancel);
        let failed = |error: QueryError| ApiError::new(ErrorType::Internal, error);
        let series = match answer.map_err(failed)?.value {
            Value::Matrix(series) => series,
            _ => Vec::new(),
        };
        Ok(EncodedBody::new(family(&name, &help, &series), accepted))
    };
    match shared.gate.run(Work::Query, None, work).await {
        Ok(body) => body.into_response("application/json"),
        Err(error) => {
            let text = format!("failed executing metrics query: {error}");
            let status = match error.into_response().status() {
                StatusCode::SERVICE_UNAVAILABLE => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Refusal::new(status, text).answer(Api::Legacy)
        }
    }
}

fn family(name: &str, help: &str, series: &[MatrixSeries]) -> Vec<u8> {
    let mut out = format!("{{\"name\":\"{name}\",\"type\":\"GAUGE\",\"help\":").into_bytes();
    push_escaped_text(&mut out, help);
    out.extend_from_slice(b",\"metrics\":");
    push_list(&mut out, series, |out, series| {
        out.extend_from_slice(b"{\"labels\":");
        push_list(out, series.labels.iter(), |out, (name, value)| {
            let name = if name == "span_name" { "operation" } else { name };
            out.extend_from_slice(b"{\"name\":");
            push_escaped_text(out, name);
            out.extend_from_slice(b",\"value\":");
            push_escaped_text(out, value);
            out.push(b'}');
        });
        out.extend_from_slice(b",\"metricPoints\":");
        push_list(out, &series.samples, |out, sample| {
            out.extend_from_slice(b"{\"gaugeValue\":{\"doubleValue\":");
            push_double(out, sample.value);
            out.extend_from_slice(b"},\"timestamp\":");
            push_escaped_text(out, &rfc3339(sample.timestamp));
            out.push(b'}');
        });
        out.push(b'}');
    });
    out.push(b'}');
    out
}

/// Milliseconds since the Unix epoch as a time in UTC.
fn rfc3339(milliseconds: i64) -> String {
    let text = time_text(milliseconds.saturating_mul(MS));
    text.trim_end_matches(" +0000 UTC").replacen(' ', "T", 1) + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_patterns_and_times_are_rfc_3339() {
        assert_eq!(escaped("a.b|c"), "a\\.b\\|c");
        assert_eq!(rfc3339(1_795_386_000_500), "2026-11-22T22:20:00.5Z");
    }
}
