//! What the text of a matcher says about the values that it can hold for.
//!
//! Input: a matcher. Output: how every such value begins, or what is in it; nothing where the text does not say so plainly. It may say
//! less than is true, never more.

use tidewatch_model::{MatchOp, Matcher};

/// How a value begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It is this text.
    Whole(String),
    /// It begins with this text.
    Start(String),
}

impl Beginning {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Whole(text) | Self::Start(text) => text,
        }
    }
}

/// Characters that mean something in a pattern.
const SPECIAL: [char; 14] = ['\\', '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$', '|'];

/// How values begin that a matcher holds for: in one of these ways. No text is empty.
pub(super) fn beginnings(matcher: &Matcher) -> Option<Vec<Beginning>> {
    let found: Vec<Beginning> = match matcher.op() {
        MatchOp::Equal => vec![Beginning::Whole(matcher.value().to_owned())],
        MatchOp::Regex => match (matcher.choices(), matcher.prefix()) {
            (Some(values), _) => values.iter().cloned().map(Beginning::Whole).collect(),
            (None, Some(prefix)) => vec![Beginning::Start(prefix.to_owned())],
            (None, None) => starts(matcher.value())?,
        },
        MatchOp::NotEqual | MatchOp::NotRegex => return None,
    };
    let is_plain = found.iter().all(|beginning| !beginning.text().is_empty());
    Some(found).filter(|found| is_plain && !found.is_empty())
}

/// How a pattern's alternatives begin.
fn starts(pattern: &str) -> Option<Vec<Beginning>> {
    // within these a bar or a text need not be what it looks like
    if pattern.contains(['(', '[', '\\']) && pattern.contains('|') || pattern.contains("(?") {
        return None;
    }
    Some(pattern.split('|').map(|alternative| Beginning::Start(runs(alternative).remove(0))).collect())
}

/// A label and a text that is in every value that a matcher holds for.
pub(super) fn contained(matcher: &Matcher) -> Option<(String, String)> {
    let pattern = matcher.value();
    let is_plain = matcher.op() == MatchOp::Regex && !pattern.contains(['(', ')', '[', '\\', '|', '{']);
    let longest = runs(pattern).into_iter().max_by_key(String::len);
    let longest = longest.filter(|text| is_plain && !text.is_empty())?;
    Some((matcher.name().to_owned(), longest))
}

/// The texts between special characters, the first of which is the beginning. A character that need not be there is not in one.
fn runs(pattern: &str) -> Vec<String> {
    let mut runs = vec![String::new()];
    for c in pattern.chars() {
        if !SPECIAL.contains(&c) {
            runs.last_mut().expect("there is one from the start").push(c);
            continue;
        }
        if matches!(c, '*' | '?' | '{') {
            runs.last_mut().expect("there is one from the start").pop();
        }
        runs.push(String::new());
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(pattern: &str) -> Matcher {
        Matcher::new("a", MatchOp::Regex, pattern).unwrap()
    }

    #[test]
    fn patterns_say_how_values_begin() {
        let check = |pattern: &str, expected: Option<&[&str]>| {
            let found = beginnings(&matcher(pattern));
            let texts = found.map(|found| found.iter().map(|b| b.text().to_owned()).collect::<Vec<_>>());
            assert_eq!(
                texts.as_deref(),
                expected.map(|e| e.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>()).as_deref(),
                "{pattern}"
            );
        };
        check("web.*", Some(&["web"]));
        check("web|api", Some(&["api", "web"]));
        check("web-[0-9]+", Some(&["web-"]));
        check("web-.*|api.+x", Some(&["web-", "api"]));
        check("webs?", Some(&["web"]));
        check("webs{0,1}-", Some(&["web"]));
        check("web+", Some(&["web"]));
        check("w\\.b", Some(&["w"]));
        check("^web.*x", None);
        check("(?i)web.x", None);
        check("x(?i)web.x", None);
        check("x(a|b)y.", None);
        check("[a|b]y.", None);
        check(".*web", None);
        check("w*b.", None);
        check("|web.x", None);
    }

    #[test]
    fn patterns_say_what_is_in_values() {
        let check = |pattern: &str, expected: Option<&str>| {
            assert_eq!(contained(&matcher(pattern)).map(|(_, text)| text).as_deref(), expected, "{pattern}");
        };
        check(".*-prod-.*", Some("-prod-"));
        check(".+abb?c.*", Some("ab"));
        check(".*(x|y).*", None);
        check(".*", None);
        check("(?i).*x", None);
    }
}
