//! What is wrong with a page, where, and the text it is about.
//!
//! Made by the parsers, shown as a target's last error. The text is cut, because a page may be one endless line.

use std::fmt;

/// The longest piece of a page that an error repeats, in bytes.
const MAX_TEXT: usize = 120;

/// A page that breaks the rules of its format; the scrape as a whole fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct ParseError {
    /// The 1-based line on which the entry starts.
    pub line: usize,
    /// What was expected or is wrong.
    pub reason: String,
    /// The entry up to and including what was found instead, at most 120 bytes of it.
    pub text: String,
}

impl ParseError {
    /// An error about `bytes[start..end]`.
    pub(crate) fn new(bytes: &[u8], start: usize, end: usize, reason: impl Into<String>) -> Self {
        let line = 1 + bytes[..start.min(bytes.len())].iter().filter(|b| **b == b'\n').count();
        let end = end.clamp(start, bytes.len());
        let from = end.saturating_sub(MAX_TEXT).max(start);
        let mut text = String::from_utf8_lossy(&bytes[from..end]).into_owned();
        if from > start {
            text.insert(0, '…');
        }
        Self { line, reason: reason.into(), text }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} while parsing: {:?}", self.line, self.reason, self.text)
    }
}
