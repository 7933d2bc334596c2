//! The classic notation of matchers.
//!
//! Input: `{foo="bar",baz=~x}`; braces and quotes may be left out, a backslash before anything but `n`, `"` and `\` stands for itself.
//! Output: matchers in the order written. Names are those of Prometheus before UTF-8.

use super::build;
use tidewatch_model::{MatchOp, Matcher};

/// Any number of matchers.
pub(super) fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    parts(text).iter().map(|part| matcher(part)).collect()
}

/// What stands between commas that are not in quotes.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut in_quotes, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            ',' if !in_quotes => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            // a backslash before a comma or a closing quote holds until something else comes, as in Alertmanager
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => in_quotes = !in_quotes,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part.trim().to_owned());
    }
    parts
}

/// One matcher.
pub(super) fn matcher(text: &str) -> Result<Matcher, String> {
    let blank = |c: char| matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ');
    let bad = || format!("bad matcher format: {text}");
    let rest = text.trim_matches(blank);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).ok_or_else(bad)?;
    let (name, rest) = rest.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let rest = rest.trim_start_matches(blank);
    let operators =
        [("=~", MatchOp::Regex), ("=", MatchOp::Equal), ("!=", MatchOp::NotEqual), ("!~", MatchOp::NotRegex)];
    let found = operators.iter().find_map(|(sign, op)| Some((*op, rest.strip_prefix(sign)?)));
    let (op, rest) = found.ok_or_else(bad)?;
    build(name, op, &value(rest.trim_start_matches(blank))?)
}

/// A value, unescaped and without its quotes.
fn value(written: &str) -> Result<String, String> {
    let failed = || format!("matcher value contains unescaped double quote: {written}");
    let (raw, mut needs_quote) = match written.strip_prefix('"') {
        Some(rest) => (rest, true),
        None => (written, false),
    };
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            '"' if !needs_quote || chars.peek().is_some() => return Err(failed()),
            '"' => needs_quote = false,
            c => value.push(c),
        }
    }
    if needs_quote { Err(failed()) } else { Ok(value) }
}
