//! Puts values in the place of `$name`, `${name}`, `${name:format}` and `[[name]]`, as Grafana's Prometheus data source
//! does. Input: a text with references and [`Values`]. Output: PromQL. Does not look inside the PromQL: like Grafana, it
//! replaces anywhere in the text. Used by the tests that hold shipped dashboards to their promises, and meant for `verify`:
//! the page has its own, in TypeScript.

use crate::error::Error;
use crate::values::{Choice, Span, Values};

/// The formats after the colon that are understood.
const FORMATS: &str = "raw, regex, pipe, csv, glob, json, singlequote, doublequote, text";

/// One piece of a text with references.
enum Piece<'a> {
    Text(&'a str),
    Reference { whole: &'a str, name: &'a str, format: Option<&'a str> },
}

/// The text with every reference replaced.
///
/// A name that starts with a digit (`$1` in `label_replace`) is no reference and stays.
///
/// # Errors
/// [`Error::NoValue`] for a variable without a value or an unknown `$__` name, [`Error::Format`] for an unknown format.
pub fn interpolate(text: &str, values: &Values) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len() + 32);
    for piece in Pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Reference { name, format, .. } => out.push_str(&replacement(name, format, values)?),
        }
    }
    Ok(out)
}

/// The names that a text refers to, in order.
pub(crate) fn references(text: &str) -> Vec<String> {
    let name = |piece| match piece {
        Piece::Reference { name, .. } => Some(name.to_owned()),
        Piece::Text(_) => None,
    };
    Pieces(text).filter_map(name).collect()
}

fn replacement(name: &str, format: Option<&str>, values: &Values) -> Result<String, Error> {
    if let Some(text) = built_in(name, &values.span) {
        return Ok(text);
    }
    let choice = values.chosen.get(name).ok_or_else(|| Error::NoValue(name.to_owned()))?;
    let unknown = |format: &str| Error::Format {
        variable: name.to_owned(),
        format: format.to_owned(),
        supported: FORMATS,
    };
    match (choice, format) {
        (Choice::Verbatim(text), _) => Ok(text.clone()),
        (Choice::One(value), None) => Ok(value.replace('\\', r"\\").replace('\'', r"\\'")),
        (Choice::Many(all), None) => Ok(alternatives(all.iter().map(|value| escape_in_string(value)))),
        (Choice::One(value), Some(format)) => {
            formatted(std::slice::from_ref(value), format).ok_or_else(|| unknown(format))
        }
        (Choice::Many(all), Some(format)) => formatted(all, format).ok_or_else(|| unknown(format)),
    }
}

/// The variables that Grafana itself provides, from the time range.
fn built_in(name: &str, span: &Span) -> Option<String> {
    let range = span.to_ms - span.from_ms;
    Some(match name {
        "__interval" => duration(span.interval_ms),
        "__interval_ms" => span.interval_ms.to_string(),
        "__rate_interval" => duration(span.rate_interval_ms()),
        "__rate_interval_ms" => span.rate_interval_ms().to_string(),
        "__range" => format!("{}s", rounded_seconds(range)),
        "__range_s" => rounded_seconds(range).to_string(),
        "__range_ms" => range.to_string(),
        "__from" => span.from_ms.to_string(),
        "__to" => span.to_ms.to_string(),
        _ => return None,
    })
}

fn rounded_seconds(ms: i64) -> i64 {
    (ms + 500).div_euclid(1000)
}

fn duration(ms: i64) -> String {
    if ms % 1000 == 0 { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

fn formatted(values: &[String], format: &str) -> Option<String> {
    let joined = |quote: &str, separator: &str| {
        let quoted =
            values.iter().map(|v| format!("{quote}{}{quote}", v.replace(quote, &format!("\\{quote}"))));
        quoted.collect::<Vec<_>>().join(separator)
    };
    Some(match (format, values) {
        ("raw", [one]) | ("glob", [one]) => one.clone(),
        ("raw" | "csv", many) => many.join(","),
        ("glob", many) => format!("{{{}}}", many.join(",")),
        ("pipe", many) => many.join("|"),
        ("text", many) => many.join(" + "),
        ("regex", many) => alternatives(many.iter().map(|value| escape_regex(value))),
        ("json", [one]) => serde_json::to_string(one).expect("a string is JSON"),
        ("json", many) => serde_json::to_string(many).expect("strings are JSON"),
        ("singlequote", _) => joined("'", ","),
        ("doublequote", _) => joined("\"", ","),
        _ => return None,
    })
}

/// One value alone, several as `(a|b)`.
fn alternatives(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    match values.as_slice() {
        [one] => one.clone(),
        many => format!("({})", many.join("|")),
    }
}

/// Escaped for a regular expression.
fn escape_regex(value: &str) -> String {
    escape(value, r"\^$*+?.()|[]{}/", r"\", r"\\")
}

/// Escaped for a regular expression inside a PromQL string, where each backslash is written twice.
fn escape_in_string(value: &str) -> String {
    escape(value, r"$^*{}[]+?.()|", r"\\", r"\\\\")
}

fn escape(value: &str, special: &str, prefix: &str, backslash: &str) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        match c {
            '\\' => out.push_str(backslash),
            c if special.contains(c) => {
                out.push_str(prefix);
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A text cut at its references.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.0;
        if rest.is_empty() {
            return None;
        }
        let start = rest.char_indices().map(|(at, _)| at).find(|at| reference(&rest[*at..]).is_some());
        match start {
            Some(0) => {
                let piece = reference(rest);
                if let Some(Piece::Reference { whole, .. }) = &piece {
                    self.0 = &rest[whole.len()..];
                }
                piece
            }
            other => {
                let (text, after) = rest.split_at(other.unwrap_or(rest.len()));
                self.0 = after;
                Some(Piece::Text(text))
            }
        }
    }
}

/// The reference that a text begins with.
fn reference(text: &str) -> Option<Piece<'_>> {
    let (open, close) = match text.as_bytes() {
        [b'$', b'{', ..] => ("${", "}"),
        [b'[', b'[', ..] => ("[[", "]]"),
        [b'$', ..] => ("$", ""),
        _ => return None,
    };
    let inner = &text[open.len()..];
    let name = &inner[..inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len())];
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if close.is_empty() {
        return Some(Piece::Reference { whole: &text[..open.len() + name.len()], name, format: None });
    }
    let end = inner.find(close)?;
    let format = match &inner[name.len()..end] {
        "" => None,
        rest => Some(rest.strip_prefix(':')?),
    };
    Some(Piece::Reference { whole: &text[..open.len() + end + close.len()], name, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let many = |list: &[&str]| Choice::Many(list.iter().map(|s| (*s).to_owned()).collect());
        let chosen = [
            ("one", Choice::One("a.b".into())),
            ("path", Choice::One(r"c:\x".into())),
            ("single", many(&["a.b"])),
            ("multi", many(&["a.b", "c|d", r"e\f"])),
            ("all", Choice::Verbatim(".*".into())),
        ];
        Values {
            span: Span { from_ms: 1_000, to_ms: 3_601_000, interval_ms: 15_000, scrape_interval_ms: 30_000 },
            chosen: chosen.into_iter().map(|(name, choice)| (name.to_owned(), choice)).collect(),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(interpolate(text, &values()).unwrap(), expected);
    }

    #[test]
    fn names_are_replaced_in_all_three_spellings() {
        check("", "");
        check("x", "x");
        check(r#"up{a="$one"}"#, r#"up{a="a.b"}"#);
        check("${one}[[one]]$one$one", "a.ba.ba.ba.b");
        check("$one-x", "a.b-x");
    }

    #[test]
    fn values_are_escaped_as_the_prometheus_data_source_does() {
        check("$path", r"c:\\x");
        check("$single", r"a\\.b");
        check("$multi", r"(a\\.b|c\\|d|e\\\\f)");
        check("$all", ".*");
        check("${all:regex}", ".*");
        check("${one:regex}", r"a\.b");
        check("${multi:regex}", r"(a\.b|c\|d|e\\f)");
        check("${multi:pipe}", r"a.b|c|d|e\f");
        check("${multi:csv} ${one:raw} ${multi:glob}", r"a.b,c|d,e\f a.b {a.b,c|d,e\f}");
        check("${one:json} ${single:doublequote} ${multi:singlequote}", r#""a.b" "a.b" 'a.b','c|d','e\f'"#);
    }

    #[test]
    fn time_variables_follow_the_range_and_the_scrape_interval() {
        check("rate(x[$__rate_interval])", "rate(x[120s])");
        check("$__interval ${__interval_ms} $__range $__range_s $__range_ms", "15s 15000 3600s 3600 3600000");
        check("$__from $__to $__rate_interval_ms", "1000 3601000 120000");
    }

    #[test]
    fn what_is_no_reference_stays() {
        check(r#"label_replace(x, "a", "$1", "b", "(.*)$")"#, r#"label_replace(x, "a", "$1", "b", "(.*)$")"#);
        check("x[[1]] $ $$ ${", "x[[1]] $ $$ ${");
        check("é$one", "éa.b");
    }

    #[test]
    fn a_missing_value_and_an_unknown_format_are_errors() {
        let error = |text| interpolate(text, &values()).unwrap_err().to_string();
        assert!(error("$two").starts_with("no value for variable $two. hint:"));
        assert!(error("$__nothing").contains("$__nothing"));
        assert!(error("${one:lucene}").contains("\"lucene\""));
    }
}
