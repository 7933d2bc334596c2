//! Tokens to expressions: precedence climbing with Prometheus's precedences and messages.
//!
//! Input: a query. Output: its tree, syntactically right; what the types demand is checked in `check`. It stops at the
//! first mistake and refuses expressions nested deeper than [`MAX_DEPTH`], so that no recursion over a tree can
//! exhaust the stack.

use crate::QueryError;
use crate::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Cardinality, Expr, Extension, Matching, Node, Shift,
    Subquery, VectorSelector,
};
use crate::functions;
use crate::go_format::{fixed, quote};
use crate::lexer::{Keyword, Kind, Token, tokens};
use crate::text_literal::unquote;
use tidewatch_model::{METRIC_NAME, MatchOp, Matcher};

/// How many levels an expression may have.
pub const MAX_DEPTH: usize = 200;

/// Which parts of the language are switched on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Features {
    /// `--enable-feature=promql-experimental-functions`
    pub(crate) experimental_functions: bool,
}

/// `line:column` of a byte offset, from 1.
pub(crate) fn position(query: &str, at: usize) -> String {
    if query.is_empty() {
        return "unknown position".to_owned();
    }
    let before = &query.as_bytes()[..at.min(query.len())];
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    format!("{line}:{column}")
}

/// A mistake at a place of the query.
pub(crate) fn mistake(query: &str, at: usize, message: &str) -> QueryError {
    QueryError::Parse(format!("{}: parse error: {message}", position(query, at)))
}

/// Reads an expression without checking its types.
pub(crate) fn parse_syntax(query: &str, features: Features) -> Result<Expr, QueryError> {
    let mut parser = Parser { query, tokens: tokens(query), at: 0, selectors: 0, level: 0, features };
    if parser.kind() == Kind::End {
        return Err(mistake(query, 0, "no expression found in input"));
    }
    let expr = parser.expression(0)?;
    if parser.kind() != Kind::End {
        return Err(parser.unexpected("", ""));
    }
    Ok(expr)
}

pub(crate) struct Parser<'a> {
    pub(crate) query: &'a str,
    tokens: Vec<Token>,
    at: usize,
    selectors: usize,
    level: usize,
    features: Features,
}

fn precedence(op: BinaryOp) -> u8 {
    use BinaryOp as B;
    match op {
        B::Or => 1,
        B::And | B::Unless => 2,
        B::Equal | B::NotEqual | B::Less | B::LessOrEqual | B::Greater | B::GreaterOrEqual => 3,
        B::TrimUpper | B::TrimLower => 3,
        B::Add | B::Sub => 4,
        B::Mul | B::Div | B::Mod | B::Atan2 => 5,
        B::Pow => 6,
    }
}

impl Parser<'_> {
    pub(crate) fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    pub(crate) fn kind(&self) -> Kind {
        self.token().kind
    }

    fn kind_after(&self) -> Kind {
        self.tokens.get(self.at + 1).map_or(Kind::End, |t| t.kind)
    }

    /// Takes the token and moves on; the last one stays.
    pub(crate) fn take(&mut self) -> Token {
        let token = self.token().clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    pub(crate) fn accept(&mut self, kind: Kind) -> Option<Token> {
        (self.kind() == kind).then(|| self.take())
    }

    /// Where the last token that was taken ends.
    pub(crate) fn last_end(&self) -> usize {
        self.tokens[self.at.saturating_sub(1)].end()
    }

    pub(crate) fn fail(&self, at: usize, message: &str) -> QueryError {
        mistake(self.query, at, message)
    }

    pub(crate) fn unexpected(&self, context: &str, expected: &str) -> QueryError {
        let token = self.token();
        if token.kind == Kind::Error {
            return self.fail(token.start, &token.text);
        }
        let mut message = format!("unexpected {}", token.description());
        if !context.is_empty() {
            message.push_str(&format!(" in {context}"));
        }
        if !expected.is_empty() {
            message.push_str(&format!(", expected {expected}"));
        }
        self.fail(token.start, &message)
    }

    /// Builds an expression, unless it would be too deep.
    fn build(&self, node: Node, start: usize, end: usize) -> Result<Expr, QueryError> {
        let mut expr = Expr { node, start, end, depth: 0 };
        expr.depth = 1 + expr.children().iter().map(|child| child.depth).max().unwrap_or(0);
        if expr.depth > MAX_DEPTH { Err(self.too_deep(start)) } else { Ok(expr) }
    }

    fn too_deep(&self, at: usize) -> QueryError {
        let message = format!(
            "expression nested deeper than {MAX_DEPTH} levels; hint: split it, e.g. by a recording rule"
        );
        self.fail(at, &message)
    }

    pub(crate) fn enter(&mut self) -> Result<(), QueryError> {
        self.level += 1;
        if self.level > MAX_DEPTH { Err(self.too_deep(self.token().start)) } else { Ok(()) }
    }

    pub(crate) fn leave(&mut self) {
        self.level -= 1;
    }

    fn expression(&mut self, minimum: u8) -> Result<Expr, QueryError> {
        self.enter()?;
        let mut left = self.unary()?;
        while let Kind::Operator(op) = self.kind() {
            let own = precedence(op);
            if own < minimum {
                break;
            }
            left = self.operation(op, left)?;
        }
        self.leave();
        Ok(left)
    }

    /// The rest of a binary operation whose left side has been read.
    fn operation(&mut self, op: BinaryOp, left: Expr) -> Result<Expr, QueryError> {
        let op_start = self.take().start;
        let (returns_bool, matching) = self.binary_modifiers(left.start)?;
        let own = precedence(op);
        let right = self.expression(if op == BinaryOp::Pow { own } else { own + 1 })?;
        let (start, end) = (left.start, right.end);
        let binary = Binary { op, left, right, returns_bool, matching, op_start };
        self.build(Node::Binary(Box::new(binary)), start, end)
    }

    fn binary_modifiers(&mut self, start: usize) -> Result<(bool, Matching), QueryError> {
        let returns_bool = self.accept(Kind::Keyword(Keyword::Bool)).is_some();
        let mut matching = Matching {
            cardinality: Cardinality::OneToOne,
            on: false,
            labels: Vec::new(),
            include: Vec::new(),
        };
        if let Kind::Keyword(keyword @ (Keyword::On | Keyword::Ignoring)) = self.kind() {
            self.take();
            matching.on = keyword == Keyword::On;
            matching.labels = self.grouping_labels()?;
            if let Kind::Keyword(side @ (Keyword::GroupLeft | Keyword::GroupRight)) = self.kind() {
                self.take();
                matching.cardinality =
                    if side == Keyword::GroupLeft { Cardinality::ManyToOne } else { Cardinality::OneToMany };
                if self.kind() == Kind::LeftParen {
                    matching.include = self.grouping_labels()?;
                }
            }
        }
        if self.kind() == Kind::Keyword(Keyword::Fill) {
            return Err(self.fail(start, "binop fill modifiers are experimental and not enabled"));
        }
        Ok((returns_bool, matching))
    }

    fn unary(&mut self) -> Result<Expr, QueryError> {
        let Kind::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) = self.kind() else {
            return self.postfix();
        };
        let start = self.take().start;
        let mut operand = self.expression(precedence(BinaryOp::Pow))?;
        let negative = op == BinaryOp::Sub;
        if let Node::Number { value, .. } = &mut operand.node {
            if negative {
                *value *= -1.0;
            }
            operand.start = start;
            return Ok(operand);
        }
        let end = operand.end;
        self.build(Node::Unary { negative, expr: Box::new(operand) }, start, end)
    }

    fn postfix(&mut self) -> Result<Expr, QueryError> {
        let mut expr = match self.kind() {
            Kind::LeftParen => self.parenthesized()?,
            _ => self.primary()?,
        };
        loop {
            expr = match self.kind() {
                Kind::LeftBracket => self.range(expr)?,
                Kind::Keyword(Keyword::Offset) => self.offset(expr)?,
                Kind::At => self.at_modifier(expr)?,
                Kind::Keyword(Keyword::Anchored) => self.extension(expr, Extension::Anchored)?,
                Kind::Keyword(Keyword::Smoothed) => self.extension(expr, Extension::Smoothed)?,
                _ => return Ok(expr),
            };
        }
    }

    fn range(&mut self, expr: Expr) -> Result<Expr, QueryError> {
        let bracket = self.take().start;
        if !self.duration_follows() {
            return Err(self.unexpected("subquery or range selector", "number, duration, step(), or range()"));
        }
        let range = self.positive_duration()?;
        if self.accept(Kind::Colon).is_some() {
            let step = if self.kind() == Kind::RightBracket {
                None
            } else if self.duration_follows() {
                Some(self.positive_duration()?)
            } else {
                return Err(
                    self.unexpected("subquery selector", "number, duration, step(), range(), or \"]\"")
                );
            };
            if self.accept(Kind::RightBracket).is_none() {
                return Err(self.unexpected("subquery selector", "\"]\""));
            }
            let start = expr.start;
            let subquery = Subquery { expr, range, step, shift: Shift::default() };
            return self.build(Node::Subquery(Box::new(subquery)), start, self.last_end());
        }
        if self.accept(Kind::RightBracket).is_none() {
            return Err(self.unexpected("subquery or range", "\":\" or \"]\""));
        }
        let start = expr.start;
        let Node::Vector(selector) = expr.node else {
            return Err(self.fail(bracket, "ranges only allowed for vector selectors"));
        };
        if selector.shift.offset.is_some() {
            return Err(self.fail(bracket, "no offset modifiers allowed before range"));
        }
        if selector.shift.at.is_some() {
            return Err(self.fail(bracket, "no @ modifiers allowed before range"));
        }
        self.build(Node::Matrix(selector, Box::new(range)), start, self.last_end())
    }

    fn offset(&mut self, mut expr: Expr) -> Result<Expr, QueryError> {
        self.take();
        let start = expr.start;
        let offset = self.offset_duration()?;
        let Some(shift) = shift_of(&mut expr) else {
            return Err(self.fail(
                start,
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            ));
        };
        if shift.offset.is_some() {
            return Err(self.fail(start, "offset may not be set multiple times"));
        }
        shift.offset = Some(offset);
        expr.end = self.last_end();
        Ok(expr)
    }

    fn at_modifier(&mut self, mut expr: Expr) -> Result<Expr, QueryError> {
        self.take();
        let start = expr.start;
        let at = match self.kind() {
            Kind::Keyword(keyword @ (Keyword::Start | Keyword::End)) => {
                self.take();
                if self.accept(Kind::LeftParen).is_none() || self.accept(Kind::RightParen).is_none() {
                    return Err(self.unexpected("", ""));
                }
                if keyword == Keyword::Start { At::Start } else { At::End }
            }
            _ => {
                let sign = match self.kind() {
                    Kind::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                        self.take();
                        if op == BinaryOp::Sub { -1.0 } else { 1.0 }
                    }
                    _ => 1.0,
                };
                let (Kind::Number | Kind::Duration) = self.kind() else {
                    return Err(self.unexpected("@", "timestamp"));
                };
                let seconds = sign * self.number_value()?;
                if !seconds.is_finite() || seconds.abs() >= i64::MAX as f64 {
                    let message = format!("timestamp out of bounds for @ modifier: {}", fixed(seconds));
                    return Err(self.fail(start, &message));
                }
                At::Time((seconds * 1000.0).round() as i64)
            }
        };
        let Some(shift) = shift_of(&mut expr) else {
            return Err(self.fail(
                start,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            ));
        };
        if shift.at.is_some() {
            return Err(self.fail(start, "@ <timestamp> may not be set multiple times"));
        }
        shift.at = Some(at);
        expr.end = self.last_end();
        Ok(expr)
    }

    fn extension(&mut self, mut expr: Expr, extension: Extension) -> Result<Expr, QueryError> {
        let word = self.take().text.to_ascii_lowercase();
        match &mut expr.node {
            Node::Vector(selector) | Node::Matrix(selector, _) => {
                if selector.extension != Extension::None && selector.extension != extension {
                    let message = "anchored and smoothed modifiers cannot be used together";
                    return Err(self.fail(expr.start, message));
                }
                selector.extension = extension;
            }
            Node::Subquery(_) => {
                let message = format!("{word} modifier is not supported for subqueries");
                return Err(self.fail(expr.start, &message));
            }
            _ => return Err(self.fail(expr.start, &format!("{word} modifier not implemented"))),
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr, QueryError> {
        let token = self.token().clone();
        match token.kind {
            Kind::Number | Kind::Duration => {
                let value = self.number_value()?;
                let written_as_duration = token.kind == Kind::Duration;
                self.build(Node::Number { value, written_as_duration }, token.start, token.end())
            }
            Kind::Text => {
                self.take();
                let text = self.unquoted(&token)?;
                self.build(Node::Text(text), token.start, token.end())
            }
            Kind::Aggregator(op) => match self.kind_after() {
                Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without) => self.aggregate(op),
                _ => self.selector(),
            },
            Kind::LeftBrace | Kind::MetricIdentifier => self.selector(),
            Kind::Identifier => {
                if self.kind_after() == Kind::LeftParen {
                    self.call()
                } else {
                    self.selector()
                }
            }
            Kind::Keyword(
                Keyword::Start
                | Keyword::End
                | Keyword::Step
                | Keyword::Range
                | Keyword::MaxOf
                | Keyword::MinOf,
            ) if self.kind_after() == Kind::LeftParen => self.call(),
            Kind::Keyword(
                Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight,
            ) => Err(self.unexpected("", "")),
            Kind::Keyword(_) | Kind::Operator(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => {
                self.selector()
            }
            _ => Err(self.unexpected("", "")),
        }
    }

    fn parenthesized(&mut self) -> Result<Expr, QueryError> {
        let start = self.take().start;
        let inner = self.expression(0)?;
        if self.accept(Kind::RightParen).is_none() {
            return Err(self.unexpected("", ""));
        }
        self.build(Node::Paren(Box::new(inner)), start, self.last_end())
    }

    pub(crate) fn unquoted(&self, token: &Token) -> Result<String, QueryError> {
        unquote(&token.text).map_err(|reason| {
            let message = format!("error unquoting string {}: {reason}", quote(&token.text));
            self.fail(token.start, &message)
        })
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, QueryError> {
        self.take();
        let mut args = Vec::new();
        if self.accept(Kind::RightParen).is_some() {
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            if let Some(comma) = self.accept(Kind::Comma) {
                if self.kind() == Kind::RightParen {
                    let message = "trailing commas not allowed in function call args";
                    return Err(self.fail(comma.start, message));
                }
                continue;
            }
            if self.accept(Kind::RightParen).is_some() {
                return Ok(args);
            }
            return Err(self.unexpected("", ""));
        }
    }

    fn call(&mut self) -> Result<Expr, QueryError> {
        let name = self.take();
        let args = self.arguments()?;
        let Some(function) = functions::find(&name.text) else {
            let message = format!("unknown function with name {}", quote(&name.text));
            return Err(self.fail(name.start, &message));
        };
        if function.experimental && !self.features.experimental_functions {
            let message = format!(
                "function {} is not enabled; hint: start with --enable-feature=promql-experimental-functions",
                quote(&name.text)
            );
            return Err(self.fail(name.start, &message));
        }
        self.build(Node::Call { function, args }, name.start, self.last_end())
    }

    fn aggregate(&mut self, op: AggregateOp) -> Result<Expr, QueryError> {
        let start = self.take().start;
        let mut grouping = self.aggregate_modifier()?;
        if self.kind() != Kind::LeftParen {
            return Err(self.unexpected("aggregation", ""));
        }
        let mut args = self.arguments()?;
        if grouping.is_none() {
            grouping = self.aggregate_modifier()?;
        }
        let (without, grouping) = grouping.unwrap_or_default();
        if args.is_empty() {
            return Err(self.fail(start, "no arguments for aggregate expression provided"));
        }
        if op.is_experimental() && !self.features.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.text()
            );
            return Err(self.fail(start, &message));
        }
        let wanted = if op.takes_parameter() { 2 } else { 1 };
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(self.fail(start, &message));
        }
        let expr = args.pop().expect("counted above");
        let aggregate = Aggregate { op, expr, parameter: args.pop(), without, grouping };
        self.build(Node::Aggregate(Box::new(aggregate)), start, self.last_end())
    }

    fn aggregate_modifier(&mut self) -> Result<Option<(bool, Vec<String>)>, QueryError> {
        let Kind::Keyword(keyword @ (Keyword::By | Keyword::Without)) = self.kind() else { return Ok(None) };
        self.take();
        Ok(Some((keyword == Keyword::Without, self.grouping_labels()?)))
    }

    fn grouping_labels(&mut self) -> Result<Vec<String>, QueryError> {
        if self.accept(Kind::LeftParen).is_none() {
            return Err(self.unexpected("grouping opts", "\"(\""));
        }
        let mut labels = Vec::new();
        loop {
            match self.kind() {
                Kind::RightParen => {
                    self.take();
                    return Ok(labels);
                }
                Kind::Keyword(Keyword::Without) => return Err(self.unexpected("grouping opts", "label")),
                Kind::Identifier
                | Kind::MetricIdentifier
                | Kind::Aggregator(_)
                | Kind::Keyword(_)
                | Kind::Operator(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2) => {
                    labels.push(self.take().text);
                }
                Kind::Text => {
                    let token = self.take();
                    let label = self.unquoted(&token)?;
                    if label.is_empty() {
                        return Err(self.fail(token.start, "invalid label name for grouping: \"\""));
                    }
                    labels.push(label);
                }
                _ => return Err(self.unexpected("grouping opts", "label")),
            }
            if self.accept(Kind::Comma).is_none() && self.kind() != Kind::RightParen {
                return Err(self.unexpected("grouping opts", "\",\" or \")\""));
            }
        }
    }

    fn selector(&mut self) -> Result<Expr, QueryError> {
        let first = self.token().clone();
        let mut name = String::new();
        if first.kind != Kind::LeftBrace {
            name = self.take().text;
        }
        let mut matchers = Vec::new();
        if self.accept(Kind::LeftBrace).is_some() {
            matchers = self.matchers()?;
        }
        if !name.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, name.as_str()));
        }
        let id = self.selectors;
        self.selectors += 1;
        let selector =
            VectorSelector { name, matchers, shift: Shift::default(), extension: Extension::None, id };
        self.build(Node::Vector(Box::new(selector)), first.start, self.last_end())
    }

    fn matchers(&mut self) -> Result<Vec<Matcher>, QueryError> {
        let mut matchers = Vec::new();
        loop {
            match self.kind() {
                Kind::RightBrace => {
                    self.take();
                    return Ok(matchers);
                }
                Kind::Identifier => {
                    let name = self.take();
                    let Some(op) = match_op(self.kind()) else {
                        return Err(self.unexpected("label matching", "label matching operator"));
                    };
                    matchers.push(self.matcher(name.text, name.start, op)?);
                }
                Kind::Text => {
                    let token = self.take();
                    let name = self.unquoted(&token)?;
                    match match_op(self.kind()) {
                        Some(op) => matchers.push(self.matcher(name, token.start, op)?),
                        None => matchers.push(Matcher::equal(METRIC_NAME, name)),
                    }
                }
                _ => return Err(self.unexpected("label matching", "identifier or \"}\"")),
            }
            if self.accept(Kind::Comma).is_none() && self.kind() != Kind::RightBrace {
                return Err(self.unexpected("label matching", "\",\" or \"}\""));
            }
        }
    }

    fn matcher(&mut self, name: String, start: usize, op: MatchOp) -> Result<Matcher, QueryError> {
        self.take();
        if self.kind() != Kind::Text {
            return Err(self.unexpected("label matching", "string"));
        }
        let token = self.take();
        let value = self.unquoted(&token)?;
        Matcher::new(name, op, value).map_err(|e| self.fail(start, &e.to_string()))
    }
}

fn match_op(kind: Kind) -> Option<MatchOp> {
    Some(match kind {
        Kind::Assign => MatchOp::Equal,
        Kind::Operator(BinaryOp::NotEqual) => MatchOp::NotEqual,
        Kind::RegexMatch => MatchOp::Regex,
        Kind::RegexNotMatch => MatchOp::NotRegex,
        _ => return None,
    })
}

fn shift_of(expr: &mut Expr) -> Option<&mut Shift> {
    match &mut expr.node {
        Node::Vector(selector) | Node::Matrix(selector, _) => Some(&mut selector.shift),
        Node::Subquery(subquery) => Some(&mut subquery.shift),
        _ => None,
    }
}
