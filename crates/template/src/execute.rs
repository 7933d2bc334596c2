//! Walks a tree and writes.
//!
//! Input: a set of templates, data, functions. Output: text, or Go's complaint with its place. Bounded: depth of templates within each
//! other, steps, and the length of the output.

use crate::Value;
use crate::builtins::{self, html_escaped, is_builtin};
use crate::error::TemplateError;
use crate::format::push_value;
use crate::set::{Calls, Escape, Templates};
use crate::tree::{Body, Command, Node, Operand, OperandKind, Pipeline};
use std::sync::Arc;

/// Templates within each other.
const MOST_DEPTH: usize = 100;
/// Steps of one execution.
const MOST_STEPS: usize = 5_000_000;
/// Bytes of output.
const MOST_OUTPUT: usize = 16 << 20;

/// How a list of steps ended.
#[derive(PartialEq, Eq)]
enum Flow {
    Through,
    Break,
    Continue,
}

pub(crate) struct Execution<'a> {
    templates: &'a Templates,
    calls: &'a mut dyn Calls,
    escape: Escape,
    out: String,
    variables: Vec<(String, Value)>,
    /// Where the variables of the template under way begin.
    base: usize,
    bodies: Vec<Arc<Body>>,
    steps: usize,
}

type Outcome<T> = Result<T, TemplateError>;

impl<'a> Execution<'a> {
    pub(crate) fn new(templates: &'a Templates, calls: &'a mut dyn Calls, escape: Escape) -> Self {
        let (out, variables, bodies) = (String::new(), Vec::new(), Vec::new());
        Self { templates, calls, escape, out, variables, base: 0, bodies, steps: 0 }
    }

    pub(crate) fn run(mut self, body: &Arc<Body>, data: &Value) -> Outcome<String> {
        self.body(body, data)?;
        Ok(self.out)
    }

    fn body(&mut self, body: &Arc<Body>, data: &Value) -> Outcome<()> {
        let base = std::mem::replace(&mut self.base, self.variables.len());
        self.variables.push(("$".to_owned(), data.clone()));
        self.bodies.push(Arc::clone(body));
        self.nodes(&body.nodes, data)?;
        self.bodies.pop();
        self.variables.truncate(self.base);
        self.base = base;
        Ok(())
    }

    fn too_much(&self, what: &'static str, limit: usize) -> TemplateError {
        let name = self.bodies.last().map(|body| body.source.to_string()).unwrap_or_default();
        TemplateError::TooMuch { name, what, limit }
    }

    fn wrong(&self, span: (usize, usize), message: impl Into<String>) -> TemplateError {
        self.wrong_at(span.0, span, message)
    }

    /// The same with a place within what is shown: Go points behind the first name of several fields.
    fn wrong_at(&self, place: usize, span: (usize, usize), message: impl Into<String>) -> TemplateError {
        let Some(body) = self.bodies.last() else {
            return TemplateError::NoTemplate(String::new());
        };
        let before = body.text.get(..place).unwrap_or_default();
        let at = body.text.get(span.0..span.1).unwrap_or_default().trim();
        let shown: String = at.chars().take(20).collect();
        TemplateError::Execute {
            name: body.source.to_string(),
            line: 1 + before.matches('\n').count(),
            column: before.len() - before.rfind('\n').map_or(0, |newline| newline + 1),
            executing: body.name.to_string(),
            at: if at.chars().count() > 20 { format!("{shown}...") } else { shown },
            message: message.into(),
        }
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Outcome<Flow> {
        for node in nodes {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(self.too_much("the number of steps", MOST_STEPS));
            }
            match self.node(node, dot)? {
                Flow::Through => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Through)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Outcome<Flow> {
        match node {
            Node::Text(text) => self.write(|out| out.push_str(text))?,
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::If { condition, then, otherwise } => {
                let known = self.variables.len();
                let chosen = if self.pipeline(condition, dot)?.is_true() { then } else { otherwise };
                let flow = self.nodes(chosen, dot)?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::With { value, then, otherwise } => {
                let known = self.variables.len();
                let value = self.pipeline(value, dot)?;
                let flow =
                    if value.is_true() { self.nodes(then, &value)? } else { self.nodes(otherwise, dot)? };
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::Range { over, then, otherwise } => {
                let known = self.variables.len();
                let flow = self.range(over, then, otherwise, dot)?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::Template { name, data, at } => {
                let span = (*at, *at + name.len());
                let Some(body) = self.templates.body(name) else {
                    return Err(self.wrong(span, format!("template {:?} not defined", &**name)));
                };
                if self.bodies.len() >= MOST_DEPTH {
                    return Err(self.wrong(span, format!("exceeded maximum template depth ({MOST_DEPTH})")));
                }
                let data = match data {
                    Some(data) => self.pipeline(data, dot)?,
                    None => Value::Nil,
                };
                self.body(&body, &data)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Through)
    }

    fn write(&mut self, push: impl FnOnce(&mut String)) -> Outcome<()> {
        push(&mut self.out);
        if self.out.len() > MOST_OUTPUT {
            return Err(self.too_much("the output in bytes", MOST_OUTPUT));
        }
        Ok(())
    }

    fn print(&mut self, value: &Value) -> Outcome<()> {
        let escape = self.escape;
        self.write(|out| match (value, escape) {
            (Value::Nil, Escape::No) => out.push_str("<no value>"),
            (Value::Nil, Escape::Html) => {}
            (value, Escape::No) | (value @ Value::Html(_), _) => push_value(out, value),
            (value, Escape::Html) => {
                let mut plain = String::new();
                push_value(&mut plain, value);
                if begins_url(out) && !is_safe_url(&plain) {
                    plain = "#ZgotmplZ".to_owned();
                }
                out.push_str(&html_escaped(&plain).replace('+', "&#43;"));
            }
        })
    }

    fn range(&mut self, over: &Pipeline, then: &[Node], otherwise: &[Node], dot: &Value) -> Outcome<Flow> {
        let (names, value) = (&over.variables, self.commands(over, dot)?);
        let elements: Vec<(Value, Value)> = match &value {
            Value::Nil => Vec::new(),
            Value::List(list) => numbered(list),
            Value::Map(map) => {
                map.entries.iter().map(|(name, one)| (Value::Text(Arc::clone(name)), one.clone())).collect()
            }
            Value::Int(count) => return self.count(*count, over, then, otherwise, dot),
            Value::Object(object) => match (object.elements(), object.entries()) {
                (Some(list), _) => numbered(&list),
                (None, Some(map)) => map
                    .entries
                    .iter()
                    .map(|(name, one)| (Value::Text(Arc::clone(name)), one.clone()))
                    .collect(),
                (None, None) => return Err(self.no_range(over, &value)),
            },
            _ => return Err(self.no_range(over, &value)),
        };
        if elements.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (index, element) in elements {
            let known = self.variables.len();
            match &names[..] {
                [] => {}
                [only] => self.set(over.assigns, only, element.clone()),
                [first, second, ..] => {
                    self.set(over.assigns, first, index);
                    self.set(over.assigns, second, element.clone());
                }
            }
            let flow = self.nodes(then, &element)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Through)
    }

    /// `range` over a number: 0 up to it.
    fn count(
        &mut self,
        count: i64,
        over: &Pipeline,
        then: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Outcome<Flow> {
        if over.variables.len() > 1 {
            let message = format!("can't use {count} to iterate over more than one variable");
            return Err(self.wrong(over.span, message));
        }
        if count <= 0 {
            return self.nodes(otherwise, dot);
        }
        for number in 0..count {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(self.too_much("the number of steps", MOST_STEPS));
            }
            let known = self.variables.len();
            if let Some(name) = over.variables.first() {
                self.set(over.assigns, name, Value::Int(number));
            }
            let flow = self.nodes(then, &Value::Int(number))?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Through)
    }

    fn no_range(&self, over: &Pipeline, value: &Value) -> TemplateError {
        let mut shown = String::new();
        push_value(&mut shown, value);
        self.wrong(over.span, format!("range can't iterate over {shown}"))
    }

    fn set(&mut self, assigns: bool, name: &str, value: Value) {
        if assigns {
            let known = self.variables[self.base..].iter_mut().rev().find(|(known, _)| known == name);
            if let Some((_, known)) = known {
                *known = value;
            }
        } else {
            self.variables.push((name.to_owned(), value));
        }
    }

    fn variable(&self, name: &str) -> Value {
        let known = self.variables[self.base..].iter().rev().find(|(known, _)| known == name);
        known.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Outcome<Value> {
        let value = self.commands(pipeline, dot)?;
        for name in &pipeline.variables {
            self.set(pipeline.assigns, name, value.clone());
        }
        Ok(value)
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Outcome<Value> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last.take(), dot)?);
        }
        Ok(last.unwrap_or_default())
    }

    fn command(&mut self, command: &Command, last: Option<Value>, dot: &Value) -> Outcome<Value> {
        let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Nil) };
        match &first.kind {
            OperandKind::Function(name) => self.function(name, first, rest, last, dot),
            OperandKind::Field(names) => {
                let arguments = self.arguments(rest, last, dot)?;
                self.fields(dot.clone(), names, &arguments, first)
            }
            OperandKind::Variable(name, names) if !names.is_empty() => {
                let arguments = self.arguments(rest, last, dot)?;
                self.fields(self.variable(name), names, &arguments, first)
            }
            OperandKind::Chain(inner, names) => {
                let value = self.operand(inner, dot)?;
                let arguments = self.arguments(rest, last, dot)?;
                self.fields(value, names, &arguments, first)
            }
            _ if !rest.is_empty() || last.is_some() => {
                let shown = self.shown(first);
                Err(self.wrong(first.span, format!("can't give argument to non-function {shown}")))
            }
            OperandKind::Nil => Err(self.wrong(first.span, "nil is not a command")),
            _ => self.operand(first, dot),
        }
    }

    fn shown(&self, operand: &Operand) -> String {
        let text = self.bodies.last().and_then(|body| body.text.get(operand.span.0..operand.span.1));
        text.unwrap_or_default().trim().to_owned()
    }

    fn arguments(&mut self, operands: &[Operand], last: Option<Value>, dot: &Value) -> Outcome<Vec<Value>> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(last);
        Ok(arguments)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Outcome<Value> {
        match &operand.kind {
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Nil => Ok(Value::Nil),
            OperandKind::Literal(value) => Ok(value.clone()),
            OperandKind::Field(names) => self.fields(dot.clone(), names, &[], operand),
            OperandKind::Variable(name, names) => self.fields(self.variable(name), names, &[], operand),
            OperandKind::Function(name) => self.function(name, operand, &[], None, dot),
            OperandKind::Chain(inner, names) => {
                let value = self.operand(inner, dot)?;
                self.fields(value, names, &[], operand)
            }
            OperandKind::Pipeline(pipeline) => self.pipeline(pipeline, dot),
        }
    }

    fn function(
        &mut self,
        name: &str,
        operand: &Operand,
        rest: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Outcome<Value> {
        let own = self.calls.has(name);
        let span = (operand.span.0, rest.last().map_or(operand.span.1, |last| last.span.1));
        if !own && matches!(name, "and" | "or") {
            return self.shortened(name == "and", operand, rest, last, dot);
        }
        let arguments = self.arguments(rest, last, dot)?;
        let result = if own { self.calls.call(name, &arguments) } else { builtins::call(name, &arguments) };
        debug_assert!(own || is_builtin(name), "the parser knows the functions");
        result.map_err(|message| {
            let counted = message.starts_with("wrong number of args for ");
            let message = if counted { message } else { format!("error calling {name}: {message}") };
            self.wrong(span, message)
        })
    }

    /// `and` and `or`: the first value that decides, or the last.
    fn shortened(
        &mut self,
        all: bool,
        operand: &Operand,
        rest: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Outcome<Value> {
        let mut value = None;
        for argument in rest {
            let found = self.operand(argument, dot)?;
            if found.is_true() != all {
                return Ok(found);
            }
            value = Some(found);
        }
        last.or(value).ok_or_else(|| {
            let name = if all { "and" } else { "or" };
            self.wrong(operand.span, format!("wrong number of args for {name}: want at least 1 got 0"))
        })
    }

    /// Fields of a value, one of the other; the last may be a method that takes arguments.
    fn fields(
        &self,
        value: Value,
        names: &[String],
        arguments: &[Value],
        operand: &Operand,
    ) -> Outcome<Value> {
        let mut value = value;
        for (at, name) in names.iter().enumerate() {
            let given = if at + 1 == names.len() { arguments } else { &[] };
            value = self.field(&value, name, given, operand)?;
        }
        if names.is_empty() && !arguments.is_empty() {
            let shown = self.shown(operand);
            return Err(self.wrong(operand.span, format!("can't give argument to non-function {shown}")));
        }
        Ok(value)
    }

    fn field(&self, value: &Value, name: &str, arguments: &[Value], operand: &Operand) -> Outcome<Value> {
        let place = match &operand.kind {
            OperandKind::Field(names) if names.len() > 1 => operand.span.0 + 1 + names[0].len(),
            _ => operand.span.0,
        };
        let wrong = |message: String| Err(self.wrong_at(place, operand.span, message));
        let map = match value {
            Value::Map(map) => Some(&**map),
            Value::Object(object) => match object.member(name, arguments) {
                Some(Ok(value)) => return Ok(value),
                Some(Err(message)) => return wrong(format!("error calling {name}: {message}")),
                None => object.entries(),
            },
            Value::Nil => return wrong(format!("nil pointer evaluating interface {{}}.{name}")),
            _ => None,
        };
        match map {
            Some(_) if !arguments.is_empty() => wrong(format!("{name} is not a method but has arguments")),
            Some(map) => Ok(map.get(name)),
            None => wrong(format!("can't evaluate field {name} in type {}", value.type_name())),
        }
    }
}

/// Whether a quoted attribute that is a URL has just begun.
fn begins_url(out: &str) -> bool {
    let Some(before) = out.strip_suffix(['"', '\'']) else { return false };
    let names = ["href", "src", "action", "formaction", "cite", "background", "poster", "data"];
    let name = before.trim_end().strip_suffix('=').map(str::trim_end).unwrap_or_default();
    let start = name.rfind(|one: char| !one.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    names.iter().any(|known| name.get(start..).is_some_and(|name| name.eq_ignore_ascii_case(known)))
}

/// Whether a URL has no scheme or one that runs nothing, as html/template decides it.
fn is_safe_url(url: &str) -> bool {
    match url.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        }
        _ => true,
    }
}

fn numbered(list: &[Value]) -> Vec<(Value, Value)> {
    list.iter().enumerate().map(|(at, one)| (Value::Int(at as i64), one.clone())).collect()
}
