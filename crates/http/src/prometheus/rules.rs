//! `rules`, `alerts` and `alertmanagers`.
//!
//! Input: how the rule groups are doing; `type`, `rule_name[]`, `rule_group[]`, `file[]`, `match[]`, `exclude_alerts`, `group_limit` and
//! `group_next_token`. Output: groups in order of file and name with their rules and alerts, as Prometheus lists them. Without rules the
//! lists are empty.

use crate::Shared;
use crate::error::ApiError;
use crate::parameters::Parameters;
use crate::prometheus::selection::SeriesRange;
use crate::reply::{Encoding, on_blocking_thread, success};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use tidewatch_model::{Labels, Matcher, format_timestamp, hex_digits};
use tidewatch_rules::{
    ActiveAlert, AlertState, AlertingRule, GroupStatus, Rule, RuleGroup, RuleKind, RuleStatus,
};

/// What was asked for.
struct Asked {
    alerting: bool,
    recording: bool,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    matcher_sets: Vec<Vec<Matcher>>,
    exclude_alerts: bool,
    /// At most so many groups, if given.
    most_groups: Option<usize>,
    /// The group to begin with.
    from: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Discovery {
    groups: Vec<Group>,
    #[serde(skip_serializing_if = "String::is_empty")]
    group_next_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    file: String,
    rules: Vec<Listed>,
    interval: f64,
    limit: usize,
    evaluation_time: f64,
    last_evaluation: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Listed {
    Alerting(Box<Alerting>),
    Recording(Box<Recording>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alerting {
    state: &'static str,
    name: String,
    query: String,
    duration: f64,
    keep_firing_for: f64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    alerts: Option<Vec<Alert>>,
    #[serde(flatten)]
    state_of: Evaluated,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recording {
    name: String,
    query: String,
    labels: BTreeMap<String, String>,
    #[serde(flatten)]
    state_of: Evaluated,
    r#type: &'static str,
}

/// How a rule's last evaluation went.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluated {
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    evaluation_time: f64,
    last_evaluation: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: Labels,
    annotations: Labels,
    state: &'static str,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<String>,
    value: String,
}

pub(crate) async fn rules(
    State(shared): State<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let asked = Asked::read(&parameters)?;
    let encoding = Encoding::accepted_by(&headers);
    Ok(on_blocking_thread(move || {
        let groups = shared.state.rules.as_ref().map(|rules| rules.groups()).unwrap_or_default();
        listing(&groups, &asked).map(|listing| success(&listing, encoding))
    })
    .await)
}

pub(crate) async fn alerts(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let encoding = Encoding::accepted_by(&headers);
    on_blocking_thread(move || {
        let groups = shared.state.rules.as_ref().map(|rules| rules.groups()).unwrap_or_default();
        let rules = groups.iter().flat_map(GroupStatus::rules);
        let alerts: Vec<Alert> = rules.flat_map(|(_, status)| &status.alerts).map(Alert::of).collect();
        success(&json!({ "alerts": alerts }), encoding)
    })
    .await
}

pub(crate) async fn alertmanagers(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let known =
        shared.state.alert_targets.as_ref().map(|targets| targets.alertmanagers()).unwrap_or_default();
    let listed = |urls: Vec<String>| urls.into_iter().map(|url| json!({ "url": url })).collect::<Vec<_>>();
    let body = json!({
        "activeAlertmanagers": listed(known.active),
        "droppedAlertmanagers": listed(known.dropped),
    });
    success(&body, Encoding::accepted_by(&headers))
}

impl Asked {
    fn read(parameters: &Parameters) -> Result<Self, ApiError> {
        let matcher_sets = SeriesRange::read(parameters, ApiError::bad_data)?.matcher_sets;
        let kind = parameters.get("type").to_ascii_lowercase();
        if !matches!(kind.as_str(), "" | "alert" | "record") {
            return Err(ApiError::parameter("type", format!("not supported value {kind:?}")));
        }
        let all = |name: &str| parameters.all(name).map(str::to_owned).collect();
        let (most_groups, from) = page(parameters)?;
        Ok(Self {
            alerting: kind != "record",
            recording: kind != "alert",
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            matcher_sets,
            exclude_alerts: exclude_alerts(parameters.get("exclude_alerts"))?,
            most_groups,
            from,
        })
    }

    fn wants_group(&self, group: &RuleGroup) -> bool {
        wanted(&self.groups, &group.name) && wanted(&self.files, &group.file)
    }

    fn wants_rule(&self, rule: &Rule) -> bool {
        let label = |matcher: &Matcher| rule.labels.get(matcher.name()).map_or("", String::as_str);
        let satisfied = |set: &Vec<Matcher>| set.iter().all(|matcher| matcher.matches(label(matcher)));
        let kind = if rule.alerting().is_some() { self.alerting } else { self.recording };
        kind && wanted(&self.names, &rule.name)
            && (self.matcher_sets.is_empty() || self.matcher_sets.iter().any(satisfied))
    }
}

fn wanted(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|one| one == name)
}

/// What Go reads as a boolean.
fn exclude_alerts(text: &str) -> Result<bool, ApiError> {
    match text.to_ascii_lowercase().as_str() {
        "" | "0" | "f" | "false" => Ok(false),
        "1" | "t" | "true" => Ok(true),
        other => {
            let error = format!(
                "error converting exclude_alerts: strconv.ParseBool: parsing {other:?}: invalid syntax"
            );
            Err(ApiError::parameter("exclude_alerts", error))
        }
    }
}

/// `group_limit` and `group_next_token`.
fn page(parameters: &Parameters) -> Result<(Option<usize>, String), ApiError> {
    let (limit, token) = (parameters.get("group_limit"), parameters.get("group_next_token"));
    if limit.is_empty() {
        if token.is_empty() {
            return Ok((None, String::new()));
        }
        let error = "group_limit needs to be present in order to paginate over the groups";
        return Err(ApiError::parameter("group_next_token", error));
    }
    let refused = |error: String| ApiError::parameter("group_limit", error);
    let number: i32 = limit.parse().map_err(|_| {
        refused(format!(
            "group_limit needs to be a valid number: strconv.ParseInt: parsing {limit:?}: invalid syntax"
        ))
    })?;
    match usize::try_from(number) {
        Ok(most) if most > 0 => Ok((Some(most), token.to_owned())),
        _ => Err(refused("group_limit needs to be greater than 0".to_owned())),
    }
}

/// How a page's end names the group that comes next; opaque to clients.
fn token_of(group: &RuleGroup) -> String {
    group.key().bytes().flat_map(hex_digits).map(char::from).collect()
}

fn listing(groups: &[GroupStatus], asked: &Asked) -> Result<Discovery, ApiError> {
    let begin = if asked.from.is_empty() {
        0
    } else {
        groups.iter().position(|status| token_of(&status.group) == asked.from).ok_or_else(|| {
            let error = format!("invalid group_next_token '{}'. were rule groups changed?", asked.from);
            ApiError::parameter("group_next_token", error)
        })?
    };
    let mut found = Discovery { groups: Vec::new(), group_next_token: String::new() };
    for status in groups.iter().skip(begin).filter(|status| asked.wants_group(&status.group)) {
        let rules = status.rules().filter(|(rule, _)| asked.wants_rule(rule));
        let rules: Vec<Listed> = rules.map(|(rule, state)| Listed::of(rule, state, asked)).collect();
        if rules.is_empty() {
            continue;
        }
        if asked.most_groups.is_some_and(|most| found.groups.len() == most) {
            found.group_next_token = token_of(&status.group);
            break;
        }
        let group = &status.group;
        found.groups.push(Group {
            name: group.name.clone(),
            file: group.file.clone(),
            rules,
            interval: group.interval.as_secs_f64(),
            limit: group.limit,
            evaluation_time: status.evaluation_time.as_secs_f64(),
            last_evaluation: time(status.last_evaluation),
        });
    }
    Ok(found)
}

impl Listed {
    fn of(rule: &Rule, status: &RuleStatus, asked: &Asked) -> Self {
        let (name, query, labels) = (rule.name.clone(), rule.query.clone(), rule.labels.clone());
        let state_of = Evaluated {
            health: status.health.name(),
            last_error: status.last_error.clone(),
            evaluation_time: status.evaluation_time.as_secs_f64(),
            last_evaluation: time(status.last_evaluation),
        };
        match &rule.kind {
            RuleKind::Recording => {
                Self::Recording(Box::new(Recording { name, query, labels, state_of, r#type: "recording" }))
            }
            RuleKind::Alerting(alerting) => {
                let AlertingRule { hold_for, keep_firing_for, annotations, .. } = &**alerting;
                let alerts = status.alerts.iter().map(Alert::of).collect();
                Self::Alerting(Box::new(Alerting {
                    state: status.state.map_or(AlertState::Unknown, |state| state).name(),
                    name,
                    query,
                    duration: hold_for.as_secs_f64(),
                    keep_firing_for: keep_firing_for.as_secs_f64(),
                    labels,
                    annotations: annotations.clone(),
                    alerts: (!asked.exclude_alerts).then_some(alerts),
                    state_of,
                    r#type: "alerting",
                }))
            }
        }
    }
}

impl Alert {
    fn of(alert: &ActiveAlert) -> Self {
        Self {
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            state: alert.state.name(),
            active_at: format_timestamp(alert.active_at),
            keep_firing_since: alert.keep_firing_since.map(format_timestamp),
            value: scientific(alert.value),
        }
    }
}

/// A time, or Go's for none.
fn time(milliseconds: Option<i64>) -> String {
    milliseconds.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), format_timestamp)
}

/// A number as Go's `%e` in its shortest form has it: `3e+00`, `1.25e-07`.
fn scientific(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (value, text) in [
            (3.0, "3e+00"),
            (0.0, "0e+00"),
            (-0.000_000_125, "-1.25e-07"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(scientific(value), text);
        }
    }
}
