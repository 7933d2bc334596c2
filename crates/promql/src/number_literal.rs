//! Numbers and durations of a query to values, and the arithmetic of durations.
//!
//! Input: number and duration tokens, in expressions, ranges, resolutions, offsets and `@`. Output: values in seconds,
//! or an expression that the query's resolution and length decide. `017` is octal, `08` decimal, `1_000` a thousand,
//! as Go reads them.

use crate::QueryError;
use crate::ast::{BinaryOp, DurationExpr, DurationNode, DurationOp};
use crate::go_format::quote;
use crate::lexer::{Keyword, Kind, Token};
use crate::parser::Parser;
use tidewatch_model::parse_duration;

/// The longest duration, in seconds: 64-bit nanoseconds.
const LONGEST: f64 = 9_223_372_036.854_776;

fn integer(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    let value = if let Some(digits) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        i64::from_str_radix(digits, 16).ok()?
    } else if plain.len() > 1 && plain.starts_with('0') {
        i64::from_str_radix(&plain[1..], 8).ok()?
    } else {
        plain.parse().ok()?
    };
    Some(value as f64)
}

fn number(text: &str) -> Option<f64> {
    if let Some(value) = integer(text) {
        return Some(value);
    }
    match text.to_ascii_lowercase().as_str() {
        "inf" => Some(f64::INFINITY),
        "nan" => Some(f64::NAN),
        _ if text.contains('_') => None,
        _ => text.parse::<f64>().ok().filter(|v| v.is_finite()),
    }
}

fn out_of_range(seconds: f64) -> bool {
    !(-LONGEST..=LONGEST).contains(&seconds) && !seconds.is_nan()
}

impl Parser<'_> {
    /// Takes a number or duration: its value, a duration's in seconds.
    pub(crate) fn number_value(&mut self) -> Result<f64, QueryError> {
        let token = self.take();
        if token.kind == Kind::Number {
            return number(&token.text).ok_or_else(|| {
                let text = quote(&token.text);
                let too_large = !token.text.contains('_') && token.text.parse::<f64>().is_ok();
                let reason = if too_large { "value out of range" } else { "invalid syntax" };
                self.fail(
                    token.start,
                    &format!("error parsing number: strconv.ParseFloat: parsing {text}: {reason}"),
                )
            });
        }
        let duration = parse_duration(&token.text).map_err(|_| {
            self.fail(token.start, &format!("not a valid duration string: {}", quote(&token.text)))
        })?;
        Ok(duration.as_secs_f64())
    }

    /// Whether the next token can begin a duration.
    pub(crate) fn duration_follows(&self) -> bool {
        matches!(
            self.kind(),
            Kind::Number
                | Kind::Duration
                | Kind::LeftParen
                | Kind::Operator(BinaryOp::Add | BinaryOp::Sub)
                | Kind::Keyword(Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf)
        )
    }

    /// A duration in brackets.
    pub(crate) fn positive_duration(&mut self) -> Result<DurationExpr, QueryError> {
        let duration = self.duration(0)?;
        if let DurationNode::Literal { seconds, .. } = duration.node
            && seconds <= 0.0
        {
            return Err(self.fail(duration.start, "duration must be greater than 0"));
        }
        Ok(duration)
    }

    /// A duration after `offset`: one value, or an expression in parentheses.
    pub(crate) fn offset_duration(&mut self) -> Result<DurationExpr, QueryError> {
        if !self.duration_follows() {
            return Err(self.unexpected("offset", "number, duration, step(), or range()"));
        }
        self.signed_duration(|parser| parser.duration_primary())
    }

    fn signed_duration(
        &mut self,
        operand: impl Fn(&mut Self) -> Result<DurationExpr, QueryError>,
    ) -> Result<DurationExpr, QueryError> {
        let Kind::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) = self.kind() else {
            return operand(self);
        };
        let start = self.take().start;
        let mut inner = operand(self)?;
        let end = inner.end;
        if let DurationNode::Literal { seconds, .. } = &mut inner.node {
            if op == BinaryOp::Sub {
                *seconds *= -1.0;
            }
            inner.start = start;
            return Ok(inner);
        }
        if op == BinaryOp::Add {
            return Ok(inner);
        }
        Ok(DurationExpr { node: DurationNode::Negative(Box::new(inner)), start, end, wrapped: false })
    }

    fn duration(&mut self, minimum: u8) -> Result<DurationExpr, QueryError> {
        self.enter()?;
        let mut left = self.signed_duration(|parser| {
            if matches!(parser.kind(), Kind::Operator(_)) {
                parser.duration(3)
            } else {
                parser.duration_pow()
            }
        })?;
        while let Kind::Operator(op) = self.kind() {
            let (own, op) = match op {
                BinaryOp::Add => (1, DurationOp::Add),
                BinaryOp::Sub => (1, DurationOp::Sub),
                BinaryOp::Mul => (2, DurationOp::Mul),
                BinaryOp::Div => (2, DurationOp::Div),
                BinaryOp::Mod => (2, DurationOp::Mod),
                BinaryOp::Pow => (3, DurationOp::Pow),
                _ => break,
            };
            if own < minimum {
                break;
            }
            let at = self.take().start;
            let right = self.duration(if op == DurationOp::Pow { own } else { own + 1 })?;
            if let (DurationOp::Div | DurationOp::Mod, DurationNode::Literal { seconds: 0.0, .. }) =
                (op, &right.node)
            {
                let what = if op == DurationOp::Div { "division by zero" } else { "modulo by zero" };
                return Err(self.fail(at, what));
            }
            left = combined(op, left, right);
        }
        self.leave();
        Ok(left)
    }

    /// A value with the powers that bind closer than a sign.
    fn duration_pow(&mut self) -> Result<DurationExpr, QueryError> {
        let base = self.duration_primary()?;
        if self.kind() != Kind::Operator(BinaryOp::Pow) {
            return Ok(base);
        }
        self.take();
        let exponent = self.duration(3)?;
        Ok(combined(DurationOp::Pow, base, exponent))
    }

    fn duration_primary(&mut self) -> Result<DurationExpr, QueryError> {
        let token = self.token().clone();
        let node = match token.kind {
            Kind::Number | Kind::Duration => {
                let seconds = self.number_value()?;
                if out_of_range(seconds) {
                    return Err(self.fail(token.start, "duration out of range"));
                }
                DurationNode::Literal { seconds, written_as_duration: token.kind == Kind::Duration }
            }
            Kind::LeftParen => {
                self.take();
                let mut inner = self.duration(0)?;
                self.expect_duration(Kind::RightParen)?;
                if matches!(inner.node, DurationNode::Literal { .. }) {
                    inner = self.spanned(DurationNode::Positive(Box::new(inner)), &token);
                }
                inner.wrapped = true;
                return Ok(inner);
            }
            Kind::Keyword(keyword @ (Keyword::Step | Keyword::Range)) => {
                self.take();
                self.expect_duration(Kind::LeftParen)?;
                self.expect_duration(Kind::RightParen)?;
                if keyword == Keyword::Step { DurationNode::Step } else { DurationNode::Range }
            }
            Kind::Keyword(keyword @ (Keyword::MaxOf | Keyword::MinOf)) => {
                self.take();
                self.expect_duration(Kind::LeftParen)?;
                let left = self.duration(0)?;
                self.expect_duration(Kind::Comma)?;
                let right = self.duration(0)?;
                self.expect_duration(Kind::RightParen)?;
                let op = if keyword == Keyword::MaxOf { DurationOp::Max } else { DurationOp::Min };
                DurationNode::Binary(op, Box::new(left), Box::new(right))
            }
            _ => return Err(self.unexpected("", "")),
        };
        Ok(self.spanned(node, &token))
    }

    fn spanned(&self, node: DurationNode, first: &Token) -> DurationExpr {
        DurationExpr { node, start: first.start, end: self.last_end(), wrapped: false }
    }

    fn expect_duration(&mut self, kind: Kind) -> Result<(), QueryError> {
        if self.accept(kind).is_some() { Ok(()) } else { Err(self.unexpected("", "")) }
    }
}

fn combined(op: DurationOp, left: DurationExpr, right: DurationExpr) -> DurationExpr {
    let (start, end) = (left.start, right.end);
    let node = DurationNode::Binary(op, Box::new(left), Box::new(right));
    DurationExpr { node, start, end, wrapped: false }
}

impl DurationExpr {
    /// The value in seconds for a query of this resolution and length, in seconds.
    pub(crate) fn seconds(&self, step: f64, range: f64) -> Result<f64, QueryError> {
        Ok(match &self.node {
            DurationNode::Literal { seconds, .. } => *seconds,
            DurationNode::Step => step,
            DurationNode::Range => range,
            DurationNode::Negative(inner) => -inner.seconds(step, range)?,
            DurationNode::Positive(inner) => inner.seconds(step, range)?,
            DurationNode::Binary(op, left, right) => {
                let (left, right) = (left.seconds(step, range)?, right.seconds(step, range)?);
                match op {
                    DurationOp::Add => left + right,
                    DurationOp::Sub => left - right,
                    DurationOp::Mul => left * right,
                    DurationOp::Div if right == 0.0 => return Err(self.bad("division by zero")),
                    DurationOp::Div => left / right,
                    DurationOp::Mod if right == 0.0 => return Err(self.bad("modulo by zero")),
                    DurationOp::Mod => left % right,
                    DurationOp::Pow => left.powf(right),
                    DurationOp::Min => left.min(right),
                    DurationOp::Max => left.max(right),
                }
            }
        })
    }

    fn bad(&self, what: &str) -> QueryError {
        QueryError::Parse(format!("{}:{}: {what}", self.start, self.end))
    }

    /// The value in milliseconds; only an offset may be negative.
    pub(crate) fn milliseconds(
        &self,
        step: f64,
        range: f64,
        may_be_negative: bool,
    ) -> Result<i64, QueryError> {
        let seconds = self.seconds(step, range)?;
        if let DurationNode::Literal { .. } = self.node {
            return Ok(((seconds * 1e9).round() as i64) / 1_000_000);
        }
        if !seconds.is_finite() {
            return Err(self.bad("duration is NaN or infinite"));
        }
        if seconds <= 0.0 && !may_be_negative {
            return Err(self.bad("duration must be greater than 0"));
        }
        if out_of_range(seconds) {
            return Err(self.bad("duration is out of range"));
        }
        Ok((seconds * 1000.0) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(number(text), expected, "{text}");
        check("017", Some(15.0));
        check("08", Some(8.0));
        check("0x1F", Some(31.0));
        check("1_000", Some(1000.0));
        check("1_0.5", None);
        check("1e3", Some(1000.0));
        check(".5", Some(0.5));
        check("5.", Some(5.0));
        check("iNf", Some(f64::INFINITY));
        check("99999999999999999999", Some(1e20));
        check("1e999", None);
    }
}
