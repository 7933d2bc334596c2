//! `tidewatch autoscale explain`: asks a running tidewatch what its autoscalers decided, and tells it in words.
//!
//! Input: the answers of `/api/tidewatch/v1/autoscalers` and of each one's decisions. Output: text or JSON on standard
//! output. It knows only the API and computes nothing of its own.

use super::{ExplainArgs, ExplainOutput};
use crate::addresses::Addresses;
use crate::failure::Failure;
use crate::query::innermost;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use tidewatch_model::push_percent_encoded;

const DEFAULT_SERVER: &str = "http://127.0.0.1:3000";
const AUTOSCALERS: &str = "/api/tidewatch/v1/autoscalers";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Autoscaler {
    namespace: String,
    name: String,
    origin: String,
    target: Target,
    min_replicas: i64,
    max_replicas: i64,
    current_replicas: i64,
    desired_replicas: i64,
    #[serde(default)]
    last_scale_time: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Target {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Deserialize)]
struct Metric {
    name: String,
    #[serde(default)]
    container: Option<String>,
    target: MetricTarget,
    #[serde(default)]
    current: Option<Current>,
}

#[derive(Deserialize)]
struct MetricTarget {
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

#[derive(Deserialize)]
struct Current {
    value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    time: String,
    current_replicas: i64,
    desired_replicas: i64,
    scaled: bool,
    sentence: String,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Step {
    kind: String,
    text: String,
}

#[derive(Deserialize)]
struct Event {
    reason: String,
    message: String,
    #[serde(default)]
    warning: bool,
}

/// Runs the command.
///
/// # Errors
/// When the server cannot be reached, has no such autoscaler, or answers otherwise than a tidewatch.
pub(super) async fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let server = server_of(args);
    let answer = ask(&server, AUTOSCALERS).await?;
    let found = select(&answer, args.name.as_deref(), &server)?;
    let mut text = String::new();
    let mut explained = Vec::new();
    for mut autoscaler in found {
        let path = decisions_path(&autoscaler, args.limit);
        let decisions = ask(&server, &path).await?;
        if args.output == ExplainOutput::Json {
            autoscaler["decisions"] = decisions["decisions"].clone();
            explained.push(autoscaler);
        } else {
            let decisions: Vec<Decision> = understand(&decisions["decisions"], &server)?;
            pretty(&mut text, &understand(&autoscaler, &server)?, &decisions);
        }
    }
    if args.output == ExplainOutput::Json {
        text = format!("{:#}\n", json!({ "autoscalers": explained }));
    } else if text.is_empty() {
        "no autoscalers\n".clone_into(&mut text);
    }
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::from_error(&error)),
        _ => Ok(()),
    }
}

fn server_of(args: &ExplainArgs) -> String {
    let running = || Addresses::read(&args.data_dir).map(|found| found.ui.unwrap_or(found.prometheus));
    let server = args.server.clone().or_else(running).unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let server = if server.contains("://") { server } else { format!("http://{server}") };
    server.trim_end_matches('/').to_owned()
}

async fn ask(server: &str, path: &str) -> Result<Value, Failure> {
    let unreachable = |error: &dyn std::error::Error| {
        Failure::new(format!("no answer from {server}: {}", innermost(error)))
            .hint("start it with `tidewatch up`, or name another with --server URL")
    };
    // a proxy of the environment is for the world outside, not for a server on this machine
    let client = reqwest::Client::builder().no_proxy().build().map_err(|e| Failure::from_error(&e))?;
    let response = client.get(format!("{server}{path}")).send().await.map_err(|e| unreachable(&e))?;
    let status = response.status();
    let body = response.text().await.map_err(|e| unreachable(&e))?;
    let answer: Option<Value> = serde_json::from_str(&body).ok();
    match answer {
        Some(answer) if status.is_success() => Ok(answer),
        Some(answer) if answer["error"].is_string() => {
            Err(Failure::new(answer["error"].as_str().unwrap_or_default()))
        }
        _ => Err(Failure::new(format!("{server}{path} answers with status {status} and no explanation"))
            .hint("name a server of `tidewatch up` with --server URL")),
    }
}

fn understand<T: for<'a> Deserialize<'a>>(answer: &Value, server: &str) -> Result<T, Failure> {
    T::deserialize(answer)
        .map_err(|error| Failure::new(format!("{server} does not answer as this version's API: {error}")))
}

/// The autoscalers that were asked for.
fn select(answer: &Value, name: Option<&str>, server: &str) -> Result<Vec<Value>, Failure> {
    let all = answer["autoscalers"].as_array().cloned().unwrap_or_default();
    let Some(name) = name else { return Ok(all) };
    let full = |autoscaler: &Value| {
        let part = |key: &str| autoscaler[key].as_str().unwrap_or_default().to_owned();
        format!("{}/{}", part("namespace"), part("name"))
    };
    let is_it = |autoscaler: &Value| {
        let full = full(autoscaler);
        full == name || full.rsplit('/').next() == Some(name)
    };
    let found: Vec<Value> = all.iter().filter(|autoscaler| is_it(autoscaler)).cloned().collect();
    if found.is_empty() {
        let names: Vec<String> = all.iter().map(full).collect();
        let known = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
        return Err(Failure::new(format!("no autoscaler {name:?} at {server}"))
            .hint(format!("those that run there: {known}")));
    }
    Ok(found)
}

fn decisions_path(autoscaler: &Value, limit: u32) -> String {
    let mut path = AUTOSCALERS.to_owned();
    for key in ["namespace", "name"] {
        path.push('/');
        let part = autoscaler[key].as_str().unwrap_or_default();
        push_percent_encoded(&mut path, part, |byte| b"-_.~".contains(&byte));
    }
    let _ = write!(path, "/decisions?limit={limit}");
    path
}

fn pretty(text: &mut String, autoscaler: &Autoscaler, decisions: &[Decision]) {
    if !text.is_empty() {
        text.push('\n');
    }
    let Autoscaler { namespace, name, origin, target, .. } = autoscaler;
    let _ = writeln!(text, "{namespace}/{name} ({origin}) scales {}/{}", target.kind, target.name);
    let Autoscaler { current_replicas, desired_replicas, min_replicas, max_replicas, .. } = autoscaler;
    let scaled = autoscaler.last_scale_time.as_deref().map(|time| format!(", last scaled {}", clock(time)));
    let _ = writeln!(
        text,
        "  replicas    {current_replicas}, wanted {desired_replicas}, allowed {min_replicas} to {max_replicas}{}",
        scaled.unwrap_or_default()
    );
    for metric in &autoscaler.metrics {
        let _ = writeln!(text, "  metric      {}", metric_line(metric));
    }
    for Condition { kind, status, reason, message } in &autoscaler.conditions {
        let _ = writeln!(text, "  condition   {kind} {status} ({reason}): {message}");
    }
    let Some(latest) = decisions.first() else {
        text.push_str("  nothing has been decided yet\n");
        return;
    };
    let _ = writeln!(text, "  decision    {}: {}", clock(&latest.time), latest.sentence);
    for Step { kind, text: words } in &latest.steps {
        let _ = writeln!(text, "    {kind:<15}{words}");
    }
    for Event { reason, message, warning } in &latest.events {
        let kind = if *warning { "warning" } else { "event" };
        let _ = writeln!(text, "    {kind:<15}{reason}: {message}");
    }
    if decisions.len() > 1 {
        text.push_str("  before that\n");
        earlier(text, &decisions[1..]);
    }
}

/// One line for each run of decisions that say the same.
fn earlier(text: &mut String, decisions: &[Decision]) {
    for run in decisions.chunk_by(|a, b| !a.scaled && !b.scaled && a.sentence == b.sentence) {
        let Some(latest) = run.first() else { continue };
        let change = if latest.scaled {
            format!("{} → {}", latest.current_replicas, latest.desired_replicas)
        } else {
            latest.current_replicas.to_string()
        };
        let times = if run.len() > 1 { format!(" ({} times)", run.len()) } else { String::new() };
        let _ = writeln!(text, "    {}  {change:<7}  {}{times}", clock(&latest.time), latest.sentence);
    }
}

fn metric_line(metric: &Metric) -> String {
    let amount = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if metric.target.kind == "Utilization" { format!("{text} %") } else { text }
    };
    let container =
        metric.container.as_deref().map(|name| format!(" of container {name}")).unwrap_or_default();
    let current =
        metric.current.as_ref().map_or_else(|| "unknown".to_owned(), |current| amount(&current.value));
    let per_pod = if metric.target.kind == "AverageValue" { " per pod" } else { "" };
    format!("{}{container}: {current} of {}{per_pod}", metric.name, amount(&metric.target.value))
}

/// A time without its date's `T` and fractions of a second.
fn clock(time: &str) -> String {
    time.split('.').next().unwrap_or(time).trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn autoscalers() -> Value {
        json!({"autoscalers": [{
            "namespace": "todo-app-prod", "name": "todo-backend", "origin": "HorizontalPodAutoscaler",
            "target": {"kind": "Deployment", "name": "todo-backend"},
            "minReplicas": 2, "maxReplicas": 10, "currentReplicas": 2, "desiredReplicas": 4,
            "lastScaleTime": "2026-01-31T12:00:15.000Z",
            "conditions": [{"type": "AbleToScale", "status": "True", "reason": "SucceededRescale", "message": "done"}],
            "metrics": [
                {"type": "Resource", "name": "cpu", "target": {"type": "Utilization", "value": 70}, "current": {"value": 143}},
                {"type": "External", "name": "lag", "target": {"type": "AverageValue", "value": "10"}, "current": null}
            ]
        }]})
    }

    fn decision(time: &str, scaled: bool, sentence: &str) -> Value {
        json!({"time": time, "currentReplicas": 2, "desiredReplicas": if scaled { 4 } else { 2 }, "scaled": scaled,
            "sentence": sentence, "steps": [{"kind": "policy", "text": "the 100 %/30 s policy allows 4", "replicas": 4}],
            "events": [{"reason": "SuccessfulRescale", "message": "New size: 4", "warning": false}]})
    }

    #[test]
    fn an_autoscaler_is_told_in_words() {
        let answer = autoscalers();
        let autoscaler: Autoscaler = understand(&answer["autoscalers"][0], "s").unwrap();
        let decisions = json!([
            decision(
                "2026-01-31T12:00:15.000Z",
                true,
                "CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4"
            ),
            decision(
                "2026-01-31T12:00:00.000Z",
                false,
                "CPU 69 % of 70 % is within the tolerance; stays at 2"
            ),
            decision(
                "2026-01-31T11:59:45.000Z",
                false,
                "CPU 69 % of 70 % is within the tolerance; stays at 2"
            ),
        ]);
        let decisions: Vec<Decision> = understand(&decisions, "s").unwrap();
        let mut text = String::new();
        pretty(&mut text, &autoscaler, &decisions);
        let expected = "\
todo-app-prod/todo-backend (HorizontalPodAutoscaler) scales Deployment/todo-backend
  replicas    2, wanted 4, allowed 2 to 10, last scaled 2026-01-31 12:00:15
  metric      cpu: 143 % of 70 %
  metric      lag: unknown of 10 per pod
  condition   AbleToScale True (SucceededRescale): done
  decision    2026-01-31 12:00:15: CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4
    policy         the 100 %/30 s policy allows 4
    event          SuccessfulRescale: New size: 4
  before that
    2026-01-31 12:00:00  2        CPU 69 % of 70 % is within the tolerance; stays at 2 (2 times)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_autoscaler_is_found_by_name_with_and_without_namespace() {
        for name in [None, Some("todo-backend"), Some("todo-app-prod/todo-backend")] {
            assert_eq!(select(&autoscalers(), name, "s").unwrap().len(), 1, "{name:?}");
        }
        let error = select(&autoscalers(), Some("backend"), "s").unwrap_err().to_string();
        assert!(error.contains("hint: those that run there: todo-app-prod/todo-backend"), "{error}");
    }
}
