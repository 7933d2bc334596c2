//! What templates see of a notification: Alertmanager's `Data`.
//!
//! Input: a [`Notification`]. Output: values with the fields and methods of Alertmanager's template reference.

use crate::{AlertStatus, Notification, NotifiedAlert};
use serde_json::json;
use std::sync::Arc;
use tidewatch_model::{Labels, LabelsBuilder};
use tidewatch_template::{Map, Moment, Object, Value, ZERO_TIME, print_value};

/// Names with values.
#[derive(Debug)]
struct KeyValues {
    map: Map,
}

/// Names with values in order.
#[derive(Debug)]
struct Pairs(Vec<(Arc<str>, Value)>);

/// A name and its value.
#[derive(Debug)]
struct Pair(Arc<str>, Value);

/// Texts.
#[derive(Debug)]
struct Strings(Arc<[Value]>);

/// Alerts.
#[derive(Debug)]
struct Alerts(Vec<(AlertStatus, Value)>);

/// An alert.
#[derive(Debug)]
struct Alert {
    alert: NotifiedAlert,
    labels: Value,
    annotations: Value,
}

/// The notification as templates see it.
pub(super) fn data_of(notification: &Notification, external_url: &str) -> Value {
    let alerts = &notification.alerts;
    let fires = alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
    let alert = |alert: &NotifiedAlert| {
        let (labels, annotations) = (key_values(&alert.labels), key_values(&alert.annotations));
        let shown = Alert { alert: alert.clone(), labels, annotations };
        (alert.status, Value::Object(Arc::new(shown)))
    };
    Value::map([
        ("Receiver", Value::from(regex::escape(&notification.receiver))),
        ("Status", Value::text(if fires { "firing" } else { "resolved" })),
        ("Alerts", Value::Object(Arc::new(Alerts(alerts.iter().map(alert).collect())))),
        ("NotificationReason", Value::text(notification.reason.as_str())),
        ("GroupLabels", key_values(&notification.group_labels)),
        ("CommonLabels", key_values(&common(alerts.iter().map(|alert| &alert.labels)))),
        ("CommonAnnotations", key_values(&common(alerts.iter().map(|alert| &alert.annotations)))),
        ("RouteLabels", key_values(&notification.route_labels)),
        ("ExternalURL", Value::text(external_url)),
    ])
}

/// The labels that all have.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = all.next() else { return Labels::empty() };
    let mut shared: Vec<(&str, &str)> = first.iter().collect();
    for labels in all {
        shared.retain(|(name, value)| labels.get(name) == Some(*value));
    }
    let mut builder = LabelsBuilder::default();
    shared.iter().for_each(|(name, value)| _ = builder.set(*name, *value));
    builder.build()
}

fn key_values(labels: &Labels) -> Value {
    let entries = labels.iter().map(|(name, value)| (name.into(), Value::text(value))).collect();
    Value::Object(Arc::new(KeyValues { map: Map { entries, zero: Value::text("") } }))
}

fn strings(texts: impl Iterator<Item = Value>) -> Value {
    Value::Object(Arc::new(Strings(texts.collect())))
}

impl KeyValues {
    /// `alertname` first, the others by name.
    fn sorted(&self) -> Vec<(Arc<str>, Value)> {
        let mut pairs: Vec<_> =
            self.map.entries.iter().map(|(name, value)| (Arc::clone(name), value.clone())).collect();
        pairs.sort_by_key(|(name, _)| &**name != "alertname");
        pairs
    }
}

impl Object for KeyValues {
    fn type_name(&self) -> &'static str {
        "template.KV"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let pairs = || Pairs(self.sorted());
        match (name, arguments) {
            ("SortedPairs", []) => Some(Ok(Value::Object(Arc::new(pairs())))),
            ("Names" | "Values", []) => pairs().member(name, &[]),
            ("String", []) => Some(Ok(Value::from(self.print()))),
            ("Remove", [names]) => Some(texts_of(names).map(|names| {
                let kept =
                    self.map.entries.iter().filter(|(name, _)| !names.iter().any(|gone| **gone == ***name));
                let entries = kept.map(|(name, value)| (Arc::clone(name), value.clone())).collect();
                Value::Object(Arc::new(Self { map: Map { entries, zero: Value::text("") } }))
            })),
            ("SortedPairs" | "Names" | "Values" | "String" | "Remove", given) => {
                let want = usize::from(name == "Remove");
                Some(Err(format!("wrong number of args for {name}: want {want} got {}", given.len())))
            }
            _ => None,
        }
    }

    fn print(&self) -> String {
        Pairs(self.sorted()).print()
    }

    fn entries(&self) -> Option<&Map> {
        Some(&self.map)
    }

    fn to_json(&self) -> Option<String> {
        let entries = self.map.entries.iter();
        let object: serde_json::Map<String, serde_json::Value> = entries
            .map(|(name, value)| (name.to_string(), value.as_text().unwrap_or_default().into()))
            .collect();
        Some(json!(object).to_string())
    }
}

impl Object for Pairs {
    fn type_name(&self) -> &'static str {
        "template.Pairs"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Names" => strings(self.0.iter().map(|(name, _)| Value::Text(Arc::clone(name)))),
            "Values" => strings(self.0.iter().map(|(_, value)| value.clone())),
            "String" => Value::from(self.print()),
            _ => return None,
        };
        Some(match arguments.len() {
            0 => Ok(value),
            got => Err(format!("wrong number of args for {name}: want 0 got {got}")),
        })
    }

    fn print(&self) -> String {
        let shown = self.0.iter().map(|(name, value)| format!("{name}={}", print_value(value)));
        shown.collect::<Vec<_>>().join(", ")
    }

    fn elements(&self) -> Option<Arc<[Value]>> {
        let pair = |(name, value): &(Arc<str>, Value)| {
            Value::Object(Arc::new(Pair(Arc::clone(name), value.clone())))
        };
        Some(self.0.iter().map(pair).collect())
    }
}

impl Object for Pair {
    fn type_name(&self) -> &'static str {
        "template.Pair"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Name" => Some(Ok(Value::Text(Arc::clone(&self.0)))),
            "Value" => Some(Ok(self.1.clone())),
            _ => None,
        }
    }

    fn print(&self) -> String {
        format!("{{{} {}}}", self.0, print_value(&self.1))
    }
}

impl Object for Strings {
    fn type_name(&self) -> &'static str {
        "template.Strings"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        (name == "String").then(|| Ok(Value::from(self.print())))
    }

    fn print(&self) -> String {
        self.0.iter().map(print_value).collect::<Vec<_>>().join(", ")
    }

    fn elements(&self) -> Option<Arc<[Value]>> {
        Some(Arc::clone(&self.0))
    }

    fn to_json(&self) -> Option<String> {
        Some(json!(self.0.iter().map(print_value).collect::<Vec<_>>()).to_string())
    }
}

impl Object for Alerts {
    fn type_name(&self) -> &'static str {
        "template.Alerts"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        let wanted = match name {
            "Firing" => AlertStatus::Firing,
            "Resolved" => AlertStatus::Resolved,
            _ => return None,
        };
        let chosen = self.0.iter().filter(|(status, _)| *status == wanted).map(|(_, alert)| alert.clone());
        Some(Ok(Value::list(chosen)))
    }

    fn print(&self) -> String {
        let shown = self.0.iter().map(|(_, alert)| print_value(alert));
        format!("[{}]", shown.collect::<Vec<_>>().join(" "))
    }

    fn elements(&self) -> Option<Arc<[Value]>> {
        Some(self.0.iter().map(|(_, alert)| alert.clone()).collect())
    }

    fn to_json(&self) -> Option<String> {
        let list: Option<Vec<String>> = self.0.iter().map(|(_, alert)| json_of(alert)).collect();
        Some(format!("[{}]", list?.join(",")))
    }
}

fn json_of(value: &Value) -> Option<String> {
    match value {
        Value::Object(object) => object.to_json(),
        _ => None,
    }
}

impl Object for Alert {
    fn type_name(&self) -> &'static str {
        "template.Alert"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        let NotifiedAlert { status, starts_at, ends_at, generator_url, fingerprint, .. } = &self.alert;
        Some(Ok(match name {
            "Status" => Value::text(status.as_str()),
            "Labels" => self.labels.clone(),
            "Annotations" => self.annotations.clone(),
            "StartsAt" => Moment(*starts_at).into(),
            "EndsAt" => Moment(if *ends_at == 0 { ZERO_TIME } else { *ends_at }).into(),
            "GeneratorURL" => Value::text(generator_url),
            "Fingerprint" => Value::text(fingerprint),
            _ => return None,
        }))
    }

    fn print(&self) -> String {
        let names = ["Status", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint"];
        let shown = names.iter().filter_map(|name| self.member(name, &[])).flatten();
        format!("{{{}}}", shown.map(|value| print_value(&value)).collect::<Vec<_>>().join(" "))
    }

    fn to_json(&self) -> Option<String> {
        let time = |milliseconds: i64| Moment(milliseconds).format("2006-01-02T15:04:05.999999999Z07:00");
        let alert = &self.alert;
        let labels = |labels: &Labels| {
            let pairs = labels.iter().map(|(name, value)| (name.to_owned(), value.into()));
            pairs.collect::<serde_json::Map<String, serde_json::Value>>()
        };
        let ends_at = if alert.ends_at == 0 { ZERO_TIME } else { alert.ends_at };
        let shown = json!({
            "status": alert.status.as_str(), "labels": labels(&alert.labels), "annotations": labels(&alert.annotations),
            "startsAt": time(alert.starts_at), "endsAt": time(ends_at),
            "generatorURL": alert.generator_url, "fingerprint": alert.fingerprint,
        });
        Some(shown.to_string())
    }
}

/// The texts of a list.
pub(super) fn texts_of(value: &Value) -> Result<Vec<Arc<str>>, String> {
    let wrong = || format!("wrong type for value; expected []string; got {}", value.type_name());
    let elements: Arc<[Value]> = match value {
        Value::List(list) => Arc::clone(list),
        Value::Object(object) => object.elements().ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    elements
        .iter()
        .map(|element| match element {
            Value::Text(text) => Ok(Arc::clone(text)),
            _ => Err(wrong()),
        })
        .collect()
}
