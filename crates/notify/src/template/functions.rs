//! The functions of Alertmanager's templates.
//!
//! Input: a name and arguments, and the notification for its time and route labels. Output: values, with Go's complaints.

use super::data::texts_of;
use crate::Notification;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use regex::Regex;
use tidewatch_model::percent_decoded;
use tidewatch_template::{Calls, Map, Moment, Span, Value, humanize_duration, print_value, title};

/// Their names.
const NAMES: [&str; 23] = [
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "join",
    "match",
    "safeHtml",
    "safeUrl",
    "urlUnescape",
    "reReplaceAll",
    "stringSlice",
    "routeLabels",
    "date",
    "tz",
    "now",
    "since",
    "humanizeDuration",
    "toJson",
    "base64encode",
    "base64decode",
    "list",
    "append",
    "dict",
];

/// Whether templates of notifications have a function of this name.
pub(super) fn is_function(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What the functions of one execution know.
pub(super) struct Functions<'a> {
    pub(super) notification: &'a Notification,
}

impl Calls for Functions<'_> {
    fn has(&self, name: &str) -> bool {
        is_function(name)
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (name, arguments) {
            ("join", [separator, list]) => Ok(Value::from(texts_of(list)?.join(text(separator)?))),
            ("stringSlice", texts) => {
                texts.iter().try_for_each(|one| text(one).map(drop))?;
                Ok(Value::list(texts.iter().cloned()))
            }
            ("date", [layout, time]) => Ok(Value::from(moment(time)?.format(text(layout)?))),
            ("tz", [zone, time]) => match text(zone)? {
                "" | "UTC" | "Etc/UTC" => Ok(moment(time)?.into()),
                other => Err(format!("unknown time zone {other}")),
            },
            ("now", []) => Ok(Moment(self.notification.now_ms).into()),
            ("since", [time]) => {
                let milliseconds = self.notification.now_ms.saturating_sub(moment(time)?.0);
                Ok(Span(milliseconds.saturating_mul(1_000_000)).into())
            }
            ("humanizeDuration", [value]) => humanize_duration(value).map(Value::from),
            ("routeLabels", [name]) => {
                let value = self.notification.route_labels.get(text(name)?).unwrap_or_default();
                Ok(Value::text(value))
            }
            ("toJson", [value]) => json(value).map(Value::from),
            ("list", values) => Ok(Value::list(values.iter().cloned())),
            ("append", [Value::List(list), values @ ..]) => {
                Ok(Value::list(list.iter().chain(values).cloned()))
            }
            ("dict", values) => dict(values),
            (name, arguments) => of_texts(name, arguments),
        }
    }
}

fn text(value: &Value) -> Result<&str, String> {
    let wrong = || format!("wrong type for value; expected string; got {}", value.type_name());
    value.as_text().ok_or_else(wrong)
}

fn moment(value: &Value) -> Result<Moment, String> {
    let wrong = || format!("wrong type for value; expected time.Time; got {}", value.type_name());
    match value {
        Value::Object(object) if object.type_name() == "time.Time" => match object.member("UnixMilli", &[]) {
            Some(Ok(Value::Int(milliseconds))) => Ok(Moment(milliseconds)),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn of_texts(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let texts: Vec<&str> = arguments.iter().map(text).collect::<Result<_, _>>()?;
    let shown = match (name, &texts[..]) {
        ("toUpper", [text]) => text.to_uppercase(),
        ("toLower", [text]) => text.to_lowercase(),
        ("title", [text]) => title(text, true),
        ("trimSpace", [text]) => text.trim().to_owned(),
        ("match", [pattern, text]) => return Ok(Value::Bool(regex(pattern)?.is_match(text))),
        ("reReplaceAll", [pattern, replacement, text]) => {
            regex(pattern)?.replace_all(text, *replacement).into_owned()
        }
        ("safeHtml" | "safeUrl", [text]) => return Ok(Value::Html((*text).into())),
        ("urlUnescape", [text]) => {
            let decoded = percent_decoded(text.as_bytes(), true);
            let decoded = decoded.ok_or_else(|| format!("invalid URL escape in {text:?}"))?;
            String::from_utf8_lossy(&decoded).into_owned()
        }
        ("base64encode", [text]) => URL_SAFE.encode(text),
        ("base64decode", [text]) => {
            let decoded = URL_SAFE.decode(text).map_err(|_| "illegal base64 data".to_owned())?;
            String::from_utf8_lossy(&decoded).into_owned()
        }
        (name, texts) => {
            let want = match name {
                "now" => 0,
                "join" | "match" | "date" | "tz" => 2,
                "reReplaceAll" => 3,
                _ => 1,
            };
            return Err(format!("wrong number of args for {name}: want {want} got {}", texts.len()));
        }
    };
    Ok(Value::from(shown))
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|_| format!("error parsing regexp: {pattern:?}"))
}

fn dict(values: &[Value]) -> Result<Value, String> {
    if values.len() % 2 != 0 {
        return Err("dict requires an even number of arguments".to_owned());
    }
    let mut map = Map::default();
    for pair in values.chunks_exact(2) {
        let Value::Text(name) = &pair[0] else { return Err("dict keys must be strings".to_owned()) };
        map.entries.insert(name.clone(), pair[1].clone());
    }
    Ok(Value::Map(map.into()))
}

/// A value as JSON.
fn json(value: &Value) -> Result<String, String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    Ok(match value {
        Value::Nil => "null".to_owned(),
        Value::Bool(_) | Value::Int(_) => print_value(value),
        Value::Float(number) if number.is_finite() => serde_json::json!(number).to_string(),
        Value::Float(_) => return Err(format!("json: unsupported value: {}", print_value(value))),
        Value::Text(text) | Value::Html(text) => quoted(text),
        Value::List(list) => format!("[{}]", list.iter().map(json).collect::<Result<Vec<_>, _>>()?.join(",")),
        Value::Map(map) => {
            let entry = |(name, value): (&std::sync::Arc<str>, &Value)| {
                Ok(format!("{}:{}", quoted(name), json(value)?))
            };
            format!("{{{}}}", map.entries.iter().map(entry).collect::<Result<Vec<_>, String>>()?.join(","))
        }
        Value::Object(object) => match (object.to_json(), object.elements()) {
            (Some(text), _) => text,
            (None, Some(list)) => json(&Value::List(list))?,
            (None, None) => return Err(format!("json: unsupported type: {}", object.type_name())),
        },
    })
}
