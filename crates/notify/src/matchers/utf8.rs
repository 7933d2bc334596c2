//! The notation of matchers with UTF-8 names.
//!
//! Input: `{foo="bar","a b"=~x}`; braces may be left out, quotes where nothing reserved stands, and inside of quotes Go's escapes hold.
//! Output: matchers in the order written, or what is wrong and at which character.

use super::{build, is_reserved};
use tidewatch_model::{MatchOp, Matcher};

struct Reader<'a> {
    rest: &'a str,
    /// Characters read so far.
    column: usize,
}

/// Any number of matchers.
pub(super) fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let mut reader = Reader { rest: text, column: 0 };
    let mut matchers = Vec::new();
    let braces = reader.accepts('{');
    if !braces && reader.at_end() {
        return Ok(matchers);
    }
    if reader.peek() != Some('}') {
        loop {
            matchers.push(reader.matcher()?);
            if !reader.accepts(',') || reader.at_end() || reader.peek() == Some('}') {
                break;
            }
        }
    }
    match (braces, reader.accepts('}')) {
        (true, false) => return Err(reader.error("expected close brace")),
        (false, true) => return Err(reader.error("expected opening brace")),
        _ => {}
    }
    if reader.at_end() { Ok(matchers) } else { Err(reader.error("expected a comma or the end")) }
}

impl<'a> Reader<'a> {
    fn error(&self, message: &str) -> String {
        format!("at character {}: {message}", self.column)
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest.trim_start();
        self.column += self.rest[..self.rest.len() - rest.len()].chars().count();
        self.rest = rest;
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_blanks();
        self.rest.chars().next()
    }

    fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.column += taken.chars().count();
        self.rest = rest;
        taken
    }

    fn accepts(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.take(wanted.len_utf8());
        }
        found
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let name = self.text("label name")?;
        let op = self.operator()?;
        let value = self.text("label value")?;
        build(&name, op, &value)
    }

    fn operator(&mut self) -> Result<MatchOp, String> {
        self.skip_blanks();
        let operators = [
            ("!=", MatchOp::NotEqual),
            ("!~", MatchOp::NotRegex),
            ("=~", MatchOp::Regex),
            ("=", MatchOp::Equal),
        ];
        for (sign, op) in operators {
            if self.rest.starts_with(sign) {
                self.take(sign.len());
                return Ok(op);
            }
        }
        Err(self.error("expected an operator such as '=', '!=', '=~' or '!~'"))
    }

    /// A name or a value.
    fn text(&mut self, what: &str) -> Result<String, String> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let end = self.rest.find(is_reserved).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error(&format!("expected {what}")));
        }
        Ok(self.take(end).to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else { return Err(self.error("missing end \"")) };
        let inner = &self.rest[1..end];
        let text = unescaped(inner).ok_or_else(|| self.error("invalid input"))?;
        self.take(end + 1);
        Ok(text)
    }
}

/// Go's escapes inside of double quotes.
fn unescaped(inner: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let mut buffer = [0; 4];
        match c {
            '\n' => return None,
            '\\' => {
                match chars.next()? {
                    'a' => bytes.push(7),
                    'b' => bytes.push(8),
                    'f' => bytes.push(12),
                    'n' => bytes.push(b'\n'),
                    'r' => bytes.push(b'\r'),
                    't' => bytes.push(b'\t'),
                    'v' => bytes.push(11),
                    c @ ('\\' | '"') => bytes.push(c as u8),
                    'x' => bytes.push(u8::try_from(number(&mut chars, 2, 16)?).ok()?),
                    'u' => bytes
                        .extend(char::from_u32(number(&mut chars, 4, 16)?)?.encode_utf8(&mut buffer).bytes()),
                    'U' => bytes
                        .extend(char::from_u32(number(&mut chars, 8, 16)?)?.encode_utf8(&mut buffer).bytes()),
                    first @ '0'..='7' => {
                        let rest = number(&mut chars, 2, 8)?;
                        bytes.push(u8::try_from(first.to_digit(8)? * 64 + rest).ok()?);
                    }
                    _ => return None,
                }
            }
            c => bytes.extend(c.encode_utf8(&mut buffer).bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

fn number(chars: &mut std::str::Chars<'_>, digits: usize, radix: u32) -> Option<u32> {
    (0..digits)
        .try_fold(0u32, |value, _| value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?))
}
