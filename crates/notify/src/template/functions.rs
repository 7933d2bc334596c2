//! The functions of Alertmanager's templates.
//!
//! Input: a name and arguments, the time of the notification, the labels of its route. Output: values, with Go's complaints.

use super::data::texts_of;
use super::json;
use crate::Notification;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use regex::Regex;
use tidewatch_model::{days_from_civil, days_in_month};
use tidewatch_template::{Calls, Moment, Span, Value, ZERO_TIME, humanize_duration, title};

const NAMES: [&str; 24] = [
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
    "toDate",
    "mustToDate",
    "toJson",
    "base64encode",
    "base64decode",
    "list",
    "dict",
];

/// Whether templates of notifications have a function of this name.
pub(super) fn is_function(name: &str) -> bool {
    NAMES.contains(&name) || name == "append"
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
            ("now", []) => Ok(Moment(self.notification.now_ms).into()),
            ("since", [time]) => {
                Ok(Span(self.notification.now_ms.saturating_sub(moment(time)?.0).saturating_mul(1_000_000))
                    .into())
            }
            ("date", [layout, time]) => Ok(Value::from(moment(time)?.format(text(layout)?))),
            ("tz", [zone, time]) => in_zone(text(zone)?, moment(time)?),
            ("routeLabels", [name]) => {
                Ok(Value::text(self.notification.route_labels.get(text(name)?).unwrap_or_default()))
            }
            ("join", [separator, list]) => Ok(Value::from(texts_of(list)?.join(text(separator)?))),
            ("stringSlice", texts) => {
                texts.iter().try_for_each(|value| text(value).map(|_| ()))?;
                Ok(Value::list(texts.iter().cloned()))
            }
            ("humanizeDuration", [value]) => humanize_duration(value).map(Value::from),
            ("toJson", [value]) => json::encode(value).map(Value::from),
            ("list", values) => Ok(Value::list(values.iter().cloned())),
            ("append", [Value::List(list), more @ ..]) => Ok(Value::list(list.iter().chain(more).cloned())),
            ("append", [other, ..]) => {
                Err(format!("wrong type for value; expected []interface {{}}; got {}", other.type_name()))
            }
            ("dict", values) => dict(values),
            (name, arguments) => of_texts(name, arguments),
        }
    }
}

/// Functions that only know texts.
fn of_texts(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let texts: Vec<&str> = arguments.iter().map(text).collect::<Result<_, _>>()?;
    match (name, &texts[..]) {
        ("toUpper", [text]) => Ok(Value::from(text.to_uppercase())),
        ("toLower", [text]) => Ok(Value::from(text.to_lowercase())),
        ("title", [text]) => Ok(Value::from(title(text, true))),
        ("trimSpace", [text]) => Ok(Value::text(text.trim())),
        ("match", [pattern, text]) => Ok(Value::Bool(regex(pattern)?.is_match(text))),
        ("reReplaceAll", [pattern, replacement, text]) => {
            Ok(Value::from(regex(pattern)?.replace_all(text, *replacement).into_owned()))
        }
        ("safeHtml", [text]) => Ok(Value::Html((*text).into())),
        ("safeUrl", [text]) => Ok(Value::text(text)),
        ("urlUnescape", [text]) => unescaped(text).map(Value::from),
        ("toDate", [layout, text]) => Ok(Moment(parsed(layout, text)?.unwrap_or(ZERO_TIME)).into()),
        ("mustToDate", [layout, text]) => match parsed(layout, text)? {
            Some(time) => Ok(Moment(time).into()),
            None => Err(format!("parsing time {text:?} as {layout:?}: cannot parse it")),
        },
        ("base64encode", [text]) => Ok(Value::from(URL_SAFE.encode(text))),
        ("base64decode", [text]) => {
            let bytes = URL_SAFE.decode(text).map_err(|error| format!("illegal base64 data: {error}"))?;
            Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
        }
        (name, texts) => {
            let want = match name {
                "now" => 0,
                "date" | "tz" | "join" | "match" | "toDate" | "mustToDate" => 2,
                "reReplaceAll" => 3,
                _ => 1,
            };
            Err(format!("wrong number of args for {name}: want {want} got {}", texts.len()))
        }
    }
}

fn text(value: &Value) -> Result<&str, String> {
    let wrong = || format!("wrong type for value; expected string; got {}", value.type_name());
    value.as_text().ok_or_else(wrong)
}

fn moment(value: &Value) -> Result<Moment, String> {
    if let Value::Object(object) = value
        && object.type_name() == "time.Time"
        && let Some(Ok(Value::Int(time))) = object.member("UnixMilli", &[])
    {
        return Ok(Moment(time));
    }
    Err(format!("wrong type for value; expected time.Time; got {}", value.type_name()))
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("error parsing regexp: {reason}: `{pattern}`")
    })
}

fn in_zone(zone: &str, time: Moment) -> Result<Value, String> {
    match zone {
        "" | "UTC" | "Etc/UTC" | "GMT" => Ok(time.into()),
        other => Err(format!("time zone {other} is not supported, only UTC is; hint: write tz \"UTC\"")),
    }
}

fn dict(values: &[Value]) -> Result<Value, String> {
    if !values.len().is_multiple_of(2) {
        return Err("dict requires an even number of arguments".to_owned());
    }
    let entries = values.chunks_exact(2).map(|pair| match &pair[0] {
        Value::Text(name) => Ok((&**name, pair[1].clone())),
        _ => Err("dict keys must be strings".to_owned()),
    });
    Ok(Value::map(entries.collect::<Result<Vec<_>, String>>()?))
}

/// A part of a query string as it was before it was escaped.
fn unescaped(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    let shown = String::from_utf8_lossy(&after[..after.len().min(2)]).into_owned();
                    return Err(format!("invalid URL escape {:?}", format!("%{shown}")));
                };
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            byte => out.push(*byte),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The time that a text says by a layout of numbers; `None` if it says none.
///
/// # Errors
/// When the layout has names or zones.
fn parsed(layout: &str, text: &str) -> Result<Option<i64>, String> {
    let elements = [("2006", 4), ("01", 2), ("02", 2), ("15", 2), ("04", 2), ("05", 2)];
    let mut found = [1, 1, 1, 0, 0, 0_i64];
    let (mut layout_rest, mut rest) = (layout, text);
    while let Some(one) = layout_rest.chars().next() {
        if let Some(at) = elements.iter().position(|(element, _)| layout_rest.starts_with(element)) {
            let (element, digits) = elements[at];
            let Some(part) = rest.get(..digits).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))
            else {
                return Ok(None);
            };
            found[at] = part.parse().unwrap_or_default();
            (layout_rest, rest) = (&layout_rest[element.len()..], &rest[digits..]);
            continue;
        }
        if layout_rest.starts_with("Z07:00") && rest.starts_with('Z') {
            (layout_rest, rest) = (&layout_rest[6..], &rest[1..]);
            continue;
        }
        if one.is_ascii_digit() || (one.is_ascii_alphabetic() && one != 'T') {
            return Err(format!(
                "layout {layout:?} is not supported for reading times; hint: use 2006, 01, 02, 15, 04, 05 and a final Z07:00"
            ));
        }
        let Some(after) = rest.strip_prefix(one) else { return Ok(None) };
        (layout_rest, rest) = (&layout_rest[one.len_utf8()..], after);
    }
    let [year, month, day, hour, minute, second] = found;
    let in_range = (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !rest.is_empty() || !in_range || day < 1 || day > days_in_month(year, month) {
        return Ok(None);
    }
    let days = days_from_civil(year, month, day);
    Ok(Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000))
}
