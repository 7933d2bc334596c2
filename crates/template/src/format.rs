//! Printing as Go's package fmt does it: `%v` and the verbs of `printf`.
//!
//! Input: values. Output: text. A verb that does not fit its value prints Go's complaint in its place, e.g. `%!d(float64=1.5)`.

use crate::Value;
use std::fmt::Write;
use tidewatch_model::push_go_float;

/// A value as `%v` prints it.
pub fn print_value(value: &Value) -> String {
    let mut out = String::new();
    push_value(&mut out, value);
    out
}

pub(crate) fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => _ = write!(out, "{value}"),
        Value::Float(value) => push_go_float(out, *value),
        Value::Text(text) | Value::Html(text) => out.push_str(text),
        Value::List(list) => {
            out.push('[');
            for (at, one) in list.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                push_value(out, one);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (at, (name, one)) in map.entries.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(name);
                out.push(':');
                push_value(out, one);
            }
            out.push(']');
        }
        Value::Object(object) => out.push_str(&object.print()),
    }
}

/// `print`: a space stands between two values neither of which is a text.
pub(crate) fn sprint(arguments: &[Value]) -> String {
    let mut out = String::new();
    for (at, value) in arguments.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if at > 0 && !is_text(value) && !is_text(&arguments[at - 1]) {
            out.push(' ');
        }
        push_value(&mut out, value);
    }
    out
}

/// `println`: spaces between all, and a line end.
pub(crate) fn sprintln(arguments: &[Value]) -> String {
    let shown: Vec<String> = arguments.iter().map(print_value).collect();
    shown.join(" ") + "\n"
}

/// The flags of a verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The widest field or most digits that are made; Go's own bound.
const MOST_WIDTH: usize = 1_000_000;

/// `printf`.
pub fn sprintf(format: &str, arguments: &[Value]) -> String {
    let mut out = String::with_capacity(format.len() + 16);
    let mut rest = format.chars().peekable();
    let mut next = 0;
    while let Some(one) = rest.next() {
        if one != '%' {
            out.push(one);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(flag) = rest.peek() {
            match flag {
                '-' => (flags.minus, flags.zero) = (true, false),
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = !flags.minus,
                _ => break,
            }
            rest.next();
        }
        flags.width = number(&mut rest, arguments, &mut next, &mut out, "%!(BADWIDTH)");
        if rest.peek() == Some(&'.') {
            rest.next();
            flags.precision =
                Some(number(&mut rest, arguments, &mut next, &mut out, "%!(BADPREC)").unwrap_or(0));
        }
        let Some(verb) = rest.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = arguments.get(next) else {
            _ = write!(out, "%!{verb}(MISSING)");
            continue;
        };
        next += 1;
        if verb == 'v' {
            // `%+v` is about the names of fields, not about signs
            flags.plus = false;
        }
        let text = match formatted(verb, flags, value) {
            Some(text) => text,
            None => bad_verb(verb, value),
        };
        out.push_str(&text);
    }
    if next < arguments.len() {
        let extra = arguments[next..].iter().map(|value| match value {
            Value::Nil => "<nil>".to_owned(),
            value => format!("{}={}", value.type_name(), print_value(value)),
        });
        _ = write!(out, "%!(EXTRA {})", extra.collect::<Vec<_>>().join(", "));
    }
    out
}

/// A width or precision: digits, or `*` for an argument.
fn number(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    arguments: &[Value],
    next: &mut usize,
    out: &mut String,
    bad: &str,
) -> Option<usize> {
    if rest.peek() == Some(&'*') {
        rest.next();
        let given = arguments.get(*next);
        *next += 1;
        return match given {
            Some(Value::Int(value)) if (0..=MOST_WIDTH as i64).contains(value) => {
                usize::try_from(*value).ok()
            }
            _ => {
                out.push_str(bad);
                None
            }
        };
    }
    let mut found: Option<usize> = None;
    while let Some(digit) = rest.peek().and_then(|one| one.to_digit(10)) {
        found = Some(found.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize).min(MOST_WIDTH));
        rest.next();
    }
    found
}

fn bad_verb(verb: char, value: &Value) -> String {
    match value {
        Value::Nil => format!("%!{verb}(<nil>)"),
        value => format!("%!{verb}({}={})", value.type_name(), print_value(value)),
    }
}

fn formatted(verb: char, flags: Flags, value: &Value) -> Option<String> {
    if verb == 'T' {
        return Some(pad(value.type_name().to_owned(), flags, false));
    }
    match value {
        Value::Nil if verb == 'v' => Some(pad("<nil>".to_owned(), flags, false)),
        Value::Nil => None,
        Value::Bool(value) if matches!(verb, 'v' | 't') => Some(pad(value.to_string(), flags, false)),
        Value::Bool(_) => None,
        Value::Int(value) => integer(verb, flags, *value),
        Value::Float(value) => float(verb, flags, *value),
        Value::Text(text) | Value::Html(text) => string(verb, flags, text),
        Value::Object(object) if matches!(verb, 'v' | 's') => Some(pad(object.print(), flags, false)),
        Value::Object(_) => None,
        Value::List(list) => {
            let shown =
                list.iter().map(|one| formatted(verb, flags, one).unwrap_or_else(|| bad_verb(verb, one)));
            Some(format!("[{}]", shown.collect::<Vec<_>>().join(" ")))
        }
        Value::Map(map) => {
            let of = |one: &Value| formatted(verb, flags, one).unwrap_or_else(|| bad_verb(verb, one));
            let shown = map
                .entries
                .iter()
                .map(|(name, one)| format!("{}:{}", of(&Value::Text(name.clone())), of(one)));
            Some(format!("map[{}]", shown.collect::<Vec<_>>().join(" ")))
        }
    }
}

/// Fills up to the width; zeros only where they make sense.
fn pad(text: String, flags: Flags, numeric: bool) -> String {
    let Some(missing) = flags.width.and_then(|width| width.checked_sub(text.chars().count())) else {
        return text;
    };
    if flags.minus {
        return text + &" ".repeat(missing);
    }
    if !flags.zero {
        return " ".repeat(missing) + &text;
    }
    let signed = numeric && text.starts_with(['+', '-', ' ']);
    let (sign, digits) = text.split_at(usize::from(signed));
    format!("{sign}{}{digits}", "0".repeat(missing))
}

fn integer(verb: char, flags: Flags, value: i64) -> Option<String> {
    let magnitude = value.unsigned_abs();
    let (prefix, mut digits) = match verb {
        'd' | 'v' => ("", magnitude.to_string()),
        'b' => (if flags.sharp { "0b" } else { "" }, format!("{magnitude:b}")),
        'o' => (if flags.sharp { "0" } else { "" }, format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'x' => (if flags.sharp { "0x" } else { "" }, format!("{magnitude:x}")),
        'X' => (if flags.sharp { "0X" } else { "" }, format!("{magnitude:X}")),
        'c' | 'q' => {
            let one = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            return Some(pad(if verb == 'c' { one.to_string() } else { format!("{one:?}") }, flags, false));
        }
        'U' => return Some(pad(format!("U+{magnitude:04X}"), flags, false)),
        _ => return None,
    };
    if let Some(precision) = flags.precision {
        digits = "0".repeat(precision.saturating_sub(digits.len())) + &digits;
    }
    let flags = Flags { zero: flags.zero && flags.precision.is_none(), ..flags };
    Some(pad(format!("{}{prefix}{digits}", sign(value < 0, flags)), flags, true))
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    }
}

fn float(verb: char, flags: Flags, value: f64) -> Option<String> {
    if !matches!(verb, 'v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G') {
        return None;
    }
    if value.is_nan() || value.is_infinite() {
        let text = match (value.is_nan(), value > 0.0) {
            (true, _) if flags.plus => "+NaN",
            (true, _) => "NaN",
            (_, true) => "+Inf",
            _ => "-Inf",
        };
        return Some(pad(text.to_owned(), Flags { zero: false, ..flags }, true));
    }
    let magnitude = value.abs();
    let text = match (verb, flags.precision) {
        ('f' | 'F', precision) => format!("{magnitude:.*}", precision.unwrap_or(6)),
        ('e' | 'E', precision) => exponential(&format!("{magnitude:.*e}", precision.unwrap_or(6))),
        (_, None) => {
            let mut text = String::new();
            push_go_float(&mut text, magnitude);
            text
        }
        (_, Some(precision)) => shortest_of(magnitude, precision.max(1)),
    };
    let text = if verb.is_uppercase() { text.to_uppercase() } else { text };
    Some(pad(format!("{}{text}", sign(value.is_sign_negative(), flags)), flags, true))
}

/// Rust's `1.5e7` as Go's `1.5e+07`.
fn exponential(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g` with a number of significant digits: trailing zeros are left out, and the exponent is used where it is shorter.
fn shortest_of(magnitude: f64, digits: usize) -> String {
    let scientific = format!("{magnitude:.*e}", digits - 1);
    let exponent: i64 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let trimmed = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if exponent < -4 || exponent >= digits as i64 {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return exponential(&format!("{}e{exponent}", trimmed(mantissa)));
    }
    let decimals = usize::try_from(digits as i64 - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{magnitude:.decimals$}"))
}

fn string(verb: char, flags: Flags, text: &str) -> Option<String> {
    let cut: String = match flags.precision {
        Some(precision) if matches!(verb, 's' | 'v' | 'q') => text.chars().take(precision).collect(),
        _ => text.to_owned(),
    };
    match verb {
        's' | 'v' => Some(pad(cut, flags, false)),
        'q' => Some(pad(quoted(&cut), flags, false)),
        'x' | 'X' => {
            let mut out = String::new();
            for byte in text.bytes() {
                _ = if verb == 'x' { write!(out, "{byte:02x}") } else { write!(out, "{byte:02X}") };
            }
            Some(pad(out, flags, false))
        }
        _ => None,
    }
}

/// A text in double quotes with Go's escapes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for one in text.chars() {
        match one {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            one if (one as u32) < 0x20 || one as u32 == 0x7f => _ = write!(out, "\\x{:02x}", one as u32),
            one => out.push(one),
        }
    }
    out.push('"');
    out
}
