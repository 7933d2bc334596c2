//! Alerts and groups of alerts.
//!
//! Input: filters; alerts as Prometheus and amtool send them. Output: the alerts that are not over with what becomes of them, alone and in
//! their groups. Of alerts that are sent all that are right are taken, whatever is said of the others.

use super::date_time::written;
use super::postable::PostableAlerts;
use super::reply::Refusal;
use super::source::Source;
use super::{asked, body};
use crate::json::{push_escaped_text, push_labels, push_list, push_text, push_texts_by_name};
use crate::parameters::Parameters;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tidewatch_notify::{AlertProblem, AlertView, GroupView};

/// Bytes an alert takes in JSON, about.
const ALERT_BYTES: usize = 700;

pub(super) async fn list(source: Source, asked: Parameters) -> Result<Response, Refusal> {
    let filter = asked::alerts(&asked)?;
    source
        .read(move |alertmanager| {
            let alerts = alertmanager.alerts(&filter);
            let mut body = Vec::with_capacity(alerts.len() * ALERT_BYTES + 8);
            push_list(&mut body, &alerts, push_alert);
            Ok(body)
        })
        .await
}

pub(super) async fn groups(source: Source, asked: Parameters) -> Result<Response, Refusal> {
    let filter = asked::groups(&asked)?;
    source
        .read(move |alertmanager| {
            let groups = alertmanager.groups(&filter);
            let alerts: usize = groups.iter().map(|group| group.alerts.len()).sum();
            let mut body = Vec::with_capacity((alerts + groups.len()) * ALERT_BYTES + 8);
            push_list(&mut body, &groups, push_group);
            Ok(body)
        })
        .await
}

pub(super) async fn take(source: Source, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let body = body::read(&headers, body, "alerts").await?;
    let take = source.change(move |alertmanager| {
        let text = String::from_utf8_lossy(&body);
        let alerts = body::decode::<PostableAlerts>(&text, "alerts")?.0?;
        let problems = alertmanager.put_alerts(alerts);
        if problems.is_empty() { Ok(None) } else { Err(refusal(&problems)) }
    });
    Ok(take.await)
}

/// What is wrong with alerts, line by line. Where there are only too many, the client may send them again later.
fn refusal(problems: &[AlertProblem]) -> Refusal {
    let is_wrong = problems.iter().any(|problem| problem.invalid);
    let mut lines: Vec<&str> = Vec::new();
    for problem in problems {
        // what is wrong is said of each alert, a limit once
        if problem.invalid || !lines.contains(&problem.message.as_str()) {
            lines.push(&problem.message);
        }
    }
    let status = if is_wrong { StatusCode::BAD_REQUEST } else { StatusCode::TOO_MANY_REQUESTS };
    Refusal::Said(status, lines.join("\n"))
}

fn push_alert(out: &mut Vec<u8>, view: &AlertView) {
    let AlertView { alert, updated_at, fingerprint, receivers, state, .. } = view;
    out.extend_from_slice(b"{\"annotations\":");
    push_texts_by_name(out, alert.annotations.iter(), push_escaped_text);
    let ends_at = written(alert.ends_at);
    out.extend_from_slice(format!(",\"endsAt\":\"{ends_at}\",\"fingerprint\":\"{fingerprint}\"").as_bytes());
    out.extend_from_slice(b",\"receivers\":");
    push_list(out, receivers, |out, name| push_name(out, name, push_escaped_text));
    out.extend_from_slice(format!(",\"startsAt\":\"{}\",\"status\":", written(alert.starts_at)).as_bytes());
    let by = [
        ("{\"inhibitedBy\":", &view.inhibited_by),
        (",\"mutedBy\":", &view.muted_by),
        (",\"silencedBy\":", &view.silenced_by),
    ];
    for (name, texts) in by {
        out.extend_from_slice(name.as_bytes());
        push_list(out, texts, |out, text| push_escaped_text(out, text));
    }
    let (state, updated_at) = (state.as_str(), written(*updated_at));
    out.extend_from_slice(format!(",\"state\":\"{state}\"}},\"updatedAt\":\"{updated_at}\"").as_bytes());
    if !alert.generator_url.is_empty() {
        out.extend_from_slice(b",\"generatorURL\":");
        push_escaped_text(out, &alert.generator_url);
    }
    out.extend_from_slice(b",\"labels\":");
    push_texts_by_name(out, alert.labels.iter(), push_escaped_text);
    out.push(b'}');
}

fn push_group(out: &mut Vec<u8>, group: &GroupView) {
    out.extend_from_slice(b"{\"alerts\":");
    push_list(out, &group.alerts, push_alert);
    out.extend_from_slice(b",\"labels\":");
    push_labels(out, &group.labels);
    out.extend_from_slice(b",\"receiver\":");
    push_name(out, &group.receiver, push_text);
    out.extend_from_slice(b",\"routeLabels\":");
    push_labels(out, &group.route_labels);
    out.push(b'}');
}

fn push_name(out: &mut Vec<u8>, name: &str, push: impl Fn(&mut Vec<u8>, &str)) {
    out.extend_from_slice(b"{\"name\":");
    push(out, name);
    out.push(b'}');
}
