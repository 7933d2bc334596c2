//! `status/…`: which program this is, how it was started, what it holds.
//!
//! Input: the pipeline's state and the store. Output: the answers Grafana and promtool look at first. Fields about Go's
//! runtime are there with what comes closest, as clients read them by name.

use super::selection::EVER;
use crate::Shared;
use crate::error::{ApiError, ErrorType};
use crate::gate::Work;
use crate::parameters::Parameters;
use crate::reply::{EncodedBody, Encoding, on_blocking_thread, success, success_body};
use crate::state::HeadStats;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use tidewatch_model::{METRIC_NAME, MatchOp, Matcher, Select, SelectError, Selection, format_timestamp};
use tidewatch_telemetry::BuildInfo;

/// How many entries each list of `status/tsdb` has unless told.
const DEFAULT_ENTRIES: usize = 10;
/// And at most.
const MAX_ENTRIES: usize = 10_000;

pub(crate) async fn buildinfo(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let build = &shared.state.build;
    // Clients choose their features by this; what follows the plus names who really answers.
    let version = format!("{}+tidewatch.{}", BuildInfo::COMPATIBLE_WITH, build.version);
    let answer = json!({
        "version": version,
        "revision": build.revision,
        "branch": build.branch,
        "buildUser": "",
        "buildDate": build.build_date,
        "goVersion": "",
    });
    success(&answer, Encoding::accepted_by(&headers))
}

pub(crate) async fn runtimeinfo(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let state = &shared.state;
    let (reloaded, loaded_at) = state.config.last_load();
    let directory = std::env::current_dir().map(|path| path.display().to_string());
    let tokio = tokio::runtime::Handle::current().metrics();
    let answer = json!({
        "startTime": format_timestamp(state.start_time),
        "CWD": directory.unwrap_or_default(),
        "hostname": rustix::system::uname().nodename().to_string_lossy(),
        "serverTime": format_timestamp(state.clock.now()),
        "reloadConfigSuccess": reloaded,
        "lastConfigTime": format_timestamp(loaded_at),
        "corruptionCount": 0,
        "goroutineCount": tokio.num_alive_tasks(),
        "GOMAXPROCS": tokio.num_workers(),
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": state.storage_retention,
    });
    success(&answer, Encoding::accepted_by(&headers))
}

pub(crate) async fn flags(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    success(&shared.state.flags, Encoding::accepted_by(&headers))
}

pub(crate) async fn config(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let encoding = Encoding::accepted_by(&headers);
    on_blocking_thread(move || success(&json!({ "yaml": shared.state.config.yaml() }), encoding)).await
}

/// The log is replayed before the server listens, so there is never anything under way.
pub(crate) async fn walreplay(headers: HeaderMap) -> Response {
    success(&json!({ "min": 0, "max": 0, "current": 0 }), Encoding::accepted_by(&headers))
}

pub(crate) async fn notifications(headers: HeaderMap) -> Response {
    success(&json!([]), Encoding::accepted_by(&headers))
}

pub(crate) async fn blocks(headers: HeaderMap) -> Response {
    success(&json!({ "blocks": [] }), Encoding::accepted_by(&headers))
}

pub(crate) async fn tsdb(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let entries = match parameters.get("limit") {
        "" => DEFAULT_ENTRIES,
        text => match text.parse::<usize>() {
            Ok(limit @ 1..=MAX_ENTRIES) => limit,
            Ok(limit) if limit > MAX_ENTRIES => {
                return Err(ApiError::bad_data(format!("limit must not exceed {MAX_ENTRIES}")));
            }
            _ => return Err(ApiError::bad_data("limit must be a positive number")),
        },
    };
    let (asked, encoding) = (Shared::clone(&shared), Encoding::accepted_by(&headers));
    let work = move |_: &_, _| {
        let counted = Cardinality::count(&*asked.state.store, (asked.state.head)(), entries);
        let counted = counted.map_err(|error| ApiError::new(ErrorType::Internal, error))?;
        let body =
            success_body(4096, &[], &[], |out| out.extend_from_slice(&crate::json::to_go_json(&counted)));
        Ok(EncodedBody::new(body, encoding))
    };
    Ok(shared.gate.run(Work::Lookup, None, work).await?.into_response("application/json"))
}

#[derive(Serialize)]
struct Entry {
    name: String,
    value: u64,
}

/// What most series, label values and bytes of labels belong to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cardinality {
    head_stats: HeadStats,
    series_count_by_metric_name: Vec<Entry>,
    label_value_count_by_label_name: Vec<Entry>,
    memory_in_bytes_by_label_name: Vec<Entry>,
    series_count_by_label_value_pair: Vec<Entry>,
}

impl Cardinality {
    fn count(store: &dyn Select, head_stats: HeadStats, entries: usize) -> Result<Self, SelectError> {
        let named = Matcher::new(METRIC_NAME, MatchOp::Regex, ".+").expect("a fixed expression");
        let series = store.select(&Selection { matchers: &[named], start: EVER.0, end: EVER.1 })?;
        let mut by_metric: HashMap<&str, u64> = HashMap::new();
        let mut by_pair: HashMap<(&str, &str), u64> = HashMap::new();
        let mut values: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        let mut bytes: HashMap<&str, u64> = HashMap::new();
        for labels in series.iter().map(|series| series.labels()) {
            *by_metric.entry(labels.metric_name().unwrap_or_default()).or_default() += 1;
            for (name, value) in labels {
                *by_pair.entry((name, value)).or_default() += 1;
                *bytes.entry(name).or_default() += value.len() as u64;
                values.entry(name).or_default().insert(value);
            }
        }
        let text = |name: &str| name.to_owned();
        Ok(Self {
            head_stats,
            series_count_by_metric_name: top(entries, by_metric.iter().map(|(name, n)| (text(name), *n))),
            label_value_count_by_label_name: top(
                entries,
                values.iter().map(|(name, v)| (text(name), v.len() as u64)),
            ),
            memory_in_bytes_by_label_name: top(entries, bytes.iter().map(|(name, n)| (text(name), *n))),
            series_count_by_label_value_pair: top(
                entries,
                by_pair.iter().map(|((k, v), n)| (format!("{k}={v}"), *n)),
            ),
        })
    }
}

/// The largest counts, largest first, by name where equal.
fn top(entries: usize, counts: impl Iterator<Item = (String, u64)>) -> Vec<Entry> {
    let mut all: Vec<Entry> = counts.map(|(name, value)| Entry { name, value }).collect();
    all.sort_unstable_by(|a, b| b.value.cmp(&a.value).then_with(|| a.name.cmp(&b.name)));
    all.truncate(entries);
    all
}
