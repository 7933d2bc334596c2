//! The objectives that a set of rules keeps, as a server tells them.
//!
//! Input: loaded rules, wherever they came from: only a rule that records [`INFO`] is needed to know of an objective, so
//! the generated PrometheusRule is the one file that is deployed. Output: [`Slo`]s that serialise to the API's JSON.

use crate::indicator::SloKind;
use crate::recordings::{BUDGET_REMAINING, ERROR_RATIO, INFO};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use tidewatch_manifest::Rule;
use tidewatch_model::parse_duration;

/// A rule as far as objectives are concerned.
#[derive(Clone, Copy, Debug)]
pub struct RuleView<'a> {
    /// The series that it records.
    pub record: Option<&'a str>,
    /// The alert that it raises.
    pub alert: Option<&'a str>,
    /// The rule's own labels.
    pub labels: &'a BTreeMap<String, String>,
    /// An alert's annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a Rule> for RuleView<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self {
            record: rule.record.as_deref(),
            alert: rule.alert.as_deref(),
            labels: &rule.labels,
            annotations: &rule.annotations,
        }
    }
}

/// An objective and where its numbers are.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Slo {
    /// Its name.
    pub name: String,
    /// The namespace of its service.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The share of good events that is promised, from 0 to 1.
    pub objective: f64,
    /// The time over which the budget is counted, as Prometheus writes durations.
    pub window: String,
    /// What is measured.
    pub kind: SloKind,
    /// Seconds above which an event is bad, of a latency objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// PromQL of its series.
    pub series: SloSeries,
    /// The names of its alerts.
    pub alerts: Vec<String>,
    /// What to do when its budget burns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
    /// What it promises, in words.
    pub description: String,
}

/// PromQL that answers with one series each.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SloSeries {
    /// The share of events that failed, over the objective's window.
    pub sli_error: String,
    /// The share of the budget that is left; negative when more is used.
    pub error_budget_remaining: String,
    /// How many times faster than allowed the budget burns, by window from the shortest.
    #[serde(serialize_with = "as_map")]
    pub burn_rate: Vec<(String, String)>,
}

fn as_map<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// The objectives of rules, in their order. `external_url` is what `{{ $externalURL }}` stands for in a runbook's address,
/// without a slash at the end.
pub fn slos_of(rules: &[RuleView<'_>], external_url: &str) -> Vec<Slo> {
    let infos = rules.iter().filter(|rule| rule.record == Some(INFO));
    infos.filter_map(|info| slo(info.labels, rules, external_url)).collect()
}

fn slo(info: &BTreeMap<String, String>, rules: &[RuleView<'_>], external_url: &str) -> Option<Slo> {
    let identity = identity(info)?;
    let own: Vec<&RuleView<'_>> =
        rules.iter().filter(|rule| self::identity(rule.labels) == Some(identity)).collect();
    let objective: f64 = info.get("objective")?.parse().ok().filter(|ratio| (0.0..1.0).contains(ratio))?;
    let window = info.get("window").filter(|text| parse_duration(text).is_ok())?.clone();
    let kind = match info.get("kind")?.as_str() {
        "availability" => SloKind::Availability,
        "latency" => SloKind::Latency,
        _ => return None,
    };
    let [namespace, service, name] = identity;
    let select =
        |series: &str| format!("{series}{{namespace={namespace:?}, service={service:?}, slo={name:?}}}");
    let budget = select("slo:error_budget:ratio");
    let mut windows: Vec<&str> =
        own.iter().filter_map(|rule| rule.record?.strip_prefix(ERROR_RATIO)).collect();
    windows.sort_by_key(|window| parse_duration(window).unwrap_or_default());
    let burn = |window: &&str| {
        ((*window).to_owned(), format!("{} / {budget}", select(&format!("{ERROR_RATIO}{window}"))))
    };
    let runbook = own.iter().find_map(|rule| rule.alert.and(rule.annotations.get("runbook_url")));
    Some(Slo {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        objective,
        kind,
        threshold: info.get("threshold").and_then(|text| text.parse().ok()),
        series: SloSeries {
            sli_error: select(&format!("{ERROR_RATIO}{window}")),
            error_budget_remaining: select(BUDGET_REMAINING),
            burn_rate: windows.iter().map(burn).collect(),
        },
        window,
        alerts: own.iter().filter_map(|rule| rule.alert.map(str::to_owned)).collect(),
        runbook_url: runbook.map(|url| url.replace("{{ $externalURL }}", external_url)),
        description: info.get("description").cloned().unwrap_or_default(),
    })
}

/// Namespace, service and name.
fn identity(labels: &BTreeMap<String, String>) -> Option<[&str; 3]> {
    let of = |name: &str| labels.get(name).map(String::as_str);
    Some([of("namespace")?, of("service")?, of("slo")?])
}
