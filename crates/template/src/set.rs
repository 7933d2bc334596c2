//! Named templates that know each other.
//!
//! Input: texts, and what functions there are. Output: text for data. A set is cheap to clone, so that a text of its own can be added for
//! one execution.

use crate::Value;
use crate::error::TemplateError;
use crate::execute::Execution;
use crate::parser::parse;
use crate::tree::Body;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The functions of a template, beside those that every template has.
pub trait Calls {
    /// Whether there is a function of this name.
    fn has(&self, name: &str) -> bool;

    /// Calls a function.
    ///
    /// # Errors
    /// When it fails or takes other arguments; Go's words without the function's name.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String>;
}

/// What becomes of values that are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// They are printed as they are.
    #[default]
    No,
    /// They are escaped for HTML, unless they are HTML; a URL attribute that begins with a scheme other than http, https or mailto
    /// becomes `#ZgotmplZ`. Unlike Go's html/template this does not look at what surrounds an action: it is
    /// safe in elements and quoted attributes, not in scripts, style sheets or unquoted attributes.
    Html,
}

/// Named templates that know each other.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    bodies: BTreeMap<Arc<str>, Arc<Body>>,
}

impl Templates {
    /// Adds a text under a name, and what it defines. One that is there already is replaced, unless the new one is empty, as in Go.
    ///
    /// # Errors
    /// Go's complaint, with the name and the line; nothing is added then.
    pub fn parse(
        &mut self,
        name: &str,
        text: &str,
        is_function: &dyn Fn(&str) -> bool,
    ) -> Result<(), TemplateError> {
        for body in parse(name, text, is_function)? {
            let is_blank = body
                .nodes
                .iter()
                .all(|node| matches!(node, crate::tree::Node::Text(text) if text.trim().is_empty()));
            if !(is_blank && self.bodies.contains_key(&body.name)) {
                self.bodies.insert(Arc::clone(&body.name), Arc::new(body));
            }
        }
        Ok(())
    }

    /// Whether there is a template of this name.
    pub fn has(&self, name: &str) -> bool {
        self.bodies.contains_key(name)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.bodies.keys().map(|name| &**name)
    }

    /// The text of a template for data.
    ///
    /// # Errors
    /// When there is no such template, or it fails.
    pub fn execute(
        &self,
        name: &str,
        data: &Value,
        calls: &mut dyn Calls,
        escape: Escape,
    ) -> Result<String, TemplateError> {
        let body = self.body(name).ok_or_else(|| TemplateError::NoTemplate(name.to_owned()))?;
        Execution::new(self, calls, escape).run(&body, data)
    }

    pub(crate) fn body(&self, name: &str) -> Option<Arc<Body>> {
        self.bodies.get(name).cloned()
    }
}
