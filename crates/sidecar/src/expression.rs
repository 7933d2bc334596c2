//! The part of CEL that routing rules are written in: which events go to which path.
//!
//! Input: a rule's `match` text, an event's JSON. Output: whether it matches. Fields (`event.type`, `event.data.kind`, `event["data"]`),
//! text, number, boolean and null literals, lists after `in`, `== != < <= > >= && || ! ( )`, `has(…)`, and the methods `startsWith`,
//! `endsWith`, `contains`, `size()`. Everything else of CEL is refused when the rule is read, and named.

use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

/// A rule's condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression {
    text: String,
    node: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Literal(Value),
    Path(Vec<String>),
    List(Vec<Node>),
    Not(Box<Node>),
    Has(Vec<String>),
    Call(Box<Node>, Method, Vec<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    StartsWith,
    EndsWith,
    Contains,
    Size,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
}

/// From weak to strong.
const LEVELS: [&[(&str, Operator)]; 3] = [
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("in", Operator::In),
    ],
];

impl Expression {
    /// Reads a condition.
    ///
    /// # Errors
    /// Says what is not understood and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let node = reader.binary(0)?;
        reader.skip_space();
        if reader.at < text.len() {
            return Err(reader.unexpected("an operator or the end"));
        }
        Ok(Self { text: text.to_owned(), node })
    }

    /// Whether an event matches.
    ///
    /// # Errors
    /// When a field is not there, types do not fit together, or the result is no boolean: as in CEL, an error and not a mismatch.
    pub(crate) fn matches(&self, event: &Value) -> Result<bool, String> {
        match self.node.eval(event)? {
            Value::Bool(result) => Ok(result),
            _ => Err(format!("the result of match expression {self} was not a boolean")),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Node {
    fn eval(&self, event: &Value) -> Result<Value, String> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Path(path) => find(event, path)
                .cloned()
                .ok_or_else(|| format!("no such field: event.{}", path.join(".")))?,
            Self::List(items) => {
                Value::Array(items.iter().map(|item| item.eval(event)).collect::<Result<_, _>>()?)
            }
            Self::Not(inner) => match inner.eval(event)? {
                Value::Bool(value) => Value::Bool(!value),
                other => return Err(format!("! needs a boolean, not {other}")),
            },
            Self::Has(path) => Value::Bool(find(event, path).is_some()),
            Self::Call(on, method, arguments) => call(&on.eval(event)?, *method, arguments, event)?,
            Self::Binary(Operator::And, left, right) => Value::Bool(both(left, right, false, event)?),
            Self::Binary(Operator::Or, left, right) => Value::Bool(both(left, right, true, event)?),
            Self::Binary(operator, left, right) => {
                Value::Bool(compare(*operator, &left.eval(event)?, &right.eval(event)?)?)
            }
        })
    }
}

fn find<'a>(event: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(event, |value, key| value.get(key))
}

/// `&&` and `||`: as in CEL, either side alone can decide, even when the other is an error.
fn both(left: &Node, right: &Node, deciding: bool, event: &Value) -> Result<bool, String> {
    let boolean = |node: &Node| match node.eval(event)? {
        Value::Bool(value) => Ok(value),
        other => Err(format!("&& and || need booleans, not {other}")),
    };
    match (boolean(left), boolean(right)) {
        (Ok(value), _) | (_, Ok(value)) if value == deciding => Ok(deciding),
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(_), Ok(_)) => Ok(!deciding),
    }
}

fn call(on: &Value, method: Method, arguments: &[Node], event: &Value) -> Result<Value, String> {
    if method == Method::Size {
        let size = match on {
            Value::String(text) => text.chars().count(),
            Value::Array(items) => items.len(),
            Value::Object(entries) => entries.len(),
            other => return Err(format!("{other} has no size")),
        };
        return Ok(Value::from(size));
    }
    let argument = arguments.first().map(|argument| argument.eval(event)).transpose()?;
    let (Value::String(text), Some(Value::String(part))) = (on, &argument) else {
        return Err(format!("text is needed, not {on}"));
    };
    Ok(Value::Bool(match method {
        Method::StartsWith => text.starts_with(part.as_str()),
        Method::EndsWith => text.ends_with(part.as_str()),
        _ => text.contains(part.as_str()),
    }))
}

fn compare(operator: Operator, left: &Value, right: &Value) -> Result<bool, String> {
    let equal = |left: &Value, right: &Value| match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    };
    let ordering = || match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        _ => (left.as_f64().zip(right.as_f64()))
            .and_then(|(left, right)| left.partial_cmp(&right))
            .ok_or_else(|| format!("{left} and {right} cannot be compared")),
    };
    Ok(match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::In => match right {
            Value::Array(items) => items.iter().any(|item| equal(left, item)),
            Value::Object(entries) => left.as_str().is_some_and(|key| entries.contains_key(key)),
            other => return Err(format!("in needs a list or a map, not {other}")),
        },
        Operator::Less => ordering()? == Ordering::Less,
        Operator::AtMost => ordering()? != Ordering::Greater,
        Operator::Greater => ordering()? == Ordering::Greater,
        _ => ordering()? != Ordering::Less,
    })
}

/// No rule nests deeper.
const MOST_DEPTH: usize = 64;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn unexpected(&self, wanted: &str) -> String {
        let rest: String = self.rest().chars().take(20).collect();
        format!("expected {wanted} at position {} before {rest:?}", self.at)
    }

    /// Takes a symbol; a word only when no letter follows it.
    fn take(&mut self, symbol: &str) -> bool {
        self.skip_space();
        let Some(after) = self.rest().strip_prefix(symbol) else { return false };
        let is_word = symbol.ends_with(|c: char| c.is_ascii_alphabetic());
        if is_word && after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.at += symbol.len();
        true
    }

    fn need(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(&format!("{symbol:?}"))) }
    }

    fn binary(&mut self, level: usize) -> Result<Node, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        self.depth += 1;
        if self.depth > MOST_DEPTH * LEVELS.len() {
            return Err(format!("it nests deeper than {MOST_DEPTH}"));
        }
        let mut left = self.binary(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.take(symbol)) {
            let right = self.binary(level + 1)?;
            left = Node::Binary(*operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, String> {
        self.skip_space();
        if !self.rest().starts_with("!=") && self.take("!") {
            self.depth += 1;
            if self.depth > MOST_DEPTH * LEVELS.len() {
                return Err(format!("it nests deeper than {MOST_DEPTH}"));
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Node::Not(Box::new(inner)));
        }
        let mut node = self.primary()?;
        while self.take(".") || self.rest().starts_with('[') {
            node = self.after(node)?;
        }
        Ok(node)
    }

    /// A field, an element or a method after a value.
    fn after(&mut self, node: Node) -> Result<Node, String> {
        if self.take("[") {
            let key = self.quoted()?;
            self.need("]")?;
            return self.field(node, key);
        }
        let name = self.name()?;
        if !self.take("(") {
            return self.field(node, name);
        }
        let (method, takes) = match name.as_str() {
            "startsWith" => (Method::StartsWith, 1),
            "endsWith" => (Method::EndsWith, 1),
            "contains" => (Method::Contains, 1),
            "size" => (Method::Size, 0),
            other => return Err(format!("the function {other} is not supported")),
        };
        let arguments = self.list_until(")")?;
        if arguments.len() != takes {
            return Err(format!("{name} takes {takes} arguments"));
        }
        Ok(Node::Call(Box::new(node), method, arguments))
    }

    fn field(&self, node: Node, key: String) -> Result<Node, String> {
        match node {
            Node::Path(mut path) => {
                path.push(key);
                Ok(Node::Path(path))
            }
            _ => Err(self.unexpected("an operator after a value that has no fields")),
        }
    }

    fn primary(&mut self) -> Result<Node, String> {
        self.skip_space();
        match self.rest().chars().next() {
            Some('(') => {
                self.need("(")?;
                let inner = self.binary(0)?;
                self.need(")")?;
                Ok(inner)
            }
            Some('[') => {
                self.need("[")?;
                Ok(Node::List(self.list_until("]")?))
            }
            Some('"' | '\'') => Ok(Node::Literal(Value::String(self.quoted()?))),
            Some('0'..='9' | '-') => self.number(),
            Some(_) => self.word(),
            None => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self) -> Result<Node, String> {
        match self.name()?.as_str() {
            "true" => Ok(Node::Literal(Value::Bool(true))),
            "false" => Ok(Node::Literal(Value::Bool(false))),
            "null" => Ok(Node::Literal(Value::Null)),
            "event" => Ok(Node::Path(Vec::new())),
            "has" => {
                self.need("(")?;
                let inner = self.unary()?;
                self.need(")")?;
                match inner {
                    Node::Path(path) if !path.is_empty() => Ok(Node::Has(path)),
                    _ => Err("has(…) takes a field such as event.data.kind".to_owned()),
                }
            }
            other => Err(format!("{other} is not supported; fields begin with event.")),
        }
    }

    fn list_until(&mut self, end: &str) -> Result<Vec<Node>, String> {
        let mut items = Vec::new();
        if self.take(end) {
            return Ok(items);
        }
        loop {
            items.push(self.binary(0)?);
            if self.take(end) {
                return Ok(items);
            }
            self.need(",")?;
        }
    }

    fn name(&mut self) -> Result<String, String> {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.unexpected("a name"));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    fn number(&mut self) -> Result<Node, String> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '.' | 'e' | 'E' | '+'))
            .unwrap_or(rest.len());
        let value = serde_json::from_str::<Value>(&rest[..end]).map_err(|_| self.unexpected("a number"))?;
        self.at += end;
        Ok(Node::Literal(value))
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.skip_space();
        let rest = self.rest();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return Err(self.unexpected("a text in quotes"));
        };
        let mut out = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((at, c)) = characters.next() {
            match c {
                c if c == quote => {
                    self.at += at + c.len_utf8();
                    return Ok(out);
                }
                '\\' => out.push(match characters.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, c @ ('\\' | '"' | '\''))) => c,
                    _ => return Err(self.unexpected("a known escape (\\n \\t \\\\ \\\" \\')")),
                }),
                c => out.push(c),
            }
        }
        Err(self.unexpected("the end of the text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_hold_or_not() {
        let event =
            json!({"type": "task.created", "id": "7", "data": {"n": 3, "tags": ["a", "b"], "é": true}});
        let check = |text: &str, expected: Option<bool>| {
            let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(expression.matches(&event).ok(), expected, "{text}");
        };
        check(r#"event.type == "task.created""#, Some(true));
        check("event.type != 'task.created'", Some(false));
        check("event.data.n > 2 && event.data.n <= 3.0", Some(true));
        check("event.data.n < 2 || event.id == '7'", Some(true));
        check("!(event.id == '7')", Some(false));
        check("event.type in ['x', 'task.created']", Some(true));
        check("'b' in event.data.tags", Some(true));
        check("event['data']['n'] == 3", Some(true));
        check("event.data[\"é\"]", Some(true));
        check("has(event.data.m)", Some(false));
        check("has(event.data.n) && event.data.n == 3", Some(true));
        check("event.type.startsWith('task.')", Some(true));
        check("event.type.endsWith('d') && event.type.contains('cre')", Some(true));
        check("event.data.tags.size() == 2", Some(true));
        check("event.data.m == 1", None);
        check("event.data.m == 1 || true", Some(true));
        check("event.id", None);
        check("event.id > 3", None);
        check("true", Some(true));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let check = |text: &str, part: &str| {
            let error = Expression::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("", "a value");
        check("event.type ==", "a value");
        check("event.type == 'x", "end of the text");
        check("event.type.matches('x')", "matches is not supported");
        check("request.path", "request is not supported");
        check("event.type == 'a' ? 1 : 2", "an operator or the end");
        check("event.data.n + 1 == 2", "an operator or the end");
        check("size(event.data)", "size is not supported");
        check("event.a.startsWith()", "takes 1");
        check(&"(".repeat(100_000), "deeper");
        check(&"!".repeat(100_000), "deeper");
    }
}
