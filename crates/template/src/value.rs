//! What templates compute with.
//!
//! Input: callers' data, literals, results of functions. Output: truth, length, elements, fields, comparison. Values are cheap to clone:
//! whatever is large is shared.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing: Go's untyped nil, or a key that a map does not have.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// A text that is HTML already: not escaped.
    Html(Arc<str>),
    /// Values in order.
    List(Arc<[Value]>),
    /// Values by name.
    Map(Arc<Map>),
    /// Something with fields and methods.
    Object(Arc<dyn Object>),
}

/// Values by name.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// The entries.
    pub entries: BTreeMap<Arc<str>, Value>,
    /// What a name that is not there gives: an empty text in a map of texts, nothing otherwise (Go's `missingkey=zero`).
    pub zero: Value,
}

/// Something with fields and methods, as Go's structs.
pub trait Object: fmt::Debug + Send + Sync {
    /// Its type's name, as errors show it, e.g. `template.Alert`.
    fn type_name(&self) -> &'static str;

    /// A field, or the result of a method for arguments; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the method fails or takes other arguments.
    fn member(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>>;

    /// The object as Go's `%v` prints it.
    fn print(&self) -> String;

    /// Its elements, if `range` goes over it.
    fn elements(&self) -> Option<Arc<[Value]>> {
        None
    }

    /// It as JSON, if it can be written so.
    fn to_json(&self) -> Option<String> {
        None
    }

    /// It as a map, for methods beside keys.
    fn entries(&self) -> Option<&Map> {
        None
    }
}

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// A map of texts, whose missing names are empty.
    pub fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let entries = pairs.into_iter().map(|(name, value)| (name.into(), Self::text(value))).collect();
        Self::Map(Arc::new(Map { entries, zero: Self::text("") }))
    }

    /// Values by name, whose missing names are nothing.
    pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let entries = pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self::Map(Arc::new(Map { entries, zero: Self::Nil }))
    }

    /// Values in order.
    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(values.into_iter().collect())
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Html(text) => Some(text),
            _ => None,
        }
    }

    /// The type as Go names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::List(_) => "[]interface {}",
            Self::Map(map) if map.zero.as_text().is_some() => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Whether it is neither empty nor zero nor nothing.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) | Self::Html(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Object(object) => {
                let filled = object.entries().map(|map| !map.entries.is_empty());
                filled.or_else(|| object.elements().map(|list| !list.is_empty())).unwrap_or(true)
            }
        }
    }

    /// How many elements or bytes it has, if it is of a kind that has any.
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Text(text) | Self::Html(text) => Some(text.len()),
            Self::List(list) => Some(list.len()),
            Self::Map(map) => Some(map.entries.len()),
            Self::Object(object) => {
                let entries = object.entries().map(|map| map.entries.len());
                entries.or_else(|| object.elements().map(|list| list.len()))
            }
            _ => None,
        }
    }

    /// Whether it has no elements; `None` for a value of a kind that has none.
    pub fn is_empty(&self) -> Option<bool> {
        self.len().map(|len| len == 0)
    }
}

impl Map {
    /// The value of a name, or the zero value.
    pub fn get(&self, name: &str) -> Value {
        self.entries.get(name).unwrap_or(&self.zero).clone()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
