//! Matchers as Alertmanager's configuration, API and silences write them.
//!
//! Input: text such as `foo="bar"`, `{foo=~"b.*", "a b"!=c}`. Output: [`Matchers`], which all have to hold. There are two notations, as
//! in Alertmanager: the classic one, and the one for UTF-8 names. A text is read as the second; where only the first can read it, or the
//! two disagree, the first wins and a note says so.

mod classic;
mod utf8;

use std::fmt;
use tidewatch_model::{Labels, MatchOp, Matcher};
use tidewatch_template::{Value, sprintf};

/// Conditions on labels that all have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(Vec<Matcher>);

/// Matchers that were read, and what to know of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadMatchers {
    pub(crate) matchers: Vec<Matcher>,
    /// What to change, where the two notations read different things.
    pub(crate) note: Option<String>,
}

impl Matchers {
    /// Matchers in Alertmanager's order: by name, value and kind.
    pub fn new(mut matchers: Vec<Matcher>) -> Self {
        matchers.sort_by(|a, b| key(a).cmp(&key(b)));
        Self(matchers)
    }

    /// Whether all of them hold. Without any they do.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches_labels(labels))
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Matcher> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Matchers {
    /// `{foo="bar",baz=~"x.*"}`, as in the key of a group.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.0.iter().map(shown).collect();
        write!(f, "{{{}}}", shown.join(","))
    }
}

/// Reads any number of matchers, with or without braces.
///
/// # Errors
/// What is wrong, as Alertmanager says it.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, String> {
    read_matchers(text).map(|read| read.matchers)
}

/// Reads exactly one matcher without braces, as filters of the API are written.
///
/// # Errors
/// What is wrong, as Alertmanager says it.
pub fn parse_matcher(text: &str) -> Result<Matcher, String> {
    if text.starts_with('{') || text.ends_with('}') {
        return Err(format!("unexpected open or close brace: {text}"));
    }
    let classic = classic::matcher(text);
    match (utf8::matchers(text), classic) {
        (Ok(mut matchers), classic) if matchers.len() == 1 => match classic {
            Ok(classic) => Ok(classic),
            Err(_) => Ok(matchers.remove(0)),
        },
        (_, classic) => classic,
    }
}

/// The same as [`parse_matchers`] with a note.
pub(crate) fn read_matchers(text: &str) -> Result<ReadMatchers, String> {
    let noted = |matchers: Vec<Matcher>, why: &str| {
        let written: Vec<String> = matchers.iter().map(shown).collect();
        let note = format!("{why}; it is read as {}", written.join(","));
        Ok(ReadMatchers { matchers, note: Some(note) })
    };
    match (utf8::matchers(text), classic::matchers(text)) {
        (Err(_), Err(error)) => Err(error),
        (Err(error), Ok(matchers)) => noted(matchers, &format!("not in the notation for UTF-8: {error}")),
        (Ok(matchers), Ok(classic)) if matchers != classic => {
            noted(classic, "means different things in the classic notation and in the one for UTF-8")
        }
        (Ok(matchers), _) => Ok(ReadMatchers { matchers, note: None }),
    }
}

fn build(name: &str, op: MatchOp, value: &str) -> Result<Matcher, String> {
    Matcher::new(name, op, value).map_err(|error| error.to_string())
}

/// A matcher as Alertmanager writes it.
pub(crate) fn shown(matcher: &Matcher) -> String {
    let escaped = matcher.value().replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"");
    let name = matcher.name();
    let op = operator(matcher.op());
    if name.contains(is_reserved) {
        let quoted = |text: &str| sprintf("%q", &[Value::text(text)]);
        return format!("{}{op}{}", quoted(name), quoted(matcher.value()));
    }
    format!("{name}{op}\"{escaped}\"")
}

/// How an operator is written.
pub(crate) fn operator(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    }
}

fn key(matcher: &Matcher) -> (&str, &str, u8) {
    let kind = match matcher.op() {
        MatchOp::Equal => 0,
        MatchOp::NotEqual => 1,
        MatchOp::Regex => 2,
        MatchOp::NotRegex => 3,
    };
    (matcher.name(), matcher.value(), kind)
}

/// Characters that a name or value without quotes cannot have.
fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

/// Whether a label can have this name: any but the empty one.
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let found = parse_matchers(text).map(|matchers| Matchers::new(matchers).to_string());
        match (&found, expected) {
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            _ => assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}"),
        }
    }

    #[test]
    fn both_notations_are_read() {
        check("", Ok("{}"));
        check("{}", Ok("{}"));
        check("foo=bar", Ok(r#"{foo="bar"}"#));
        check(" foo = \"bar\" ", Ok(r#"{foo="bar"}"#));
        check("{foo=~\"b.*\",a!=\"\",}", Ok(r#"{a!="",foo=~"b.*"}"#));
        check("b!~x,a=1", Ok(r#"{a="1",b!~"x"}"#));
        check("foo=\"a,b\"", Ok(r#"{foo="a,b"}"#));
        check(r#"foo="say \"hi\"\n""#, Ok(r#"{foo="say \"hi\"\n"}"#));
        check(r#"{"a b"="c"}"#, Ok(r#"{"a b"="c"}"#));
        check("Ünï=🙂", Ok("{Ünï=\"🙂\"}"));
        check(r#""foo"="\u0041""#, Ok(r#"{foo="A"}"#));
    }

    #[test]
    fn what_only_the_classic_notation_reads_is_noted() {
        let noted = |text: &str, expected: &str| {
            let read = read_matchers(text).unwrap();
            assert_eq!(Matchers::new(read.matchers).to_string(), expected);
            assert!(read.note.is_some(), "{text}");
        };
        noted(r"foo=\d", r#"{foo="\\d"}"#);
        noted(r#"foo="\d""#, r#"{foo="\\d"}"#);
        noted("foo=~a b", r#"{foo=~"a b"}"#);
        noted("foo=", r#"{foo=""}"#);
        noted("foo=bar}", r#"{foo="bar"}"#);
        noted(r#"foo="\u0041""#, r#"{foo="\\u0041"}"#);
        assert_eq!(read_matchers("foo=\"bar\"").unwrap().note, None);
    }

    #[test]
    fn what_none_reads_is_refused() {
        check("foo", Err("bad matcher format: foo"));
        check("=x", Err("bad matcher format"));
        check("foo=~\"(\"", Err("invalid regular expression"));
        check("foo=\"a\"b\"", Err("matcher value contains unescaped double quote"));
        check("a b=c", Err("bad matcher format"));
        check("foo=bar,,", Err("bad matcher format"));
        assert_eq!(parse_matcher("{a=b}").unwrap_err(), "unexpected open or close brace: {a=b}");
        assert_eq!(parse_matcher("a=b").unwrap().value(), "b");
        assert_eq!(parse_matcher("\"a b\"=c").unwrap().name(), "a b");
        // one matcher of the classic notation, whose value holds a comma
        assert_eq!(parse_matcher("a=b,c=d").unwrap().value(), "b,c=d");
    }

    #[test]
    fn all_have_to_hold_and_absent_is_empty() {
        let labels = Labels::from_pairs([("a", "1"), ("b", "2")]);
        let check = |text: &str, expected: bool| {
            assert_eq!(Matchers::new(parse_matchers(text).unwrap()).matches(&labels), expected, "{text}");
        };
        check("{}", true);
        check("a=1,b=2", true);
        check("a=1,b=3", false);
        check("c=\"\"", true);
        check("c!=x", true);
        check("a=~\"1|2\",b!~\"[3-9]\"", true);
        check("a=~\"\"", false);
    }
}
