//! Labels of the entry at hand: borrowed from the page, unescaped only where something is escaped.
//!
//! Input: spans that a parser noted. Output: the metric's name and pairs in the order of the page, duplicates included.

use crate::float::parse_go_float;
use crate::kind::MetricKind;
use std::borrow::Cow;
use tidewatch_model::push_open_metrics_float;

/// A half-open range of bytes of the page.
pub(crate) type Span = (usize, usize);

/// The labels of one series as the page has them: in its order, duplicates and empty values included.
#[derive(Clone, Debug)]
pub struct LabelPairs<'p, 'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) kind: MetricKind,
    pub(crate) spans: std::slice::Iter<'p, (Span, Span)>,
}

impl<'a> Iterator for LabelPairs<'_, 'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    /// The next name and value. The values of `le` in a histogram and of `quantile` in a summary are rewritten as
    /// OpenMetrics writes numbers (`1` becomes `1.0`), as Prometheus 3 does.
    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.spans.next()?;
        let name = unescape(checked(self.bytes, *name));
        let value = unescape(checked(self.bytes, *value));
        let is_number = match self.kind {
            MetricKind::Histogram => name == "le",
            MetricKind::Summary => name == "quantile",
            _ => false,
        };
        match parse_go_float(value.as_bytes()).filter(|_| is_number) {
            Some(number) => {
                let mut text = String::with_capacity(8);
                push_open_metrics_float(&mut text, number);
                Some((name, Cow::Owned(text)))
            }
            None => Some((name, value)),
        }
    }
}

/// Text of which the parser has seen that it is UTF-8.
pub(crate) fn checked(bytes: &[u8], span: Span) -> &str {
    std::str::from_utf8(&bytes[span.0..span.1]).unwrap_or_default()
}

/// Replaces `\"`, `\\` and `\n`; any other backslash stands for itself.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    replace(text, true)
}

/// Replaces `\\` and `\n` as in the help of text 0.0.4, where quotes are not escaped.
pub(crate) fn unescape_help(text: &str) -> Cow<'_, str> {
    replace(text, false)
}

fn replace(text: &str, quotes: bool) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (escaped, length) = match rest.as_bytes().get(at + 1) {
            Some(b'\\') => ('\\', 2),
            Some(b'n') => ('\n', 2),
            Some(b'"') if quotes => ('"', 2),
            _ => ('\\', 1),
        };
        out.push(escaped);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_replaced() {
        let check = |text: &str, expected: &str, help: &str| {
            assert_eq!(unescape(text), expected);
            assert_eq!(unescape_help(text), help);
        };
        check("plain é", "plain é", "plain é");
        check(r#"a\"b"#, "a\"b", r#"a\"b"#);
        check(r"a\\nb\n", "a\\nb\n", "a\\nb\n");
        check(r"C:\x\", r"C:\x\", r"C:\x\");
    }
}
