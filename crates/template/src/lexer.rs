//! The text of a template as pieces: plain text, and the tokens of each action.
//!
//! Input: the text. Output: [`Piece`]s with their places; whitespace beside `{{-` and `-}}` and comments are gone. Tokens say whether a
//! space precedes them, since `.a.b` and `.a .b` differ.

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text that is copied.
    Text(String),
    /// What stands between `{{` and `}}`, with the place of its beginning.
    Action(Vec<Token>, usize),
}

/// A token, its place as a byte offset, and whether a space precedes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) at: usize,
    pub(crate) spaced: bool,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Word(String),
    Field(String),
    Dot,
    Variable(String),
    Int(i64),
    Float(f64),
    Text(String),
    Pipe,
    Open,
    Close,
    Declare,
    Assign,
    Comma,
}

/// What is wrong, and where.
pub(crate) type Mistake = (usize, String);

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Cuts a text into pieces.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, Mistake> {
    let (mut pieces, mut at, mut trim) = (Vec::new(), 0, false);
    let spaces: &[char] = &[' ', '\t', '\r', '\n'];
    loop {
        let Some(found) = text[at..].find(LEFT).map(|offset| at + offset) else {
            let rest = &text[at..];
            push_text(&mut pieces, if trim { rest.trim_start_matches(spaces) } else { rest });
            return Ok(pieces);
        };
        let mut before = &text[at..found];
        if trim {
            before = before.trim_start_matches(spaces);
        }
        let mut inside = found + LEFT.len();
        let bytes = text.as_bytes();
        if bytes.get(inside) == Some(&b'-') && bytes.get(inside + 1).is_some_and(|byte| is_space(*byte)) {
            before = before.trim_end_matches(spaces);
            inside += 1;
        }
        push_text(&mut pieces, before);
        let from = inside + text[inside..].len() - text[inside..].trim_start_matches(spaces).len();
        if text[from..].starts_with("/*") {
            (at, trim) = comment(text, from)?;
            continue;
        }
        let (tokens, end, trims) = Lexer { text, at: inside }.action()?;
        pieces.push(Piece::Action(tokens, found));
        (at, trim) = (end, trims);
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Where the action of a comment ends, and whether it trims what follows.
fn comment(text: &str, from: usize) -> Result<(usize, bool), Mistake> {
    let end = text[from..].find("*/").ok_or_else(|| (from, "unclosed comment".to_owned()))?;
    let after = from + end + 2;
    let rest = &text[after..];
    if rest.starts_with(RIGHT) {
        return Ok((after + RIGHT.len(), false));
    }
    let spaces = rest.bytes().take_while(|byte| is_space(*byte)).count();
    if spaces > 0 && rest[spaces..].starts_with("-}}") {
        return Ok((after + spaces + 3, true));
    }
    Err((from, "comment ends before closing delimiter".to_owned()))
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    /// The tokens up to the end of the action, the place behind it, and whether it trims what follows.
    fn action(mut self) -> Result<(Vec<Token>, usize, bool), Mistake> {
        let (mut tokens, mut parens) = (Vec::new(), 0_usize);
        loop {
            let spaces = self.rest().bytes().take_while(|byte| is_space(*byte)).count();
            let trims = spaces > 0 && self.rest()[spaces..].starts_with("-}}");
            if trims || self.rest()[spaces..].starts_with(RIGHT) {
                if parens > 0 {
                    return Err((self.at, "unclosed left paren".to_owned()));
                }
                let end = self.at + spaces + if trims { 3 } else { 2 };
                return Ok((tokens, end, trims));
            }
            self.at += spaces;
            let at = self.at;
            let kind = self.token()?;
            match kind {
                Kind::Open => parens += 1,
                Kind::Close if parens == 0 => return Err((at, "unexpected right paren".to_owned())),
                Kind::Close => parens -= 1,
                _ => {}
            }
            tokens.push(Token { kind, at, spaced: spaces > 0 });
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take(&mut self, bytes: usize, kind: Kind) -> Result<Kind, Mistake> {
        self.at += bytes;
        Ok(kind)
    }

    fn token(&mut self) -> Result<Kind, Mistake> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Err((self.at, "unclosed action".to_owned())) };
        let second = rest[first.len_utf8()..].chars().next();
        match first {
            '|' => self.take(1, Kind::Pipe),
            '(' => self.take(1, Kind::Open),
            ')' => self.take(1, Kind::Close),
            ',' => self.take(1, Kind::Comma),
            '=' => self.take(1, Kind::Assign),
            ':' if second == Some('=') => self.take(2, Kind::Declare),
            ':' => Err((self.at, "expected :=".to_owned())),
            '"' => self.string(),
            '`' => self.raw(),
            '\'' => self.character(),
            '$' => {
                let name = format!("${}", word(&rest[1..]));
                self.take(name.len(), Kind::Variable(name))
            }
            '.' if second.is_none_or(|next| !next.is_ascii_digit()) => {
                let name = word(&rest[1..]).to_owned();
                let kind = if name.is_empty() { Kind::Dot } else { Kind::Field(name.clone()) };
                self.take(1 + name.len(), kind)
            }
            '+' | '-' | '.' | '0'..='9' => self.number(),
            first if is_alphanumeric(first) => {
                let name = word(rest).to_owned();
                self.take(name.len(), Kind::Word(name))
            }
            other => Err((self.at, format!("unexpected {other:?} in command").replace('\'', "\""))),
        }
    }

    fn number(&mut self) -> Result<Kind, Mistake> {
        let rest = self.rest();
        let unsigned = rest.trim_start_matches(['+', '-']);
        let hexadecimal = unsigned.starts_with("0x") || unsigned.starts_with("0X");
        let mut length = 0;
        for (offset, one) in rest.char_indices() {
            let after_exponent = rest[..offset].ends_with(['e', 'E', 'p', 'P'])
                && !(hexadecimal && rest[..offset].ends_with(['e', 'E']));
            let part = one.is_ascii_alphanumeric() || one == '.' || one == '_';
            if !part && !(matches!(one, '+' | '-') && (offset == 0 || after_exponent)) {
                break;
            }
            length = offset + one.len_utf8();
        }
        let text = &rest[..length];
        let kind = parse_number(text).ok_or_else(|| (self.at, format!("bad number syntax: {text:?}")))?;
        self.take(length, kind)
    }

    fn string(&mut self) -> Result<Kind, Mistake> {
        let start = self.at;
        let mut out = String::new();
        let mut rest = self.rest()[1..].char_indices();
        while let Some((offset, one)) = rest.next() {
            match one {
                '"' => {
                    self.at = start + 1 + offset + 1;
                    return Ok(Kind::Text(out));
                }
                '\n' => break,
                '\\' => {
                    let escaped = escape(&mut rest).ok_or_else(|| (start, "invalid syntax".to_owned()))?;
                    out.push(escaped);
                }
                one => out.push(one),
            }
        }
        Err((start, "unterminated quoted string".to_owned()))
    }

    fn raw(&mut self) -> Result<Kind, Mistake> {
        let end = self.rest()[1..].find('`');
        let end = end.ok_or_else(|| (self.at, "unterminated raw quoted string".to_owned()))?;
        let text = self.rest()[1..=end].replace('\r', "");
        self.take(end + 2, Kind::Text(text))
    }

    fn character(&mut self) -> Result<Kind, Mistake> {
        let bad = || (self.at, "unterminated character constant".to_owned());
        let mut rest = self.rest()[1..].char_indices();
        let one = match rest.next().ok_or_else(bad)? {
            (_, '\\') => escape(&mut rest).ok_or_else(bad)?,
            (_, '\'' | '\n') => return Err(bad()),
            (_, one) => one,
        };
        match rest.next() {
            Some((offset, '\'')) => self.take(offset + 2, Kind::Int(i64::from(u32::from(one)))),
            _ => Err(bad()),
        }
    }
}

fn is_alphanumeric(one: char) -> bool {
    one == '_' || one.is_alphanumeric()
}

fn word(text: &str) -> &str {
    &text[..text.find(|one| !is_alphanumeric(one)).unwrap_or(text.len())]
}

/// What follows a backslash. `\x` and octal escapes above 127 stand for the character of that number.
fn escape(rest: &mut std::str::CharIndices<'_>) -> Option<char> {
    let (_, kind) = rest.next()?;
    let mut code = |count: usize, radix: u32, first: u32| {
        let mut value = first;
        for _ in 0..count {
            value = value.checked_mul(radix)? + rest.next()?.1.to_digit(radix)?;
        }
        char::from_u32(value)
    };
    match kind {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' | '\'' | '"' => Some(kind),
        'x' => code(2, 16, 0),
        'u' => code(4, 16, 0),
        'U' => code(8, 16, 0),
        '0'..='7' => code(2, 8, kind.to_digit(8)?),
        _ => None,
    }
}

/// A number as Go writes it: decimal, hexadecimal, octal or binary, with underscores between digits.
fn parse_number(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let radix = match lower.get(..2) {
        Some("0x") => Some((16, 2)),
        Some("0o") => Some((8, 2)),
        Some("0b") => Some((2, 2)),
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => {
            Some((8, 1))
        }
        _ => None,
    };
    if let Some((radix, prefix)) = radix {
        let magnitude = i128::from_str_radix(lower.get(prefix..)?, radix).ok()?;
        return i64::try_from(if negative { -magnitude } else { magnitude }).ok().map(Kind::Int);
    }
    if !lower.is_empty() && lower.bytes().all(|byte| byte.is_ascii_digit()) {
        let magnitude: i128 = lower.parse().ok()?;
        return i64::try_from(if negative { -magnitude } else { magnitude }).ok().map(Kind::Int);
    }
    if !lower.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-')) {
        return None;
    }
    let magnitude: f64 = lower.parse().ok()?;
    Some(Kind::Float(if negative { -magnitude } else { magnitude }))
}
