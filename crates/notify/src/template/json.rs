//! `toJson`: a value as Go's `encoding/json` writes it.
//!
//! Input: a template's value. Output: text. Alerts, pairs and the data have the keys that Alertmanager's structs have.

use crate::receivers::go_json;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use tidewatch_template::{Moment, Object, Value};

/// The value as JSON.
///
/// # Errors
/// When a number has no JSON form.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    check(value)?;
    let mut bytes = go_json::encode(&Json(value));
    bytes.pop();
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn check(value: &Value) -> Result<(), String> {
    match value {
        Value::Float(number) if !number.is_finite() => {
            let shown = tidewatch_template::print_value(value);
            Err(format!("json: unsupported value: {shown}"))
        }
        Value::List(list) => list.iter().try_for_each(check),
        Value::Map(map) => map.entries.values().try_for_each(check),
        _ => Ok(()),
    }
}

/// The keys of a struct and the members behind them, in Go's order.
fn keys(type_name: &str) -> &'static [(&'static str, &'static str)] {
    match type_name {
        "template.Alert" => &[
            ("status", "Status"),
            ("labels", "Labels"),
            ("annotations", "Annotations"),
            ("startsAt", "StartsAt"),
            ("endsAt", "EndsAt"),
            ("generatorURL", "GeneratorURL"),
            ("fingerprint", "Fingerprint"),
        ],
        "*template.Data" => &[
            ("receiver", "Receiver"),
            ("status", "Status"),
            ("alerts", "Alerts"),
            ("notification_reason", "NotificationReason"),
            ("groupLabels", "GroupLabels"),
            ("commonLabels", "CommonLabels"),
            ("commonAnnotations", "CommonAnnotations"),
            ("routeLabels", "RouteLabels"),
            ("externalURL", "ExternalURL"),
        ],
        "template.Pair" => &[("Name", "Name"), ("Value", "Value")],
        _ => &[],
    }
}

struct Json<'a>(&'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(text) | Value::Html(text) => serializer.serialize_str(text),
            Value::List(list) => sequence(list, serializer),
            Value::Map(map) => entries(map.entries.iter().map(|(name, value)| (&**name, value)), serializer),
            Value::Object(object) => of_object(&**object, serializer),
        }
    }
}

fn sequence<S: Serializer>(list: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(list.len()))?;
    for value in list {
        sequence.serialize_element(&Json(value))?;
    }
    sequence.end()
}

fn entries<'a, S: Serializer>(
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in entries {
        map.serialize_entry(name, &Json(value))?;
    }
    map.end()
}

fn of_object<S: Serializer>(object: &dyn Object, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(map) = object.entries() {
        return entries(map.entries.iter().map(|(name, value)| (&**name, value)), serializer);
    }
    if let Some(list) = object.elements() {
        return sequence(&list, serializer);
    }
    match (object.type_name(), object.member("UnixMilli", &[]), object.member("Nanoseconds", &[])) {
        ("time.Time", Some(Ok(Value::Int(time))), _) => {
            serializer.serialize_str(&Moment(time).format("2006-01-02T15:04:05.999999999Z07:00"))
        }
        ("time.Duration", _, Some(Ok(Value::Int(nanoseconds)))) => serializer.serialize_i64(nanoseconds),
        (type_name, ..) => {
            let mut map = serializer.serialize_map(None)?;
            for (key, member) in keys(type_name) {
                if let Some(Ok(value)) = object.member(member, &[]) {
                    map.serialize_entry(key, &Json(&value))?;
                }
            }
            map.end()
        }
    }
}
