//! One objective: what is promised of which service, over which time.
//!
//! Input: the fields of an entry of a declaration. Output: an [`Objective`]; mistakes go to the report of the fields.

use crate::indicator::{Indicator, checked_selector};
use crate::percentage::Percentage;
use crate::windows::BURNS;
use std::collections::BTreeMap;
use std::time::Duration;
use tidewatch_manifest::reading::{Fields, duration, text, text_map};
use tidewatch_model::is_valid_label_name;

/// Failures below which no alert fires, where a declaration says nothing: docs/slo.md derives it.
const MINIMUM_FAILURES: u32 = 5;

/// The shortest window of an objective: the longest window of an alert.
const SHORTEST_WINDOW: Duration = Duration::from_secs(3 * 86_400);

/// Labels that every series of an objective has.
pub(crate) const OWN_LABELS: [&str; 3] = ["namespace", "service", "slo"];

/// A service level objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Its name, unique in a declaration: the label `slo`.
    pub name: String,
    /// What it promises, in words.
    pub description: String,
    /// The service it is about: the label `service`.
    pub service: String,
    /// The service's namespace: the label `namespace`.
    pub namespace: String,
    /// The share of good events.
    pub objective: Percentage,
    /// The time over which the budget is counted; at least 3 days.
    pub window: Duration,
    /// How events and failures are counted.
    pub indicator: Indicator,
    /// How many events must have failed within an alert's long window for it to fire; at least 1.
    pub minimum_failures: u32,
    /// More labels for its series and alerts.
    pub labels: BTreeMap<String, String>,
}

impl Objective {
    /// Reads one entry; `None` after a mistake that leaves nothing to go on with.
    pub(crate) fn read(fields: &Fields<'_>) -> Option<Self> {
        let name = checked_name(fields);
        let (service, namespace) = (fields.required_text("service"), fields.required_text("namespace"));
        let description = text(fields, "description").unwrap_or_default();
        let objective = read_objective(fields);
        let window = read_window(fields);
        let indicator = read_indicator(fields);
        let minimum_failures =
            fields.number("minimumFailures", 1, i64::from(u32::MAX)).unwrap_or(MINIMUM_FAILURES);
        let labels = read_labels(fields);
        fields.finish_ref();
        let (objective, window, indicator) = (objective?, window?, indicator?);
        Some(Self {
            name,
            description: description.trim().to_owned(),
            service,
            namespace,
            objective,
            window,
            indicator,
            minimum_failures,
            labels,
        })
    }

    /// The labels that tell its series from all others.
    pub(crate) fn identity(&self) -> [(&'static str, &str); 3] {
        [("namespace", &self.namespace), ("service", &self.service), ("slo", &self.name)]
    }

    /// The selector of one of its series.
    pub(crate) fn selector(&self, series: &str) -> String {
        let matchers = self.identity().map(|(name, value)| format!("{name}={value:?}"));
        format!("{series}{{{}}}", matchers.join(", "))
    }
}

fn checked_name(fields: &Fields<'_>) -> String {
    let name = fields.required_text("name");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && (!name.chars().all(plain) || name.starts_with('-') || name.ends_with('-')) {
        fields.wrong(
            "name",
            format!("{name:?} is no valid name"),
            "use lower case letters, digits and '-', e.g. api-availability",
        );
    }
    name
}

fn read_objective(fields: &Fields<'_>) -> Option<Percentage> {
    const HINT: &str =
        "write the percentage of good events, above 0 and below 100, with at most 7 decimals, e.g. 99.5";
    if !fields.has("objective") {
        fields.required_text("objective");
        return None;
    }
    let written = text(fields, "objective")?;
    let Some(objective) = Percentage::parse(&written) else {
        fields.wrong("objective", format!("{written:?} is no percentage of good events"), HINT);
        return None;
    };
    // the fastest burn must be possible: with every event failing, the rate of burning is 1 / budget
    let fastest = BURNS.iter().map(|burn| burn.factor).fold(0.0, f64::max);
    if fastest * objective.rest().ratio() >= 1.0 {
        fields.wrong(
            "objective",
            format!(
                "{}%: even if every event failed, its budget would not burn {fastest} times as fast as allowed",
                objective.percent_text()
            ),
            "an objective needs to be above 93.06% for all of its alerts to be able to fire",
        );
        return None;
    }
    Some(objective)
}

fn read_window(fields: &Fields<'_>) -> Option<Duration> {
    if !fields.has("window") {
        fields.required_text("window");
        return None;
    }
    let window = duration(fields, "window")?;
    let whole_minutes = window.as_millis().is_multiple_of(60_000);
    if window < SHORTEST_WINDOW || !whole_minutes {
        fields.wrong(
            "window",
            "must be whole minutes and at least 3d, the longest window of an alert",
            "write e.g. 7d or 28d, and keep samples at least as long",
        );
        return None;
    }
    Some(window)
}

fn read_indicator(fields: &Fields<'_>) -> Option<Indicator> {
    let (availability, latency) = (fields.section("availability"), fields.section("latency"));
    match (availability, latency) {
        (Some(section), None) => {
            let (total, failed) = (selector(&section, "total"), selector(&section, "failed"));
            section.finish();
            Some(Indicator::Availability { total: total?, failed: failed? })
        }
        (None, Some(section)) => {
            let histogram = selector(&section, "histogram").and_then(|text| histogram(&section, text));
            let threshold = threshold(&section);
            section.finish();
            Some(Indicator::Latency { histogram: histogram?, threshold: threshold? })
        }
        _ => {
            fields.wrong(
                "availability",
                "an objective needs either availability or latency",
                "write availability: {total: …, failed: …} or latency: {histogram: …, threshold: …}",
            );
            None
        }
    }
}

fn selector(fields: &Fields<'_>, key: &'static str) -> Option<String> {
    let text = fields.required_text(key);
    if text.is_empty() {
        return None;
    }
    match checked_selector(&text) {
        Ok(selector) => Some(selector),
        Err((message, hint)) => {
            fields.wrong(key, message, hint);
            None
        }
    }
}

fn histogram(fields: &Fields<'_>, selector: String) -> Option<String> {
    let metric = selector.split('{').next().unwrap_or_default().trim();
    let Some(suffix) = ["_bucket", "_count", "_sum"].into_iter().find(|suffix| metric.ends_with(suffix))
    else {
        return Some(selector);
    };
    let hint = format!("leave {suffix} out");
    fields.wrong("histogram", format!("{metric} is a series of a histogram, not its name"), &hint);
    None
}

fn threshold(fields: &Fields<'_>) -> Option<Duration> {
    if !fields.has("threshold") {
        fields.required_text("threshold");
        return None;
    }
    let threshold = duration(fields, "threshold")?;
    if threshold.is_zero() {
        fields.wrong("threshold", "must be above 0", "write e.g. 500ms: a bound of the histogram's buckets");
        return None;
    }
    Some(threshold)
}

fn read_labels(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let labels = text_map(fields, "labels");
    for name in labels.keys() {
        let taken = OWN_LABELS.contains(&name.as_str()) || ["severity", "alertname"].contains(&name.as_str());
        if taken || name.starts_with("__") || !is_valid_label_name(name) {
            fields.wrong(
                "labels",
                format!("the label {name:?} cannot be set"),
                "use another name: letters, digits and '_'",
            );
        }
    }
    labels
}
