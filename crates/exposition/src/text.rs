//! Prometheus text 0.0.4, with the quoted UTF-8 names of 1.0.0.
//!
//! Called by [`Parser::next`]. What Prometheus happens to accept is accepted, e.g. labels that no comma separates, line
//! feeds inside label values, a value right after the braces; a NUL byte at the start of a line ends the page.

use crate::error::ParseError;
use crate::kind::MetricKind;
use crate::labels::unescape_help;
use crate::parser::{Entry, Parser, Quoted, SeriesEntry};

/// Names in quotes may span lines.
const NAME: Quoted = Quoted { newline: true, nul: false };
/// So may label values, which may hold NUL bytes as well.
const VALUE: Quoted = Quoted { newline: true, nul: true };

impl<'a> Parser<'a> {
    pub(crate) fn next_text(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        loop {
            self.start = self.at;
            self.name = None;
            self.spans.clear();
            self.skip_blanks();
            match self.peek() {
                None | Some(0) => return Ok(None),
                Some(b'\n') => self.at += 1,
                Some(b'#') => return self.text_comment(),
                Some(b'{') => {
                    self.text_labels()?;
                    return self.text_sample().map(Some);
                }
                Some(_) => {
                    let name = self.bare_name(true).ok_or_else(|| self.expected("a valid start token"))?;
                    // as in Prometheus, blanks before the name belong to it
                    self.name = Some((self.start, name.1));
                    let end = self.at;
                    self.skip_blanks();
                    if self.peek() == Some(b'{') {
                        self.text_labels()?;
                    } else {
                        self.at = end;
                    }
                    return self.text_sample().map(Some);
                }
            }
        }
    }

    fn text_comment(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        self.at += 1;
        let spaced = matches!(self.peek(), Some(b' ' | b'\t'));
        self.skip_blanks();
        let rest = &self.bytes[self.at..];
        let is_meta = spaced && rest.len() > 4 && matches!(rest[4], b' ' | b'\t');
        match rest.get(..4) {
            Some(b"HELP") if is_meta => self.text_meta(true).map(Some),
            Some(b"TYPE") if is_meta => self.text_meta(false).map(Some),
            _ => {
                let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                if !spaced && memchr::memchr(0, &rest[..end]).is_some() {
                    return Ok(None);
                }
                self.at += end;
                Ok(Some(Entry::Comment))
            }
        }
    }

    fn text_meta(&mut self, help: bool) -> Result<Entry<'a>, ParseError> {
        self.at += 4;
        self.skip_blanks();
        let after = if help { "metric name after HELP" } else { "metric name after TYPE" };
        let name = match self.peek() {
            Some(b'"') => self.quoted(NAME),
            _ => self.bare_name(true),
        };
        let name = name.ok_or_else(|| self.expected(after))?;
        let rest = &self.bytes[self.at..];
        let end = self.at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        // one byte separates name and text; a text of blanks only is no text
        let blank = self.bytes[self.at..end].iter().all(|b| matches!(b, b' ' | b'\t'));
        let text = if blank { (end, end) } else { (self.at + 1, end) };
        if self.bytes.get(self.at) == Some(&0) {
            return Err(self.error("linebreak expected after metadata"));
        }
        self.at = end;
        let name = self.text(name, "metric name")?;
        if help {
            return Ok(Entry::Help(name, unescape_help(self.text(text, "help text")?)));
        }
        let stated = &self.bytes[text.0..text.1];
        self.kind = MetricKind::from_text_004(stated).ok_or_else(|| {
            self.error(format!("invalid metric type {:?}", String::from_utf8_lossy(stated)))
        })?;
        Ok(Entry::Type(name, self.kind))
    }

    /// Everything between braces, and the braces.
    fn text_labels(&mut self) -> Result<(), ParseError> {
        self.at += 1;
        self.skip_blanks();
        loop {
            let quoted = self.peek() == Some(b'"');
            let name = match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'"') => self.quoted(NAME),
                _ => self.bare_name(false),
            };
            let name = name.ok_or_else(|| self.expected("label name"))?;
            self.skip_blanks();
            if quoted && matches!(self.peek(), Some(b',' | b'}')) {
                self.set_name(name)?;
            } else {
                self.text_label_value(name)?;
                self.skip_blanks();
            }
            // a comma is optional, so that whatever follows it is read by the next round
            if self.peek() == Some(b',') {
                self.at += 1;
                self.skip_blanks();
            }
        }
    }

    fn text_label_value(&mut self, name: (usize, usize)) -> Result<(), ParseError> {
        self.text(name, "label name")?;
        if self.peek() != Some(b'=') {
            return Err(self.expected("equal"));
        }
        self.at += 1;
        self.skip_blanks();
        let value = match self.peek() {
            Some(b'"') => self.quoted(VALUE),
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected("label value"))?;
        self.text(value, "label value")?;
        self.spans.push((name, value));
        Ok(())
    }

    /// A quoted string that stands alone between the braces is the metric's name.
    pub(crate) fn set_name(&mut self, name: (usize, usize)) -> Result<(), ParseError> {
        if self.name.is_some() {
            return Err(self.error("metric name already set"));
        }
        self.text(name, "metric name")?;
        self.name = Some(name);
        Ok(())
    }

    fn text_sample(&mut self) -> Result<Entry<'a>, ParseError> {
        let series = &self.bytes[self.start..self.at];
        if self.name.is_none() {
            return Err(self.error("metric name not set"));
        }
        self.skip_blanks();
        let value = self.token(|b| matches!(b, b' ' | b'\t' | b'{'));
        let value = value.ok_or_else(|| self.expected("value after metric"))?;
        let value = self.number(value)?;
        self.skip_blanks();
        let mut timestamp = None;
        if self.peek().is_some_and(|b| b.is_ascii_digit()) {
            let start = self.at;
            while self.peek().is_some_and(|b| b.is_ascii_digit()) {
                self.at += 1;
            }
            let digits = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
            timestamp = Some(digits.parse().map_err(|_| self.error("timestamp out of range"))?);
            self.skip_blanks();
        }
        match self.peek() {
            None => {}
            Some(b'\n') => self.at += 1,
            Some(_) if timestamp.is_some() => return Err(self.expected("next entry after timestamp")),
            Some(_) => return Err(self.expected("timestamp or new record")),
        }
        Ok(Entry::Series(SeriesEntry { series, value, timestamp, exemplar: None }))
    }
}
