//! Text to tokens.
//!
//! Input: a query. Output: its tokens with their positions, ended by the end of input or by the first character that
//! fits nowhere. What a word means depends on where it stands: inside braces keywords are label names, inside
//! brackets only durations are read. It does not know about grammar beyond that.

use crate::ast::{AggregateOp, BinaryOp};
use crate::go_format::{quote, quote_char};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Bool,
    By,
    GroupLeft,
    GroupRight,
    Fill,
    Ignoring,
    Offset,
    Smoothed,
    Anchored,
    On,
    Without,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    End,
    /// The text of the token is the message.
    Error,
    Identifier,
    MetricIdentifier,
    Text,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=` in a matcher
    Assign,
    RegexMatch,
    RegexNotMatch,
    At,
    Operator(BinaryOp),
    Aggregator(AggregateOp),
    Keyword(Keyword),
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) text: String,
}

impl Token {
    pub(crate) fn end(&self) -> usize {
        self.start + if self.kind == Kind::Error { 0 } else { self.text.len() }
    }

    /// How messages call the token.
    pub(crate) fn description(&self) -> String {
        let shown = || {
            if self.text.chars().count() > 10 {
                let short: String = self.text.chars().take(10).collect();
                format!("{}...", quote(&short))
            } else {
                quote(&self.text)
            }
        };
        match self.kind {
            Kind::End => "end of input".to_owned(),
            Kind::Error => self.text.clone(),
            Kind::Identifier => format!("identifier {}", quote(&self.text)),
            Kind::MetricIdentifier => format!("metric identifier {}", quote(&self.text)),
            Kind::Text => format!("string {}", shown()),
            Kind::Number => format!("number {}", shown()),
            Kind::Duration => format!("duration {}", shown()),
            Kind::Keyword(
                Keyword::Start
                | Keyword::End
                | Keyword::Step
                | Keyword::Range
                | Keyword::MaxOf
                | Keyword::MinOf,
            ) => shown(),
            Kind::Keyword(_) => format!("<{}>", self.text),
            Kind::Operator(_) | Kind::RegexMatch | Kind::RegexNotMatch | Kind::At => {
                format!("<op:{}>", self.text)
            }
            Kind::Aggregator(_) => format!("<aggr:{}>", self.text),
            _ => shown(),
        }
    }
}

/// The tokens of a query. The last one is the end of input or an error.
pub(crate) fn tokens(input: &str) -> Vec<Token> {
    let mut lexer = Lexer { input, at: 0, start: 0, parens: 0, brace: false, bracket: None, out: Vec::new() };
    while lexer.step() {}
    lexer.out
}

/// What has been read since a `[`.
#[derive(Clone, Copy, Default)]
struct Bracket {
    duration: bool,
    colon: bool,
    /// A number or duration has ended: operators and `:` follow, as between statements.
    statement: bool,
}

struct Lexer<'a> {
    input: &'a str,
    at: usize,
    start: usize,
    parens: i32,
    brace: bool,
    bracket: Option<Bracket>,
    out: Vec<Token>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_word(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.input[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.at += 1;
        }
        found
    }

    fn skip_while(&mut self, test: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&test) {
            self.next();
        }
    }

    fn emit(&mut self, kind: Kind) -> bool {
        let text = self.input[self.start..self.at].to_owned();
        self.out.push(Token { kind, start: self.start, text });
        true
    }

    fn fail(&mut self, message: String) -> bool {
        self.out.push(Token { kind: Kind::Error, start: self.start, text: message });
        false
    }

    /// Reads one token; false after the last.
    fn step(&mut self) -> bool {
        loop {
            self.skip_while(is_space);
            if self.peek() != Some('#') {
                break;
            }
            self.skip_while(|c| c != '\n' && c != '\r');
        }
        self.start = self.at;
        if self.brace {
            return self.inside_braces();
        }
        if self.bracket.is_some_and(|b| !b.statement) {
            return self.inside_brackets();
        }
        self.statement()
    }

    fn end_of_input(&mut self) -> bool {
        if self.parens != 0 {
            return self.fail("unclosed left parenthesis".to_owned());
        }
        if self.bracket.is_some() {
            return self.fail("unclosed left bracket".to_owned());
        }
        self.emit(Kind::End);
        false
    }

    fn statement(&mut self) -> bool {
        let Some(c) = self.next() else { return self.end_of_input() };
        match c {
            ',' => self.emit(Kind::Comma),
            '=' => match self.peek() {
                Some('=') => {
                    self.next();
                    self.emit(Kind::Operator(BinaryOp::Equal))
                }
                Some('~') => self.fail("unexpected character after '=': '~'".to_owned()),
                _ => self.emit(Kind::Assign),
            },
            '!' => match self.next() {
                Some('=') => self.emit(Kind::Operator(BinaryOp::NotEqual)),
                other => {
                    let shown = other.map_or_else(|| "'�'".to_owned(), quote_char);
                    self.fail(format!("unexpected character after '!': {shown}"))
                }
            },
            '0'..='9' => self.number_or_duration(),
            '.' if self.peek().is_some_and(|d| d.is_ascii_digit()) => self.number_or_duration(),
            '"' | '\'' => self.quoted(c),
            '`' => self.raw(),
            '(' | ')' => self.paren(c),
            '{' => {
                self.brace = true;
                self.emit(Kind::LeftBrace)
            }
            '[' if self.bracket.is_some() => self.fail("unexpected left bracket '['".to_owned()),
            '[' => {
                self.bracket = Some(Bracket::default());
                self.emit(Kind::LeftBracket)
            }
            ']' if self.bracket.is_none() => self.fail("unexpected right bracket ']'".to_owned()),
            ']' => {
                self.bracket = None;
                self.emit(Kind::RightBracket)
            }
            '@' => self.emit(Kind::At),
            c if is_alpha(c) || c == ':' => self.word_in_statement(c),
            c => match operator(c) {
                Some(op) => self.operator(op),
                None => self.fail(format!("unexpected character: {}", quote_char(c))),
            },
        }
    }

    fn operator(&mut self, op: BinaryOp) -> bool {
        let op = match op {
            BinaryOp::Less if self.accept("=") => BinaryOp::LessOrEqual,
            BinaryOp::Less if self.accept("/") => BinaryOp::TrimUpper,
            BinaryOp::Greater if self.accept("=") => BinaryOp::GreaterOrEqual,
            BinaryOp::Greater if self.accept("/") => BinaryOp::TrimLower,
            op => op,
        };
        self.emit(Kind::Operator(op))
    }

    fn paren(&mut self, c: char) -> bool {
        if c == '(' {
            self.parens += 1;
            return self.emit(Kind::LeftParen);
        }
        self.emit(Kind::RightParen);
        self.parens -= 1;
        if self.parens < 0 {
            self.out.pop();
            self.start = self.at;
            return self.fail("unexpected right parenthesis ')'".to_owned());
        }
        true
    }

    fn word_in_statement(&mut self, c: char) -> bool {
        let Some(mut bracket) = self.bracket else {
            self.skip_while(|c| is_word(c) || c == ':');
            return self.word();
        };
        if c == ':' {
            if bracket.colon {
                return self.fail("unexpected colon ':'".to_owned());
            }
            bracket.colon = true;
            self.bracket = Some(bracket);
            return self.emit(Kind::Colon);
        }
        if let Some(keyword) = self.duration_keyword(c) {
            return self.emit(Kind::Keyword(keyword));
        }
        self.fail(format!("unexpected character: {}, expected ':'", quote_char(c)))
    }

    fn duration_keyword(&mut self, first: char) -> Option<Keyword> {
        if !"srmSRM".contains(first) {
            return None;
        }
        self.skip_while(is_alpha);
        match self.input[self.start..self.at].to_ascii_lowercase().as_str() {
            "step" => Some(Keyword::Step),
            "range" => Some(Keyword::Range),
            "max_of" => Some(Keyword::MaxOf),
            "min_of" => Some(Keyword::MinOf),
            _ => None,
        }
    }

    fn word(&mut self) -> bool {
        let word = &self.input[self.start..self.at];
        let kind = match keyword(&word.to_ascii_lowercase()) {
            Some(Kind::Keyword(Keyword::Fill))
                if !self.input[self.at..].trim_start_matches(is_space).starts_with('(') =>
            {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn inside_braces(&mut self) -> bool {
        let Some(c) = self.next() else {
            return self.fail("unexpected end of input inside braces".to_owned());
        };
        match c {
            ',' => self.emit(Kind::Comma),
            '"' | '\'' => self.quoted(c),
            '`' => self.raw(),
            '=' if self.accept("~") => self.emit(Kind::RegexMatch),
            '=' => self.emit(Kind::Assign),
            '!' => match self.next() {
                Some('~') => self.emit(Kind::RegexNotMatch),
                Some('=') => self.emit(Kind::Operator(BinaryOp::NotEqual)),
                other => {
                    let shown = other.map_or_else(|| "'�'".to_owned(), quote_char);
                    self.fail(format!("unexpected character after '!' inside braces: {shown}"))
                }
            },
            '{' => self.fail("unexpected left brace '{'".to_owned()),
            '}' => {
                self.brace = false;
                self.emit(Kind::RightBrace)
            }
            c if is_alpha(c) => {
                self.skip_while(is_word);
                self.emit(Kind::Identifier)
            }
            c => self.fail(format!("unexpected character inside braces: {}", quote_char(c))),
        }
    }

    fn inside_brackets(&mut self) -> bool {
        let mut bracket = self.bracket.unwrap_or_default();
        let Some(c) = self.next() else {
            return self.fail("unexpected end of input in duration expression".to_owned());
        };
        match c {
            ']' => {
                self.bracket = None;
                self.emit(Kind::RightBracket)
            }
            ':' if !bracket.duration => {
                self.start = self.at;
                self.fail("unexpected colon before duration in duration expression".to_owned())
            }
            ':' if bracket.colon => {
                self.start = self.at;
                self.fail("unexpected repeated colon in duration expression".to_owned())
            }
            ':' => {
                bracket.colon = true;
                self.bracket = Some(bracket);
                self.emit(Kind::Colon)
            }
            '(' | ')' => self.paren(c),
            ',' => self.emit(Kind::Comma),
            '0'..='9' | '.' if c != '.' || self.peek().is_some_and(|d| d.is_ascii_digit()) => {
                bracket.duration = true;
                bracket.statement = true;
                self.bracket = Some(bracket);
                self.number_or_duration()
            }
            '+' | '-' | '*' | '/' | '%' | '^' => {
                let op = operator(c).expect("listed above");
                self.emit(Kind::Operator(op))
            }
            c => match self.duration_keyword(c) {
                Some(keyword) => {
                    bracket.duration = true;
                    self.bracket = Some(bracket);
                    self.emit(Kind::Keyword(keyword))
                }
                None => self.fail(format!("unexpected character in duration expression: {}", quote_char(c))),
            },
        }
    }

    fn quoted(&mut self, delimiter: char) -> bool {
        loop {
            match self.next() {
                Some('\\') => {
                    if let Err(message) = self.escape(delimiter) {
                        return self.fail(message);
                    }
                }
                None | Some('\n') => return self.fail("unterminated quoted string".to_owned()),
                Some(c) if c == delimiter => return self.emit(Kind::Text),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, delimiter: char) -> Result<(), String> {
        let unterminated = || "escape sequence not terminated".to_owned();
        let mut c = self.next().ok_or_else(unterminated)?;
        let (count, base, limit) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == delimiter => return Ok(()),
            '0'..='7' => (3, 8, 255),
            'x' | 'u' | 'U' => {
                let (count, limit) = match c {
                    'x' => (2, 255),
                    'u' => (4, 0x0010_ffff),
                    _ => (8, 0x0010_ffff),
                };
                c = self.next().ok_or_else(unterminated)?;
                (count, 16, limit)
            }
            c => return Err(format!("unknown escape sequence U+{:04X} '{c}'", c as u32)),
        };
        let mut value = 0u32;
        for left in (0..count).rev() {
            let digit = c
                .to_digit(base)
                .ok_or_else(|| format!("illegal character U+{:04X} '{c}' in escape sequence", c as u32))?;
            value = value.wrapping_mul(base).wrapping_add(digit);
            if left > 0 {
                c = self.next().ok_or_else(unterminated)?;
            }
        }
        if value > limit || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }

    fn raw(&mut self) -> bool {
        self.skip_while(|c| c != '`');
        match self.next() {
            Some(_) => self.emit(Kind::Text),
            None => self.fail("unterminated raw string".to_owned()),
        }
    }

    fn number_or_duration(&mut self) -> bool {
        self.at = self.start;
        if self.number() {
            return self.emit(Kind::Number);
        }
        if self.rest_of_duration() {
            return self.emit(Kind::Duration);
        }
        let text = quote(&self.input[self.start..self.at]);
        self.fail(format!("bad number or duration syntax: {text}"))
    }

    /// Reads digits, one point, one exponent and separators; false where the text is no number.
    fn number(&mut self) -> bool {
        let begin = self.at;
        let mut digits = "0123456789";
        if self.accept("0") && self.accept("xX") {
            self.accept("_");
            digits = "0123456789abcdefABCDEF";
        }
        let hexadecimal = digits.len() > 10;
        self.accept(".");
        self.accept(digits);
        let (mut point, mut exponent) = (false, false);
        while let Some(c) = self.peek().filter(|c| digits.contains(*c) || "._eE".contains(*c)) {
            match c {
                '.' => {
                    self.at += 1;
                    if point || self.accept("_.") || hexadecimal {
                        return false;
                    }
                    point = true;
                }
                'e' | 'E' => {
                    self.at += 1;
                    if exponent {
                        return false;
                    }
                    exponent = true;
                    self.accept("+-");
                    if self.accept("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                '_' => {
                    self.at += 1;
                    if self.accept("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                _ => self.skip_while(|c| digits.contains(c)),
            }
        }
        self.at != begin && !self.peek().is_some_and(is_word)
    }

    fn rest_of_duration(&mut self) -> bool {
        if !self.accept("smhdwy") {
            return false;
        }
        self.accept("s");
        while self.accept("0123456789") {
            while self.accept("0123456789") {}
            if !self.accept("smhdw") {
                return false;
            }
            self.accept("s");
        }
        if self.peek().is_some_and(is_word) {
            self.next();
            return false;
        }
        true
    }
}

fn operator(c: char) -> Option<BinaryOp> {
    Some(match c {
        '+' => BinaryOp::Add,
        '-' => BinaryOp::Sub,
        '*' => BinaryOp::Mul,
        '/' => BinaryOp::Div,
        '%' => BinaryOp::Mod,
        '^' => BinaryOp::Pow,
        '<' => BinaryOp::Less,
        '>' => BinaryOp::Greater,
        _ => return None,
    })
}

fn keyword(word: &str) -> Option<Kind> {
    use AggregateOp as A;
    use Keyword as K;
    Some(match word {
        "and" => Kind::Operator(BinaryOp::And),
        "or" => Kind::Operator(BinaryOp::Or),
        "unless" => Kind::Operator(BinaryOp::Unless),
        "atan2" => Kind::Operator(BinaryOp::Atan2),
        "sum" => Kind::Aggregator(A::Sum),
        "avg" => Kind::Aggregator(A::Avg),
        "count" => Kind::Aggregator(A::Count),
        "min" => Kind::Aggregator(A::Min),
        "max" => Kind::Aggregator(A::Max),
        "group" => Kind::Aggregator(A::Group),
        "stddev" => Kind::Aggregator(A::Stddev),
        "stdvar" => Kind::Aggregator(A::Stdvar),
        "topk" => Kind::Aggregator(A::Topk),
        "bottomk" => Kind::Aggregator(A::Bottomk),
        "count_values" => Kind::Aggregator(A::CountValues),
        "quantile" => Kind::Aggregator(A::Quantile),
        "limitk" => Kind::Aggregator(A::Limitk),
        "limit_ratio" => Kind::Aggregator(A::LimitRatio),
        "offset" => Kind::Keyword(K::Offset),
        "smoothed" => Kind::Keyword(K::Smoothed),
        "anchored" => Kind::Keyword(K::Anchored),
        "by" => Kind::Keyword(K::By),
        "without" => Kind::Keyword(K::Without),
        "on" => Kind::Keyword(K::On),
        "ignoring" => Kind::Keyword(K::Ignoring),
        "group_left" => Kind::Keyword(K::GroupLeft),
        "group_right" => Kind::Keyword(K::GroupRight),
        "fill" | "fill_left" | "fill_right" => Kind::Keyword(K::Fill),
        "bool" => Kind::Keyword(K::Bool),
        "start" => Kind::Keyword(K::Start),
        "end" => Kind::Keyword(K::End),
        "step" => Kind::Keyword(K::Step),
        "range" => Kind::Keyword(K::Range),
        "max_of" => Kind::Keyword(K::MaxOf),
        "min_of" => Kind::Keyword(K::MinOf),
        "inf" | "nan" => Kind::Number,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_depend_on_where_they_stand() {
        let check = |input: &str, expected: &[&str]| {
            let found: Vec<String> = tokens(input).iter().map(Token::description).collect();
            assert_eq!(found, expected, "{input}");
        };
        check("sum", &["<aggr:sum>", "end of input"]);
        check(
            "{sum=\"1\"}",
            &["\"{\"", "identifier \"sum\"", "\"=\"", "string \"\\\"1\\\"\"", "\"}\"", "end of input"],
        );
        check("fill + x", &["identifier \"fill\"", "<op:+>", "identifier \"x\"", "end of input"]);
        check(
            "0x1F 1e3 5m .5",
            &["number \"0x1F\"", "number \"1e3\"", "duration \"5m\"", "number \".5\"", "end of input"],
        );
        check("0b101", &["bad number or duration syntax: \"0\""]);
        check("a:b # comment\n", &["metric identifier \"a:b\"", "end of input"]);
        check("[5m:]", &["\"[\"", "duration \"5m\"", "\":\"", "\"]\"", "end of input"]);
        check("(", &["\"(\"", "unclosed left parenthesis"]);
    }
}
