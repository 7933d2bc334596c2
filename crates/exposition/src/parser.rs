//! Walks over a page, entry by entry, without allocating for samples.
//!
//! Input: the bytes of a page and its format. Output: entries that borrow from the page; the labels of the last series
//! are asked for separately, since a scrape that knows the series text already does not need them. Accepts and refuses
//! what Prometheus 3.16 accepts and refuses; nothing is accepted that it refuses.

use crate::content_type::Format;
use crate::error::ParseError;
use crate::float::parse_go_float;
use crate::kind::MetricKind;
use crate::labels::{LabelPairs, Span, checked, unescape};
use std::borrow::Cow;

/// One entry of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A sample.
    Series(SeriesEntry<'a>),
    /// `# HELP`: the family's name and what it is, unescaped.
    Help(&'a str, Cow<'a, str>),
    /// `# TYPE`: the family's name and type.
    Type(&'a str, MetricKind),
    /// `# UNIT` (OpenMetrics): the family's name and unit.
    Unit(&'a str, &'a str),
    /// Any other comment.
    Comment,
}

/// A sample as the page has it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesEntry<'a> {
    /// Name and labels as written. Equal texts (after the same `# TYPE`) mean equal labels, so this is a key.
    pub series: &'a [u8],
    /// The value; every NaN has the same bits and is no staleness marker.
    pub value: f64,
    /// Milliseconds since the Unix epoch, if the page says so.
    pub timestamp: Option<i64>,
    /// The exemplar (OpenMetrics).
    pub exemplar: Option<Exemplar<'a>>,
}

/// An example of what was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar<'a> {
    /// Its labels as written, with the closing brace.
    pub labels: &'a [u8],
    /// Its value.
    pub value: f64,
    /// Milliseconds since the Unix epoch, if given.
    pub timestamp: Option<i64>,
}

impl<'a> Exemplar<'a> {
    /// Names and values of its labels in the order of the page, duplicates included.
    pub fn pairs(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let mut parser = Parser::new(self.labels, Format::OpenMetrics);
        match parser.exemplar_labels() {
            Ok(()) => {
                let text = |span: Span| unescape(checked(self.labels, span));
                parser.spans.iter().map(|(name, value)| (text(*name), text(*value))).collect()
            }
            // the parser that gave these labels has checked them
            Err(_) => Vec::new(),
        }
    }
}

/// Reads one page.
#[derive(Debug)]
pub struct Parser<'a> {
    pub(crate) bytes: &'a [u8],
    /// The page as text, when all of it is: then no part of it needs to be checked again.
    pub(crate) whole: Option<&'a str>,
    pub(crate) at: usize,
    /// Where the current entry starts.
    pub(crate) start: usize,
    /// The last `# TYPE`, whatever family it was for.
    pub(crate) kind: MetricKind,
    pub(crate) name: Option<Span>,
    pub(crate) spans: Vec<(Span, Span)>,
    format: Format,
}

impl<'a> Parser<'a> {
    /// A parser at the start of a page.
    pub fn new(page: &'a [u8], format: Format) -> Self {
        Self {
            bytes: page,
            whole: std::str::from_utf8(page).ok(),
            at: 0,
            start: 0,
            kind: MetricKind::Unknown,
            name: None,
            spans: Vec::with_capacity(16),
            format,
        }
    }

    /// The next entry; `None` at the end of the page.
    ///
    /// # Errors
    /// When the page breaks the rules of its format. Nothing more can be read then.
    #[allow(clippy::should_implement_trait)] // an entry may not outlive the page, but a failed page has no next one
    pub fn next(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        match self.format {
            Format::Text => self.next_text(),
            Format::OpenMetrics => self.next_open_metrics(),
        }
    }

    /// The name of the last series, unescaped.
    pub fn metric_name(&self) -> Cow<'a, str> {
        self.name.map_or(Cow::Borrowed(""), |span| unescape(checked(self.bytes, span)))
    }

    /// The labels of the last series without its name, in the order of the page, duplicates included.
    pub fn labels(&self) -> LabelPairs<'_, 'a> {
        LabelPairs { bytes: self.bytes, kind: self.kind, spans: self.spans.iter() }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// An error about the entry up to the byte at hand.
    pub(crate) fn error(&self, reason: impl Into<String>) -> ParseError {
        ParseError::new(self.bytes, self.start, self.at + 1, reason)
    }

    pub(crate) fn expected(&self, what: &str) -> ParseError {
        let found = match self.peek() {
            None => "the end of the page".to_owned(),
            Some(byte) => format!("{:?}", char::from(byte)),
        };
        self.error(format!("expected {what}, got {found}"))
    }

    /// Text that has to be UTF-8.
    pub(crate) fn text(&self, span: Span, what: &str) -> Result<&'a str, ParseError> {
        match self.whole {
            Some(whole) => Ok(&whole[span.0..span.1]),
            None => std::str::from_utf8(&self.bytes[span.0..span.1])
                .map_err(|_| self.error(format!("{what} is not valid UTF-8"))),
        }
    }

    /// A bare name: a letter, `_` or `:` (in metric names), then also digits.
    pub(crate) fn bare_name(&mut self, colon: bool) -> Option<Span> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            let letter = byte.is_ascii_alphabetic() || byte == b'_' || (colon && byte == b':');
            if !(letter || (self.at > start && byte.is_ascii_digit())) {
                break;
            }
            self.at += 1;
        }
        (self.at > start).then_some((start, self.at))
    }

    /// A quoted string at hand, without its quotes; `None` when it does not end.
    pub(crate) fn quoted(&mut self, rules: Quoted) -> Option<Span> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let found = memchr::memchr2(b'"', b'\\', self.bytes.get(at..)?)?;
            let piece = &self.bytes[at..at + found];
            if !rules.newline && memchr::memchr(b'\n', piece).is_some()
                || !rules.nul && memchr::memchr(0, piece).is_some()
            {
                return None;
            }
            at += found;
            if self.bytes[at] == b'"' {
                self.at = at + 1;
                return Some((start, at));
            }
            at += 1;
            if rules.nul {
                while self.bytes.get(at) == Some(&0) {
                    at += 1;
                }
            }
            match self.bytes.get(at) {
                None | Some(b'\n' | 0) => return None,
                Some(_) => at += 1,
            }
        }
    }

    /// Everything up to a byte that ends a value.
    pub(crate) fn token(&mut self, ends: impl Fn(u8) -> bool) -> Option<Span> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            if ends(byte) || byte == 0 || byte == b'\n' {
                break;
            }
            self.at += 1;
        }
        (self.at > start).then_some((start, self.at))
    }

    pub(crate) fn number(&self, span: Span) -> Result<f64, ParseError> {
        let text = &self.bytes[span.0..span.1];
        parse_go_float(text).ok_or_else(|| {
            ParseError::new(
                self.bytes,
                self.start,
                span.1,
                format!("invalid number {:?}", String::from_utf8_lossy(text)),
            )
        })
    }
}

/// What a quoted string may contain besides plain characters and escapes.
#[derive(Clone, Copy)]
pub(crate) struct Quoted {
    pub(crate) newline: bool,
    pub(crate) nul: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walk(page: &[u8], format: Format) -> Result<usize, ParseError> {
        let mut parser = Parser::new(page, format);
        let mut labels = 0;
        while let Some(entry) = parser.next()? {
            if let Entry::Series(_) = entry {
                labels += parser.labels().map(|(name, value)| name.len() + value.len()).sum::<usize>();
                labels += parser.metric_name().len();
            }
        }
        Ok(labels)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_bytes_are_read_or_refused(page in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = walk(&page, Format::Text);
            let _ = walk(&page, Format::OpenMetrics);
        }

        #[test]
        fn bytes_close_to_a_page_are_read_or_refused(
            page in "(# (HELP|TYPE|UNIT|EOF)?|[a-z]\\{?|\"[a\\\\é\n\0]*\"?|[ ,={}\t\n#]|[0-9.e+_]{1,4}|counter|histogram){0,30}",
            cut in 0usize..40,
        ) {
            let bytes = page.as_bytes();
            let bytes = &bytes[..bytes.len().saturating_sub(cut)];
            for format in [Format::Text, Format::OpenMetrics] {
                if let Err(error) = walk(bytes, format) {
                    prop_assert!(error.line >= 1 && error.line <= 1 + bytes.iter().filter(|b| **b == b'\n').count());
                }
            }
        }

        #[test]
        fn what_is_written_is_read(
            labels in proptest::collection::btree_map("[a-z_][a-z0-9_]{0,8}", "\\PC{0,12}|[\\\\\"\n]{0,4}", 0..4),
            value in any::<f64>(),
        ) {
            let pairs: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let mut page = String::new();
            crate::TextWriter::new(&mut page)
                .family("m", MetricKind::Gauge, "a\\b\nc")
                .sample("m", &pairs, value);
            let mut parser = Parser::new(page.as_bytes(), Format::Text);
            prop_assert_eq!(parser.next().unwrap(), Some(Entry::Help("m", "a\\b\nc".into())));
            prop_assert_eq!(parser.next().unwrap(), Some(Entry::Type("m", MetricKind::Gauge)));
            let Some(Entry::Series(entry)) = parser.next().unwrap() else { panic!("no sample in {page}") };
            prop_assert!(entry.value == value || (entry.value.is_nan() && value.is_nan()));
            let read: Vec<(String, String)> = parser.labels().map(|(n, v)| (n.into(), v.into())).collect();
            let written: Vec<(String, String)> = labels.into_iter().collect();
            prop_assert_eq!(read, written);
        }
    }
}
