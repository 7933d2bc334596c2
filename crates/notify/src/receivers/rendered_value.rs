//! Values of `payload` and `details`: templates inside of maps and lists, each of which may render into structure.
//!
//! Input: a value as written in the configuration and a function that renders a template. Output: the value with every text rendered,
//! as Alertmanager does it: what a text renders into is read as YAML, and stays text if it is none or only text. So
//! `{{ .Alerts.Firing | len }}` becomes a number and `{{ .Alerts | toJson }}` a list. What was read is not rendered again.

use serde_json::{Map, Number, Value};
use tidewatch_manifest::reading::{Node, NodeValue, first_document};

/// The value with all of its texts and keys rendered; keys in Go's order.
///
/// # Errors
/// What `render` returns.
pub(crate) fn rendered<E>(value: &Value, render: &impl Fn(&str) -> Result<String, E>) -> Result<Value, E> {
    match value {
        Value::String(template) => render(template).map(|text| as_yaml(&text)),
        Value::Array(items) => items.iter().map(|item| rendered(item, render)).collect(),
        Value::Object(entries) => {
            let mut made = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                made.push((render(key)?, rendered(value, render)?));
            }
            Ok(sorted(made))
        }
        _ => Ok(value.clone()),
    }
}

fn sorted(mut entries: Vec<(String, Value)>) -> Value {
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}

/// What a rendered text stands for.
fn as_yaml(text: &str) -> Value {
    let trimmed = text.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-._~".contains(c);
    if trimmed.chars().all(is_plain) {
        return match plain_scalar(trimmed) {
            Value::String(_) => Value::String(text.to_owned()),
            other => other,
        };
    }
    // what `toJson` renders can be long; a JSON reader is quicker and knows no limits of YAML's
    if trimmed.starts_with(['{', '['])
        && let Ok(mut value) = serde_json::from_str::<Value>(trimmed)
    {
        value.sort_all_objects();
        return value;
    }
    match first_document(text) {
        Some(Node { value: NodeValue::Text(_), .. }) | None => Value::String(text.to_owned()),
        Some(node) => structure(&node),
    }
}

fn structure(node: &Node) -> Value {
    match &node.value {
        NodeValue::List(items) => items.iter().map(structure).collect(),
        NodeValue::Map(entries) => {
            let entry = |(key, value): &(Node, Node)| Some((key.text()?.to_owned(), structure(value)));
            sorted(entries.iter().filter_map(entry).collect())
        }
        _ => node.to_json(),
    }
}

/// A scalar as the YAML 1.1 reader of Alertmanager resolves it.
fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return true.into();
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return false.into();
        }
        _ => {}
    }
    let digits = text.replace('_', "");
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return text.into();
    }
    if let Some(number) = integer(&digits) {
        return number.into();
    }
    if let (false, Ok(number)) = (digits.starts_with('0'), digits.parse::<u64>()) {
        return number.into();
    }
    match digits.parse::<f64>() {
        Ok(number) if is_yaml_float(&digits) => {
            Number::from_f64(number).map_or_else(|| text.into(), Value::Number)
        }
        _ => text.into(),
    }
}

/// An integer in Go's notation: `0x`, `0b`, `0o` and a leading zero choose the base.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = [("0x", 16), ("0b", 2), ("0o", 8)]
        .iter()
        .find_map(|(prefix, base)| lower.strip_prefix(prefix).map(|rest| (*base, rest)))
        .or_else(|| lower.strip_prefix('0').filter(|rest| !rest.is_empty()).map(|rest| (8, rest)))
        .unwrap_or((10, &lower));
    let number = i64::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with(['+', '-']))?;
    Some(if negative { -number } else { number })
}

/// `[-+]?[0-9]*\.?[0-9]+([eE][-+][0-9]+)?`
fn is_yaml_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or(("", mantissa));
    let whole_is_right = whole.is_empty() || digits(whole);
    whole_is_right
        && digits(fraction)
        && exponent.is_none_or(|exponent| exponent.strip_prefix(['+', '-']).is_some_and(digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rendered_texts_become_what_they_look_like() {
        let check = |text: &str, expected: Value| assert_eq!(as_yaml(text), expected, "{text}");
        check("1", json!(1));
        check("-0x1F", json!(-31));
        check("010", json!(8));
        check("08", json!(8.0));
        check("1_000", json!(1000));
        check("1.50", json!(1.5));
        check("1e5", json!("1e5"));
        check("1e+5", json!(100_000.0));
        check("18446744073709551615", json!(u64::MAX));
        check("yes", json!(true));
        check("Off", json!(false));
        check("", Value::Null);
        check("null", Value::Null);
        check("HighErrorRate", json!("HighErrorRate"));
        check(" two words ", json!(" two words "));
        check("a: b", json!({"a": "b"}));
        check("2026-01-02", json!("2026-01-02"));
        check("1.2.3", json!("1.2.3"));
        check(r#"[{"b":"x","a":1}]"#, json!([{"a": 1, "b": "x"}]));
        check("{not: closed", json!("{not: closed"));
        check("\"quoted\"", json!("\"quoted\""));
    }

    #[test]
    fn long_lists_stay_lists() {
        let alert = json!({"labels": {"b": "\u{1f6a2}", "a": "<x>"}, "status": "firing"});
        let alerts = Value::Array(vec![alert; 20_000]);
        assert_eq!(as_yaml(&alerts.to_string()), alerts);
        let made = as_yaml(r#"[{"b":1,"a":{"d":2,"c":3}}]"#);
        assert_eq!(made.to_string(), r#"[{"a":{"c":3,"d":2},"b":1}]"#);
    }

    #[test]
    fn everything_inside_is_rendered() {
        let value = json!({"z": "{len}", "{key}": ["{len}", 7, null, true], "n": {"x": "{key}"}});
        let render = |text: &str| match text {
            "{bad}" => Err("no"),
            _ => Ok(text.replace("{len}", "3").replace("{key}", "a")),
        };
        let made = rendered(&value, &render).unwrap();
        assert_eq!(made.to_string(), r#"{"a":[3,7,null,true],"n":{"x":"a"},"z":3}"#);
        assert_eq!(rendered(&json!(["{bad}"]), &render), Err("no"));
    }
}
