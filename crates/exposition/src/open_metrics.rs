//! OpenMetrics 1.0 text.
//!
//! Called by [`Parser::next`]. Stricter than text 0.0.4: single spaces only, no blank lines or free comments, and a page
//! that does not end with `# EOF` is not complete. `_created` samples are ordinary samples, as in Prometheus without
//! its experimental flags.

use crate::error::ParseError;
use crate::kind::MetricKind;
use crate::labels::{Span, unescape};
use crate::parser::{Entry, Exemplar, Parser, Quoted, SeriesEntry};

const NAME: Quoted = Quoted { newline: true, nul: false };
const VALUE: Quoted = Quoted { newline: false, nul: true };
const EXEMPLAR: Quoted = Quoted { newline: false, nul: false };

impl<'a> Parser<'a> {
    pub(crate) fn next_open_metrics(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        self.start = self.at;
        self.name = None;
        self.spans.clear();
        match self.peek() {
            None => Err(self.error("data does not end with # EOF")),
            Some(b'#') => self.om_comment(),
            Some(b'{') => {
                self.om_labels(false)?;
                self.om_sample().map(Some)
            }
            Some(_) => {
                self.name = self.bare_name(true);
                if self.name.is_none() {
                    return Err(self.expected("a valid start token"));
                }
                if self.peek() == Some(b'{') {
                    self.om_labels(false)?;
                }
                self.om_sample().map(Some)
            }
        }
    }

    fn om_comment(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"# EOF") {
            self.at += 5 + usize::from(rest.get(5) == Some(&b'\n'));
            return match self.peek() {
                None => Ok(None),
                Some(_) => Err(self.error("unexpected data after # EOF")),
            };
        }
        let what = match rest.get(..7) {
            Some(b"# HELP ") => "HELP",
            Some(b"# TYPE ") => "TYPE",
            Some(b"# UNIT ") => "UNIT",
            _ => return Err(self.expected("HELP, TYPE, UNIT or EOF after #")),
        };
        self.at += 7;
        let name = match self.peek() {
            Some(b'"') => self.quoted(NAME),
            _ => self.bare_name(true),
        };
        let name = name.ok_or_else(|| self.expected(&format!("metric name after {what}")))?;
        let end = memchr::memchr(b'\n', &self.bytes[self.at..]);
        let Some(length) = end.filter(|_| self.peek() == Some(b' ')) else {
            return Err(self.expected(&format!("text in {what}")));
        };
        let text = (self.at + 1, self.at + length);
        self.at = text.1 + 1;
        let name = self.text(name, "metric name")?;
        match what {
            "HELP" => Ok(Some(Entry::Help(name, unescape(self.text(text, "help text")?)))),
            "TYPE" => self.om_type(name, text).map(Some),
            _ => self.om_unit(name, text).map(Some),
        }
    }

    fn om_type(&mut self, name: &'a str, text: Span) -> Result<Entry<'a>, ParseError> {
        let stated = &self.bytes[text.0..text.1];
        self.kind = MetricKind::from_open_metrics(stated).ok_or_else(|| {
            self.error(format!("invalid metric type {:?}", String::from_utf8_lossy(stated)))
        })?;
        Ok(Entry::Type(name, self.kind))
    }

    fn om_unit(&mut self, name: &'a str, text: Span) -> Result<Entry<'a>, ParseError> {
        let unit = self.text(text, "unit")?;
        let is_suffix = name.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_'));
        if unit.is_empty() || is_suffix {
            return Ok(Entry::Unit(name, unit));
        }
        Err(self.error(format!("unit {unit:?} not a suffix of metric {name:?}")))
    }

    /// An exemplar's labels at hand, noted as those of the entry.
    pub(crate) fn exemplar_labels(&mut self) -> Result<(), ParseError> {
        self.om_braces(true, true)
    }

    fn om_labels(&mut self, exemplar: bool) -> Result<(), ParseError> {
        self.om_braces(exemplar, !exemplar)
    }

    /// Everything between braces, and the braces.
    fn om_braces(&mut self, exemplar: bool, note: bool) -> Result<(), ParseError> {
        self.at += 1;
        loop {
            let quoted = self.peek() == Some(b'"');
            let name = match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'"') => self.quoted(if exemplar { EXEMPLAR } else { NAME }),
                _ => self.bare_name(false),
            };
            let name = name.ok_or_else(|| self.expected("label name"))?;
            if quoted && !exemplar && matches!(self.peek(), Some(b',' | b'}')) {
                self.set_name(name)?;
            } else {
                self.om_label_value(name, exemplar, note)?;
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return Err(self.expected("comma or brace close")),
            }
        }
    }

    fn om_label_value(&mut self, name: Span, exemplar: bool, note: bool) -> Result<(), ParseError> {
        self.text(name, "label name")?;
        if self.peek() != Some(b'=') {
            return Err(self.expected("equal"));
        }
        self.at += 1;
        let value = match self.peek() {
            Some(b'"') => self.quoted(if exemplar { EXEMPLAR } else { VALUE }),
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected("label value"))?;
        self.text(value, "label value")?;
        if note {
            self.spans.push((name, value));
        }
        Ok(())
    }

    fn om_sample(&mut self) -> Result<Entry<'a>, ParseError> {
        let series = &self.bytes[self.start..self.at];
        if self.name.is_none() {
            return Err(self.error("metric name not set"));
        }
        let value = self.om_number("value after metric")?;
        let mut timestamp = None;
        if self.peek() == Some(b' ') && !self.bytes[self.at..].starts_with(b" # ") {
            timestamp = Some(self.om_timestamp("timestamp or new record")?);
        }
        let exemplar = match self.peek() {
            Some(b'\n') => None,
            Some(b' ') if self.bytes[self.at..].starts_with(b" # {") => Some(self.om_exemplar()?),
            None => return Err(self.error("data does not end with # EOF")),
            Some(_) if timestamp.is_some() => return Err(self.expected("next entry after timestamp")),
            Some(_) => return Err(self.expected("timestamp or new record")),
        };
        self.at += 1;
        Ok(Entry::Series(SeriesEntry { series, value, timestamp, exemplar }))
    }

    fn om_exemplar(&mut self) -> Result<Exemplar<'a>, ParseError> {
        self.at += 3;
        let start = self.at;
        self.om_labels(true)?;
        let labels = &self.bytes[start..self.at];
        let value = self.om_number("value after exemplar labels")?;
        let mut timestamp = None;
        if self.peek() == Some(b' ') {
            timestamp = Some(self.om_timestamp("timestamp or comment")?);
        }
        match self.peek() {
            Some(b'\n') => Ok(Exemplar { labels, value, timestamp }),
            None => Err(self.error("data does not end with # EOF")),
            Some(_) => Err(self.expected("next entry after exemplar timestamp")),
        }
    }

    /// One space, then a number.
    fn om_number(&mut self, what: &str) -> Result<f64, ParseError> {
        if self.peek() != Some(b' ') {
            return Err(self.expected(what));
        }
        self.at += 1;
        let span = self.token(|b| b == b' ').ok_or_else(|| self.expected(what))?;
        self.number(span)
    }

    /// Seconds, with a fraction, to milliseconds.
    fn om_timestamp(&mut self, what: &str) -> Result<i64, ParseError> {
        let seconds = self.om_number(what)?;
        if !seconds.is_finite() {
            return Err(self.error(format!("invalid timestamp {seconds}")));
        }
        let milliseconds = seconds * 1000.0;
        // what does not fit is so far off that the store refuses it; Go turns it into the smallest number
        let fits = (-9.2e18..9.2e18).contains(&milliseconds);
        Ok(if fits { milliseconds as i64 } else { i64::MIN })
    }
}
