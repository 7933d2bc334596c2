//! What templates of notifications see as `.`: Alertmanager's Data, with its lists of alerts and its maps of labels.
//!
//! Input: a [`Notification`]. Output: objects whose parts are made when a template asks for them, since there may be many alerts.

use crate::{AlertStatus, Notification, NotifiedAlert};
use std::sync::Arc;
use tidewatch_model::Labels;
use tidewatch_template::{Map, Moment, Object, Value, ZERO_TIME, print_value};

const ALERT_NAME: &str = "alertname";

/// The data of a notification.
pub(super) fn of(notification: &Notification, external_url: &str) -> Value {
    let mut notification = notification.clone();
    let alerts = notification.alerts.drain(..).map(|alert| Arc::new(Alert(alert))).collect();
    if notification.external_url.is_empty() {
        external_url.clone_into(&mut notification.external_url);
    }
    Value::Object(Arc::new(Data { notification, alerts }))
}

/// A notification, its alerts apart.
#[derive(Debug)]
struct Data {
    notification: Notification,
    alerts: Vec<Arc<Alert>>,
}

#[derive(Debug)]
struct Alert(NotifiedAlert);

#[derive(Debug)]
struct Alerts(Arc<[Value]>, Vec<Arc<Alert>>);

/// Labels or annotations.
#[derive(Debug)]
struct Kv(Map);

#[derive(Debug)]
struct Pair(Value, Value);

#[derive(Debug)]
struct Pairs(Arc<[Value]>, Kv);

#[derive(Debug)]
struct Strings(Arc<[Value]>);

fn object(object: impl Object + 'static) -> Value {
    Value::Object(Arc::new(object))
}

fn plain(name: &str, value: Value, arguments: &[Value]) -> Result<Value, String> {
    if arguments.is_empty() { Ok(value) } else { Err(format!("{name} is not a method but has arguments")) }
}

impl Data {
    /// What all alerts have alike.
    fn shared(&self, of: impl Fn(&NotifiedAlert) -> &Labels) -> Labels {
        let Some((first, rest)) = self.alerts.split_first() else { return Labels::empty() };
        let alike = |(name, value): &(&str, &str)| {
            rest.iter().all(|alert| of(&alert.0).get(name).unwrap_or_default() == *value)
        };
        Labels::from_pairs(of(&first.0).iter().filter(alike))
    }

    fn status(&self) -> &'static str {
        let fires = self.alerts.iter().any(|alert| alert.0.status == AlertStatus::Firing);
        if fires { "firing" } else { "resolved" }
    }
}

impl Object for Data {
    fn type_name(&self) -> &'static str {
        "*template.Data"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let notification = &self.notification;
        let value = match name {
            "Receiver" => Value::from(quoted_meta(&notification.receiver)),
            "Status" => Value::text(self.status()),
            "Alerts" => {
                let values = self.alerts.iter().map(|alert| Value::Object(Arc::clone(alert) as _)).collect();
                object(Alerts(values, self.alerts.clone()))
            }
            "NotificationReason" => Value::text(notification.reason.as_str()),
            "GroupLabels" => kv(&notification.group_labels),
            "CommonLabels" => kv(&self.shared(|alert| &alert.labels)),
            "CommonAnnotations" => kv(&self.shared(|alert| &alert.annotations)),
            "RouteLabels" => kv(&notification.route_labels),
            "ExternalURL" => Value::text(&notification.external_url),
            _ => return None,
        };
        Some(plain(name, value, arguments))
    }

    fn print(&self) -> String {
        let names = [
            "Receiver",
            "Status",
            "Alerts",
            "NotificationReason",
            "GroupLabels",
            "CommonLabels",
            "CommonAnnotations",
            "RouteLabels",
            "ExternalURL",
        ];
        // Go shows that the route's labels are rendered already
        format!("&{{{} true}}", printed(self, &names))
    }
}

/// Members with spaces between them.
fn printed(object: &dyn Object, names: &[&str]) -> String {
    let values = names.iter().filter_map(|name| object.member(name, &[])).flatten();
    values.map(|value| print_value(&value)).collect::<Vec<_>>().join(" ")
}

/// A text that a regular expression takes literally.
fn quoted_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        if r"\.+*?()|[]{}^$".contains(one) {
            out.push('\\');
        }
        out.push(one);
    }
    out
}

impl Object for Alert {
    fn type_name(&self) -> &'static str {
        "template.Alert"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let alert = &self.0;
        let value = match name {
            "Status" => Value::text(alert.status.as_str()),
            "Labels" => kv(&alert.labels),
            "Annotations" => kv(&alert.annotations),
            "StartsAt" => Moment(alert.starts_at).into(),
            "EndsAt" => Moment(if alert.ends_at == 0 { ZERO_TIME } else { alert.ends_at }).into(),
            "GeneratorURL" => Value::text(&alert.generator_url),
            "Fingerprint" => Value::text(&alert.fingerprint),
            _ => return None,
        };
        Some(plain(name, value, arguments))
    }

    fn print(&self) -> String {
        let names = ["Status", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint"];
        format!("{{{}}}", printed(self, &names))
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
        let all = self.0.iter().zip(&self.1).filter(|(_, alert)| alert.0.status == wanted);
        Some(Ok(Value::list(all.map(|(value, _)| value.clone()))))
    }

    fn print(&self) -> String {
        print_value(&Value::List(Arc::clone(&self.0)))
    }

    fn elements(&self) -> Option<Arc<[Value]>> {
        Some(Arc::clone(&self.0))
    }
}

fn kv(labels: &Labels) -> Value {
    let entries = labels.iter().map(|(name, value)| (name.into(), Value::text(value))).collect();
    object(Kv(Map { entries, zero: Value::text("") }))
}

impl Kv {
    /// The pairs in order of their names, `alertname` first.
    fn pairs(&self) -> Arc<[Value]> {
        let of =
            |(name, value): (&Arc<str>, &Value)| object(Pair(Value::Text(Arc::clone(name)), value.clone()));
        let first = self.0.entries.get_key_value(ALERT_NAME);
        let others = self.0.entries.iter().filter(|(name, _)| &***name != ALERT_NAME);
        first.into_iter().chain(others).map(of).collect()
    }

    fn removed(&self, names: &Value) -> Result<Value, String> {
        let names = texts_of(names)?;
        let kept = self.0.entries.iter().filter(|(name, _)| !names.iter().any(|gone| **gone == ***name));
        let entries = kept.map(|(name, value)| (Arc::clone(name), value.clone())).collect();
        Ok(object(Self(Map { entries, zero: self.0.zero.clone() })))
    }
}

impl Object for Kv {
    fn type_name(&self) -> &'static str {
        "template.KV"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let pairs = || Pairs(self.pairs(), Self(self.0.clone()));
        match (name, arguments) {
            ("SortedPairs", []) => Some(Ok(object(pairs()))),
            ("Names" | "Values", []) => pairs().member(name, &[]),
            ("String", []) => Some(Ok(Value::from(self.print()))),
            ("Remove", [names]) => Some(self.removed(names)),
            ("SortedPairs" | "Names" | "Values" | "String" | "Remove", arguments) => {
                let want = usize::from(name == "Remove");
                Some(Err(format!("wrong number of args for {name}: want {want} got {}", arguments.len())))
            }
            _ => None,
        }
    }

    fn print(&self) -> String {
        let first = self.0.entries.get_key_value(ALERT_NAME);
        let others = self.0.entries.iter().filter(|(name, _)| &***name != ALERT_NAME);
        let shown = |(name, value): (&Arc<str>, &Value)| format!("{name}={}", print_value(value));
        first.into_iter().chain(others).map(shown).collect::<Vec<_>>().join(", ")
    }

    fn entries(&self) -> Option<&Map> {
        Some(&self.0)
    }
}

impl Object for Pair {
    fn type_name(&self) -> &'static str {
        "template.Pair"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Name" => self.0.clone(),
            "Value" => self.1.clone(),
            _ => return None,
        };
        Some(plain(name, value, arguments))
    }

    fn print(&self) -> String {
        format!("{{{} {}}}", print_value(&self.0), print_value(&self.1))
    }
}

impl Object for Pairs {
    fn type_name(&self) -> &'static str {
        "template.Pairs"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        let field = match name {
            "Names" => "Name",
            "Values" => "Value",
            "String" => return Some(Ok(Value::from(self.print()))),
            _ => return None,
        };
        let of = |pair: &Value| match pair {
            Value::Object(pair) => pair.member(field, &[]).and_then(Result::ok).unwrap_or_default(),
            _ => Value::Nil,
        };
        Some(Ok(object(Strings(self.0.iter().map(of).collect()))))
    }

    fn print(&self) -> String {
        self.1.print()
    }

    fn elements(&self) -> Option<Arc<[Value]>> {
        Some(Arc::clone(&self.0))
    }
}

impl Object for Strings {
    fn type_name(&self) -> &'static str {
        "template.Strings"
    }

    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match (name, arguments) {
            ("Join", [Value::Text(separator)]) => {
                let list = Value::List(Arc::clone(&self.0));
                Some(texts_of(&list).map(|texts| Value::from(texts.join(separator))))
            }
            ("Join", _) => Some(Err("wrong type or number of args for Join: want a string".to_owned())),
            _ => None,
        }
    }

    fn print(&self) -> String {
        print_value(&Value::List(Arc::clone(&self.0)))
    }

    fn elements(&self) -> Option<Arc<[Value]>> {
        Some(Arc::clone(&self.0))
    }
}

/// A list of texts.
pub(super) fn texts_of(value: &Value) -> Result<Vec<Arc<str>>, String> {
    let wrong = || format!("wrong type for value; expected []string; got {}", value.type_name());
    let list = match value {
        Value::List(list) => Some(Arc::clone(list)),
        Value::Object(object) => object.elements(),
        _ => None,
    };
    let text = |value: &Value| match value {
        Value::Text(text) => Ok(Arc::clone(text)),
        _ => Err(wrong()),
    };
    list.ok_or_else(wrong)?.iter().map(text).collect()
}
