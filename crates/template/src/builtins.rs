//! The functions that every template has.
//!
//! Input: arguments. Output: a value, or Go's complaint. `and` and `or` are the execution's, as they do not evaluate what they need not.

use crate::Value;
use crate::format::{print_value, sprint, sprintf, sprintln};
use std::cmp::Ordering;
use tidewatch_model::push_percent_encoded;

/// Their names.
const NAMES: [&str; 18] = [
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery",
    "eq", "ne", "lt", "le", "gt", "ge",
];

/// Whether a function is one of them.
pub(crate) fn is_builtin(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls one of them.
pub(crate) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let text = |text: String| Ok(Value::from(text));
    match (name, arguments) {
        ("not", [value]) => Ok(Value::Bool(!value.is_true())),
        ("len", [value]) => match value.len() {
            Some(length) => Ok(Value::Int(length as i64)),
            None if matches!(value, Value::Nil) => Err("len of nil pointer".to_owned()),
            None => Err(format!("len of type {}", value.type_name())),
        },
        ("index", [value, indexes @ ..]) => {
            indexes.iter().try_fold(value.clone(), |value, index| element(&value, index))
        }
        ("slice", [value, bounds @ ..]) => slice(value, bounds),
        ("print", values) => text(sprint(values)),
        ("println", values) => text(sprintln(values)),
        ("printf", [format, values @ ..]) => match format {
            Value::Text(format) => text(sprintf(format, values)),
            other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
        },
        ("html", values) => text(html_escaped(&sprint(values))),
        ("js", values) => text(js_escaped(&sprint(values))),
        ("urlquery", values) => text(query_escaped(&sprint(values))),
        ("eq", [first, rest @ ..]) if !rest.is_empty() => {
            for other in rest {
                if equal(first, other)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        ("eq", [_]) => Err("missing argument for comparison".to_owned()),
        ("ne", [a, b]) => Ok(Value::Bool(!equal(a, b)?)),
        ("lt", [a, b]) => Ok(Value::Bool(order(a, b)? == Some(Ordering::Less))),
        ("le", [a, b]) => Ok(Value::Bool(matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)))),
        ("gt", [a, b]) => Ok(Value::Bool(order(a, b)? == Some(Ordering::Greater))),
        ("ge", [a, b]) => Ok(Value::Bool(matches!(order(a, b)?, Some(Ordering::Greater | Ordering::Equal)))),
        (name, arguments) => Err(wrong_number(name, arguments.len())),
    }
}

/// How Go complains about a number of arguments.
fn wrong_number(name: &str, got: usize) -> String {
    let want = match name {
        "not" | "len" => "1",
        "index" | "slice" | "eq" | "printf" => "at least 1",
        _ => "2",
    };
    format!("wrong number of args for {name}: want {want} got {got}")
}

fn element(value: &Value, index: &Value) -> Result<Value, String> {
    let at = |length: usize| match index {
        Value::Int(at) => {
            let found = usize::try_from(*at).ok().filter(|at| *at < length);
            found.ok_or_else(|| format!("index out of range: {at}"))
        }
        Value::Nil => Err("cannot index slice/array with nil".to_owned()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    match value {
        Value::Nil => Err("index of untyped nil".to_owned()),
        Value::List(list) => at(list.len()).map(|at| list[at].clone()),
        Value::Text(text) | Value::Html(text) => {
            at(text.len()).map(|at| Value::Int(i64::from(text.as_bytes()[at])))
        }
        Value::Map(map) => key(index).map(|name| map.get(name)),
        Value::Object(object) => match (object.entries(), object.elements()) {
            (Some(map), _) => key(index).map(|name| map.get(name)),
            (None, Some(list)) => at(list.len()).map(|at| list[at].clone()),
            (None, None) => Err(format!("can't index item of type {}", object.type_name())),
        },
        other => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn key(index: &Value) -> Result<&str, String> {
    match index {
        Value::Text(name) => Ok(name),
        Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let mut places = [0, length, length];
    for (place, bound) in places.iter_mut().zip(bounds) {
        let Value::Int(at) = bound else {
            return Err(format!("cannot index slice/array with type {}", bound.type_name()));
        };
        let found = usize::try_from(*at).ok().filter(|at| *at <= length);
        *place = found.ok_or_else(|| format!("index out of range: {at}"))?;
    }
    let [from, to, _] = places;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    match value {
        Value::Text(text) => {
            // Go cuts bytes; half a character shows as the replacement character
            Ok(Value::from(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()))
        }
        Value::List(list) => Ok(Value::List(list[from..to].into())),
        _ => Ok(Value::Nil),
    }
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Text(a) | Value::Html(a), Value::Text(b) | Value::Html(b)) => Ok(a == b),
        (Value::List(_) | Value::Map(_) | Value::Object(_), _) => {
            Err(format!("non-comparable type {}: {}", print_value(a), a.type_name()))
        }
        _ => Err(incompatible(a, b)),
    }
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a) | Value::Html(a), Value::Text(b) | Value::Html(b)) => Ok(Some(a.cmp(b))),
        (Value::Bool(_), Value::Bool(_))
        | (Value::List(_) | Value::Map(_) | Value::Object(_) | Value::Nil, _) => {
            Err("invalid type for comparison".to_owned())
        }
        _ => Err(incompatible(a, b)),
    }
}

/// A text for HTML, in elements and quoted attributes.
pub fn html_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            one => out.push(one),
        }
    }
    out
}

fn js_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            one if (one as u32) < 0x20 => out.push_str(&format!("\\u{:04X}", one as u32)),
            one => out.push(one),
        }
    }
    out
}

/// A text as a part of a query string: spaces become `+`.
pub fn query_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split(' ').enumerate() {
        if at > 0 {
            out.push('+');
        }
        push_percent_encoded(&mut out, part, |byte| b"-_.~".contains(&byte));
    }
    out
}
