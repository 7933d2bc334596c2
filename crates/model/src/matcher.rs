//! Label matchers: which series a selector means.
//!
//! Input: the name, operator and value of a matcher in a query or API call. Output: a decision per label value,
//! and, for a store's index, the plain values that an expression stands for where it is only a choice of them.

use crate::Labels;
use crate::re2::{AnchoredRegex, RegexError};
use std::fmt;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, over the whole value
    Regex,
    /// `!~`, over the whole value
    NotRegex,
}

/// A matcher that cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatcherError {
    /// The value of a `=~` or `!~` matcher is not a regular expression.
    #[error(transparent)]
    Regex(#[from] RegexError),
}

/// One condition on one label. An absent label counts as the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    test: Test,
}

/// The cheapest test that decides an expression.
#[derive(Clone, Debug)]
enum Test {
    /// One of these values, sorted.
    OneOf(Vec<String>),
    /// Everything, the empty value included: `.*`.
    Anything,
    /// Everything but the empty value: `.+`.
    NonEmpty,
    /// Starts with this text: `text.*`.
    Prefix(String),
    /// Anything else.
    Regex(Box<AnchoredRegex>),
}

impl Matcher {
    /// A matcher.
    ///
    /// # Errors
    /// When `op` takes a regular expression and `value` is none.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let test = match op {
            MatchOp::Equal | MatchOp::NotEqual => Test::OneOf(vec![value.clone()]),
            MatchOp::Regex | MatchOp::NotRegex => test_for(&value)?,
        };
        Ok(Self { name, op, value, test })
    }

    /// `name="value"`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = value.into();
        Self { name: name.into(), op: MatchOp::Equal, test: Test::OneOf(vec![value.clone()]), value }
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or expression as written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether the operator is one of `!=`, `!~`.
    pub fn is_negative(&self) -> bool {
        matches!(self.op, MatchOp::NotEqual | MatchOp::NotRegex)
    }

    /// Whether a value of the label satisfies the matcher.
    pub fn matches(&self, value: &str) -> bool {
        let found = match &self.test {
            Test::OneOf(values) if values.len() < 8 => values.iter().any(|v| v == value),
            Test::OneOf(values) => values.binary_search_by(|v| v.as_str().cmp(value)).is_ok(),
            Test::Anything => true,
            Test::NonEmpty => !value.is_empty(),
            Test::Prefix(prefix) => value.starts_with(prefix.as_str()),
            Test::Regex(regex) => regex.is_match(value),
        };
        found != self.is_negative()
    }

    /// Whether a label set satisfies the matcher.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name).unwrap_or_default())
    }

    /// Whether a series without the label satisfies the matcher.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The only values (sorted) that the expression, its negation aside, stands for; `None` when it is not such a
    /// choice. With a negative operator these are the values that do not match.
    pub fn choices(&self) -> Option<&[String]> {
        match &self.test {
            Test::OneOf(values) => Some(values),
            _ => None,
        }
    }

    /// The text with which every value of the expression begins, its negation aside; `None` when unknown.
    pub fn prefix(&self) -> Option<&str> {
        match &self.test {
            Test::Prefix(prefix) => Some(prefix),
            _ => None,
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

fn test_for(pattern: &str) -> Result<Test, RegexError> {
    let regex = AnchoredRegex::new(pattern)?;
    let plain = |text: &str| !text.contains(|c| r"\.+*?()|[]{}^$".contains(c));
    let inner = pattern.strip_prefix('(').and_then(|p| p.strip_suffix(')')).unwrap_or(pattern);
    let inner = inner.strip_prefix("?:").unwrap_or(inner);
    if inner.split('|').all(plain) {
        let mut values: Vec<String> = inner.split('|').map(str::to_owned).collect();
        values.sort_unstable();
        values.dedup();
        return Ok(Test::OneOf(values));
    }
    Ok(match pattern.strip_suffix(".*") {
        Some("") => Test::Anything,
        Some(prefix) if plain(prefix) => Test::Prefix(prefix.to_owned()),
        _ if pattern == ".+" => Test::NonEmpty,
        _ => Test::Regex(Box::new(regex)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_values() {
        use MatchOp::*;
        let check = |op, pattern: &str, value: &str, expected: bool| {
            let matcher = Matcher::new("l", op, pattern).unwrap();
            assert_eq!(matcher.matches(value), expected, "{matcher} on {value:?}");
        };
        check(Equal, "a", "a", true);
        check(Equal, "", "", true);
        check(NotEqual, "a", "", true);
        check(Regex, "5..", "503", true);
        check(Regex, "5..", "5030", false);
        check(Regex, "a|b|", "", true);
        check(Regex, "(a|b)", "b", true);
        check(Regex, "(a)|(b)", "b", true);
        check(Regex, "(?:api|web)", "web", true);
        check(Regex, "todo-.*", "todo-", true);
        check(Regex, "todo-.*", "xtodo-", false);
        check(Regex, ".*", "", true);
        check(Regex, ".+", "", false);
        check(NotRegex, ".+", "", true);
        check(NotRegex, "4..|5..", "500", false);
        check(NotRegex, "4..|5..", "200", true);
        check(Regex, "(?i)get", "GET", true);
    }

    #[test]
    fn a_choice_of_plain_values_is_known_to_the_index() {
        let choices = |pattern: &str| {
            let matcher = Matcher::new("l", MatchOp::Regex, pattern).unwrap();
            matcher.choices().map(<[String]>::to_vec)
        };
        assert_eq!(choices("b|a|b"), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(choices("a.*"), None);
    }
}
