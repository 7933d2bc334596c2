//! From pieces of text to trees.
//!
//! Input: pieces, and which functions there are. Output: the bodies that a text defines, its own first, or Go's complaint with the line.

use crate::Value;
use crate::builtins::is_builtin;
use crate::error::TemplateError;
use crate::lexer::{Kind, Mistake, Piece, Token, pieces};
use crate::tree::{Body, Command, Node, Operand, OperandKind, Pipeline};
use std::sync::Arc;

/// Blocks and parentheses within each other; deeper texts are refused, so that no text exhausts the stack.
const MOST_DEPTH: usize = 100;

/// The bodies of a text: that of the text itself first, then those it defines.
pub(crate) fn parse(
    name: &str,
    text: &str,
    is_function: &dyn Fn(&str) -> bool,
) -> Result<Vec<Body>, TemplateError> {
    let refuse = |(at, message): Mistake| {
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        TemplateError::Parse { name: name.to_owned(), line, message }
    };
    let pieces = pieces(text).map_err(refuse)?;
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        is_function,
        variables: vec!["$".to_owned()],
        defined: Vec::new(),
        blocks: 0,
        loops: 0,
        end: text.len(),
    };
    let (nodes, ended) = parser.nodes().map_err(refuse)?;
    if let Some((at, word)) = ended {
        return Err(refuse((at, format!("unexpected {{{{{word}}}}}"))));
    }
    let (source, text): (Arc<str>, Arc<str>) = (name.into(), text.into());
    let body =
        |name: Arc<str>, nodes| Body { name, source: Arc::clone(&source), text: Arc::clone(&text), nodes };
    let mut bodies = vec![body(Arc::clone(&source), nodes)];
    bodies.extend(parser.defined.into_iter().map(|(name, nodes)| body(name, nodes)));
    Ok(bodies)
}

struct Parser<'f> {
    pieces: std::vec::IntoIter<Piece>,
    is_function: &'f dyn Fn(&str) -> bool,
    variables: Vec<String>,
    defined: Vec<(Arc<str>, Vec<Node>)>,
    blocks: usize,
    loops: usize,
    end: usize,
}

/// The keyword that ended a list, `end` or `else` with what follows it, and its place.
type Ending = Option<(usize, String)>;

/// The tokens of an action that are not read yet.
struct Tokens {
    rest: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Where the action begins, then where the last token read ended, about.
    at: usize,
    depth: usize,
}

impl Tokens {
    fn new(tokens: Vec<Token>, at: usize) -> Self {
        Self { rest: tokens.into_iter().peekable(), at, depth: 0 }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.rest.next()?;
        self.at = token.at + length(&token.kind);
        Some(token)
    }

    fn peek(&mut self) -> Option<&Kind> {
        self.rest.peek().map(|token| &token.kind)
    }

    fn peek_word(&mut self) -> Option<String> {
        match self.peek() {
            Some(Kind::Word(word)) => Some(word.clone()),
            _ => None,
        }
    }

    fn finish(&mut self, context: &str) -> Result<(), Mistake> {
        match self.rest.next() {
            None => Ok(()),
            Some(token) => Err((token.at, format!("unexpected {} in {context}", shown(&token.kind)))),
        }
    }
}

fn length(kind: &Kind) -> usize {
    match kind {
        Kind::Word(text) | Kind::Variable(text) => text.len(),
        Kind::Field(name) => name.len() + 1,
        Kind::Declare => 2,
        _ => 1,
    }
}

fn shown(kind: &Kind) -> String {
    match kind {
        Kind::Word(text) => format!("<{text}>"),
        Kind::Field(name) => format!("<.{name}>"),
        Kind::Dot => "<.>".to_owned(),
        Kind::Variable(name) => format!("{name:?}"),
        Kind::Int(value) => format!("\"{value}\""),
        Kind::Float(value) => format!("\"{value}\""),
        Kind::Text(text) => format!("{text:?}"),
        Kind::Pipe => "\"|\"".to_owned(),
        Kind::Open => "\"(\"".to_owned(),
        Kind::Close => "\")\"".to_owned(),
        Kind::Declare => "\":=\"".to_owned(),
        Kind::Assign => "\"=\"".to_owned(),
        Kind::Comma => "\",\"".to_owned(),
    }
}

impl Parser<'_> {
    /// Steps up to the end of the text, or to an `end` or `else`.
    fn nodes(&mut self) -> Result<(Vec<Node>, Ending), Mistake> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, at) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, at) => (tokens, at),
            };
            let mut tokens = Tokens::new(tokens, at);
            let Some(word) = tokens.peek_word() else {
                nodes.push(Node::Action(self.pipeline(&mut tokens, "command")?));
                continue;
            };
            match word.as_str() {
                "end" => {
                    tokens.next();
                    tokens.finish("end")?;
                    return Ok((nodes, Some((at, word))));
                }
                "else" => return Ok((nodes, Some((at, self.otherwise(&mut tokens)?)))),
                _ => nodes.extend(self.statement(&word, &mut tokens, at)?),
            }
        }
        Ok((nodes, None))
    }

    /// What follows `else`: nothing, or an `if` or `with` whose tokens are put back as an action of its own.
    fn otherwise(&mut self, tokens: &mut Tokens) -> Result<String, Mistake> {
        tokens.next();
        match tokens.peek_word().as_deref() {
            Some(word @ ("if" | "with")) => {
                let word = word.to_owned();
                let (rest, at) = (tokens.rest.by_ref().collect(), tokens.at);
                let after: Vec<Piece> = self.pieces.by_ref().collect();
                let pieces = std::iter::once(Piece::Action(rest, at)).chain(after);
                self.pieces = pieces.collect::<Vec<_>>().into_iter();
                Ok(format!("else {word}"))
            }
            _ => {
                tokens.finish("else")?;
                Ok("else".to_owned())
            }
        }
    }

    fn statement(&mut self, word: &str, tokens: &mut Tokens, at: usize) -> Result<Option<Node>, Mistake> {
        let keyword =
            matches!(word, "if" | "with" | "range" | "template" | "define" | "block" | "break" | "continue");
        if !keyword {
            return self.pipeline(tokens, "command").map(|pipeline| Some(Node::Action(pipeline)));
        }
        tokens.next();
        match word {
            "if" | "with" | "range" => self.control(word, tokens, at).map(Some),
            "template" => self.template(tokens, at).map(Some),
            "define" => self.define(tokens, at).map(|()| None),
            "block" => self.block(tokens, at).map(Some),
            word => {
                tokens.finish(word)?;
                if self.loops == 0 {
                    return Err((at, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                Ok(Some(if word == "break" { Node::Break } else { Node::Continue }))
            }
        }
    }

    fn deeper(&mut self, at: usize) -> Result<(), Mistake> {
        self.blocks += 1;
        if self.blocks > MOST_DEPTH { Err((at, "max expression depth exceeded".to_owned())) } else { Ok(()) }
    }

    fn control(&mut self, word: &str, tokens: &mut Tokens, at: usize) -> Result<Node, Mistake> {
        self.deeper(at)?;
        let known = self.variables.len();
        let pipeline = self.pipeline(tokens, word)?;
        self.loops += usize::from(word == "range");
        let (then, ended) = self.nodes()?;
        self.loops -= usize::from(word == "range");
        let Some((_, ending)) = ended else { return Err((self.end, "unexpected EOF".to_owned())) };
        let otherwise = match ending.as_str() {
            "end" => Vec::new(),
            "else" => {
                let (nodes, ended) = self.nodes()?;
                match ended {
                    Some((_, end)) if end == "end" => nodes,
                    Some((at, other)) => return Err((at, format!("expected end; found {{{{{other}}}}}"))),
                    None => return Err((self.end, "unexpected EOF".to_owned())),
                }
            }
            // `else if` ends with the `end` of its own `if`
            chained => self.chained(chained, word, at)?,
        };
        self.variables.truncate(known);
        self.blocks -= 1;
        Ok(match word {
            "if" => Node::If { condition: pipeline, then, otherwise },
            "with" => Node::With { value: pipeline, then, otherwise },
            _ => Node::Range { over: pipeline, then, otherwise },
        })
    }

    fn chained(&mut self, chained: &str, word: &str, at: usize) -> Result<Vec<Node>, Mistake> {
        let next = chained.strip_prefix("else ").unwrap_or_default().to_owned();
        if next != word {
            return Err((at, format!("unexpected <{next}> in else")));
        }
        let Some(Piece::Action(tokens, at)) = self.pieces.next() else {
            return Err((self.end, "unexpected EOF".to_owned()));
        };
        let mut tokens = Tokens::new(tokens, at);
        tokens.next();
        Ok(vec![self.control(&next, &mut tokens, at)?])
    }

    fn template_name(&self, tokens: &mut Tokens, context: &str) -> Result<Arc<str>, Mistake> {
        match tokens.next() {
            Some(Token { kind: Kind::Text(name), .. }) => Ok(name.into()),
            Some(token) => Err((token.at, format!("unexpected {} in {context}", shown(&token.kind)))),
            None => Err((tokens.at, format!("unexpected \"}}}}\" in {context}"))),
        }
    }

    fn template(&mut self, tokens: &mut Tokens, at: usize) -> Result<Node, Mistake> {
        let name = self.template_name(tokens, "template clause")?;
        let data = match tokens.peek() {
            Some(_) => Some(self.pipeline(tokens, "template clause")?),
            None => None,
        };
        Ok(Node::Template { name, data, at })
    }

    /// The body of a `define` or `block`, which knows no variables from around it.
    fn body(&mut self, name: Arc<str>, at: usize) -> Result<(), Mistake> {
        self.deeper(at)?;
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, ended) = self.nodes()?;
        match ended {
            Some((_, end)) if end == "end" => {}
            Some((at, other)) => return Err((at, format!("unexpected {{{{{other}}}}} in define clause"))),
            None => return Err((self.end, "unexpected EOF".to_owned())),
        }
        (self.variables, self.loops) = (variables, loops);
        self.blocks -= 1;
        self.defined.push((name, nodes));
        Ok(())
    }

    fn define(&mut self, tokens: &mut Tokens, at: usize) -> Result<(), Mistake> {
        if self.blocks > 0 {
            return Err((at, "unexpected {{define}}".to_owned()));
        }
        let name = self.template_name(tokens, "define clause")?;
        tokens.finish("define clause")?;
        self.body(name, at)
    }

    fn block(&mut self, tokens: &mut Tokens, at: usize) -> Result<Node, Mistake> {
        let name = self.template_name(tokens, "block clause")?;
        let data = self.pipeline(tokens, "block clause")?;
        self.body(Arc::clone(&name), at)?;
        Ok(Node::Template { name, data: Some(data), at })
    }

    /// A pipeline up to the end of the action or, within parentheses, up to the closing one.
    fn pipeline(&mut self, tokens: &mut Tokens, context: &str) -> Result<Pipeline, Mistake> {
        let begin = tokens.rest.peek().map_or(tokens.at, |token| token.at);
        let (variables, assigns) = self.declaration(tokens, context)?;
        let mut commands = vec![self.command(tokens, context)?];
        while tokens.peek() == Some(&Kind::Pipe) {
            tokens.next();
            let at = tokens.at;
            let command = self.command(tokens, context)?;
            let first = command.operands.first().map(|operand| &operand.kind);
            if matches!(first, Some(OperandKind::Literal(_) | OperandKind::Dot | OperandKind::Nil)) {
                return Err((at, format!("non executable command in pipeline stage {}", commands.len() + 1)));
            }
            commands.push(command);
        }
        let span = (begin, tokens.at);
        if tokens.depth == 0 {
            tokens.finish(context)?;
        }
        for variable in variables.iter().filter(|_| !assigns) {
            self.variables.push(variable.clone());
        }
        Ok(Pipeline { variables, assigns, commands, span })
    }

    /// The variables that a pipeline sets: `$a :=`, `$a =`, or in a range `$i, $a :=`.
    fn declaration(&mut self, tokens: &mut Tokens, context: &str) -> Result<(Vec<String>, bool), Mistake> {
        let mut ahead = tokens.rest.clone();
        let mut names = Vec::new();
        while let Some(Token { kind: Kind::Variable(name), .. }) = ahead.next() {
            names.push(name);
            match ahead.next().map(|token| token.kind) {
                Some(kind @ (Kind::Declare | Kind::Assign)) => {
                    let assigns = kind == Kind::Assign;
                    if names.len() > 1 && context != "range" {
                        return Err((tokens.at, format!("too many declarations in {context}")));
                    }
                    for name in names.iter().filter(|_| assigns) {
                        self.require_variable(name, tokens.at)?;
                    }
                    tokens.rest = ahead;
                    return Ok((names, assigns));
                }
                Some(Kind::Comma) if context == "range" && names.len() < 2 => {}
                _ => break,
            }
        }
        Ok((Vec::new(), false))
    }

    fn require_variable(&self, name: &str, at: usize) -> Result<(), Mistake> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        Err((at, format!("undefined variable {name:?}")))
    }

    fn command(&mut self, tokens: &mut Tokens, context: &str) -> Result<Command, Mistake> {
        let mut operands = Vec::new();
        while let Some(token) = tokens.rest.peek() {
            match &token.kind {
                Kind::Pipe | Kind::Close => break,
                Kind::Declare | Kind::Assign | Kind::Comma => {
                    return Err((token.at, format!("unexpected {} in {context}", shown(&token.kind))));
                }
                _ => {}
            }
            if !operands.is_empty() && !token.spaced {
                return Err((token.at, format!("unexpected {} in operand", shown(&token.kind))));
            }
            operands.push(self.operand(tokens)?);
        }
        if operands.is_empty() {
            return Err((tokens.at, format!("missing value for {context}")));
        }
        Ok(Command { operands })
    }

    fn operand(&mut self, tokens: &mut Tokens) -> Result<Operand, Mistake> {
        let Some(token) = tokens.next() else { return Err((tokens.at, "unexpected EOF".to_owned())) };
        let at = token.at;
        let kind = match token.kind {
            Kind::Dot => OperandKind::Dot,
            Kind::Int(value) => OperandKind::Literal(Value::Int(value)),
            Kind::Float(value) => OperandKind::Literal(Value::Float(value)),
            Kind::Text(text) => OperandKind::Literal(Value::Text(text.into())),
            Kind::Field(name) => OperandKind::Field(vec![name]),
            Kind::Variable(name) => {
                self.require_variable(&name, at)?;
                OperandKind::Variable(name, Vec::new())
            }
            Kind::Word(word) => self.word(word, at)?,
            Kind::Open => {
                tokens.depth += 1;
                self.deeper(at)?;
                let pipeline = self.pipeline(tokens, "parenthesized pipeline")?;
                self.blocks -= 1;
                tokens.depth -= 1;
                // the lexer has counted the parentheses
                tokens.next();
                OperandKind::Pipeline(Box::new(pipeline))
            }
            other => return Err((at, format!("unexpected {} in operand", shown(&other)))),
        };
        let mut operand = Operand { kind, span: (at, tokens.at) };
        let mut fields = Vec::new();
        while let Some(Token { kind: Kind::Field(name), spaced: false, .. }) = tokens.rest.peek() {
            fields.push(name.clone());
            tokens.next();
        }
        if fields.is_empty() {
            return Ok(operand);
        }
        operand.span.1 = tokens.at;
        match &mut operand.kind {
            OperandKind::Field(names) | OperandKind::Variable(_, names) => names.extend(fields),
            OperandKind::Literal(_) | OperandKind::Dot | OperandKind::Nil => {
                return Err((at, format!("unexpected . after term {:?}", "operand")));
            }
            _ => {
                let span = operand.span;
                operand = Operand { kind: OperandKind::Chain(Box::new(operand), fields), span };
            }
        }
        Ok(operand)
    }

    fn word(&self, word: String, at: usize) -> Result<OperandKind, Mistake> {
        match word.as_str() {
            "true" | "false" => Ok(OperandKind::Literal(Value::Bool(word == "true"))),
            "nil" => Ok(OperandKind::Nil),
            "if" | "else" | "end" | "range" | "with" | "template" | "define" | "block" => {
                Err((at, format!("unexpected <{word}> in operand")))
            }
            _ if (self.is_function)(&word) || is_builtin(&word) => Ok(OperandKind::Function(word)),
            _ => Err((at, format!("function {word:?} not defined"))),
        }
    }
}
