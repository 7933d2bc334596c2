//! `query`, `query_range`, `query_exemplars`, `format_query`, `parse_query`: PromQL.
//!
//! Input: expressions with times, steps and limits. Output: results as JSON, encoded on the thread that evaluated them.
//! What an expression means is the query engine's; here are parameters, limits and texts.

use crate::answer::{estimated_bytes, push_exemplars, push_query_data, truncate};
use crate::error::{ApiError, ErrorType};
use crate::gate::{Timings, Work};
use crate::parameters::{Parameters, duration_nanoseconds};
use crate::reply::{EncodedBody, Encoding, on_blocking_thread, success, success_body};
use crate::{Shared, json};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tidewatch_model::{LabelQuery, Select};
use tidewatch_promql::{Answer, Cancel, Engine, QueryError};

/// The most steps a range query may have, so that a typing error does not load a year of seconds.
const MAX_STEPS: i64 = 11_000;

pub(crate) async fn instant(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let limit = parameters.limit()?;
    let time = parameters.time("time", shared.state.clock.now())?;
    let timeout = parameters.timeout()?;
    let options = Options::new(&shared, &parameters, limit, &headers)?;
    let query = parameters.get("query").to_owned();
    let evaluate = move |engine: &Engine, store: &dyn Select, cancel: &Cancel| {
        engine.instant(store, &query, time, cancel)
    };
    answer(&shared, timeout, options, evaluate).await
}

pub(crate) async fn range(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let limit = parameters.limit()?;
    let start = parameters.required_time("start")?;
    let end = parameters.required_time("end")?;
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step = step(&parameters)?;
    if end.saturating_sub(start) / step > MAX_STEPS {
        let text = "exceeded maximum resolution of 11,000 points per timeseries. \
                    Try decreasing the query resolution (?step=XX)";
        return Err(ApiError::bad_data(text));
    }
    let timeout = parameters.timeout()?;
    let options = Options::new(&shared, &parameters, limit, &headers)?;
    let query = parameters.get("query").to_owned();
    let evaluate = move |engine: &Engine, store: &dyn Select, cancel: &Cancel| {
        engine.range(store, &query, start, end, step, cancel)
    };
    answer(&shared, timeout, options, evaluate).await
}

/// The step in milliseconds, at least one.
fn step(parameters: &Parameters) -> Result<i64, ApiError> {
    let text = parameters.get("step");
    let nanoseconds = duration_nanoseconds(text).map_err(|error| ApiError::parameter("step", error))?;
    if nanoseconds <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", text));
    }
    match nanoseconds / 1_000_000 {
        0 => Err(ApiError::parameter("step", "a step below a millisecond is not supported by tidewatch")),
        milliseconds => Ok(milliseconds),
    }
}

/// How an evaluated query is answered.
struct Options {
    engine: Engine,
    limit: usize,
    with_stats: bool,
    encoding: Encoding,
}

impl Options {
    fn new(
        shared: &Shared,
        parameters: &Parameters,
        limit: usize,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let mut engine = shared.state.engine;
        let lookback = parameters.get("lookback_delta");
        if !lookback.is_empty() {
            let invalid =
                |error| ApiError::bad_data(format!("error parsing lookback delta duration: {error}"));
            let nanoseconds = duration_nanoseconds(lookback).map_err(invalid)?;
            // As in Prometheus, what is not positive leaves the default in force.
            if let Ok(positive @ 1..) = u64::try_from(nanoseconds) {
                engine.lookback_delta = Duration::from_nanos(positive);
            }
        }
        Ok(Self {
            engine: Engine::new(engine),
            limit,
            with_stats: !parameters.get("stats").is_empty(),
            encoding: Encoding::accepted_by(headers),
        })
    }
}

async fn answer(
    shared: &Shared,
    timeout: Option<Duration>,
    options: Options,
    evaluate: impl FnOnce(&Engine, &dyn Select, &Cancel) -> Result<Answer, QueryError> + Send + 'static,
) -> Result<Response, ApiError> {
    let (store, metrics) = (shared.state.store.clone(), shared.metrics.clone());
    let work = move |cancel: &Cancel, timings: Timings| {
        let mut answer = evaluate(&options.engine, &*store, cancel).map_err(query_error)?;
        metrics.samples_read(answer.samples_read);
        truncate(&mut answer, options.limit);
        let push_data = |out: &mut Vec<u8>| {
            push_query_data(out, &answer.value, |out| {
                if options.with_stats {
                    push_stats(out, &answer, timings);
                }
            });
        };
        let room = estimated_bytes(&answer.value);
        let body = success_body(room, &answer.warnings, &answer.infos, push_data);
        Ok(EncodedBody::new(body, options.encoding))
    };
    Ok(shared.gate.run(Work::Query, timeout, work).await?.into_response("application/json"))
}

/// Times in seconds, and how many samples were read. Prometheus's finer timings have no equal here and are left out.
fn push_stats(out: &mut Vec<u8>, answer: &Answer, timings: Timings) {
    let evaluated = timings.started.elapsed().as_secs_f64();
    let stats = serde_json::json!({
        "timings": {
            "evalTotalTime": evaluated,
            "execQueueTime": timings.queue,
            "execTotalTime": evaluated + timings.queue,
        },
        "samples": { "samplesRead": answer.samples_read },
    });
    out.extend_from_slice(b",\"stats\":");
    out.extend_from_slice(&json::to_go_json(&stats));
}

/// The envelope of an error of the query engine.
fn query_error(error: QueryError) -> ApiError {
    match &error {
        QueryError::Parse { .. } => ApiError::parameter("query", error),
        QueryError::Timeout => ApiError::new(ErrorType::Timeout, error),
        QueryError::Canceled => ApiError::new(ErrorType::Canceled, error),
        QueryError::Storage { .. } => ApiError::new(ErrorType::Internal, error),
        _ => ApiError::new(ErrorType::Execution, error),
    }
}

/// The exemplars of every series that a selector of the expression names.
pub(crate) async fn exemplars(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let start = parameters.time("start", i64::MIN)?;
    let end = parameters.time("end", i64::MAX)?;
    if end < start {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let matcher_sets = tidewatch_promql::selectors(parameters.get("query")).map_err(ApiError::bad_data)?;
    // without a selector there is nothing to say, and Prometheus says it with this status
    if matcher_sets.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let encoding = Encoding::accepted_by(&headers);
    let make = move || {
        let query = LabelQuery { matcher_sets: &matcher_sets, start, end };
        match shared.state.store.exemplars(&query) {
            Ok(found) => {
                let body = success_body(found.len() * 512, &[], &[], |out| push_exemplars(out, &found));
                EncodedBody::new(body, encoding).into_response("application/json")
            }
            Err(error) => ApiError::new(ErrorType::Internal, error).into_response(),
        }
    };
    Ok(on_blocking_thread(make).await)
}

pub(crate) async fn format(headers: HeaderMap, parameters: Parameters) -> Response {
    let encoding = Encoding::accepted_by(&headers);
    let make = move || match tidewatch_promql::format_query(parameters.get("query")) {
        Ok(formatted) => success(&formatted, encoding),
        Err(error) => ApiError::parameter("query", error).into_response(),
    };
    on_blocking_thread(make).await
}

pub(crate) async fn parse(parameters: Parameters) -> Result<Response, ApiError> {
    let checked = tidewatch_promql::format_query(parameters.get("query"));
    checked.map_err(|error| ApiError::parameter("query", error))?;
    Err(ApiError::not_supported("parse_query (the syntax tree of an expression)"))
}
