//! The fields of one manifest, with an error that says where for each that cannot be used.
//!
//! Input: an object that the manifest crate has read and not interpreted. Output: values; mistakes as [`ManifestError`]. It knows no kind.

use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tidewatch_manifest::{ManifestError, Other};

/// One object, and the mistakes found in it.
pub(crate) struct Document<'a> {
    other: &'a Other,
    errors: RefCell<Vec<ManifestError>>,
}

/// A place in an object.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    document: &'a Document<'a>,
    path: String,
    value: &'a Value,
}

impl<'a> Document<'a> {
    pub(crate) fn new(other: &'a Other) -> Self {
        Self { other, errors: RefCell::default() }
    }

    /// The object itself.
    pub(crate) fn root(&'a self) -> Place<'a> {
        Place { document: self, path: String::new(), value: &self.other.raw }
    }

    /// The mistakes found so far.
    pub(crate) fn into_errors(self) -> Vec<ManifestError> {
        self.errors.into_inner()
    }
}

/// The names of an object's `scopes`, or of the root of it.
pub(crate) fn scopes(other: &Other) -> Vec<&str> {
    let list = other.raw.get("scopes").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

impl<'a> Place<'a> {
    /// Notes a mistake here.
    pub(crate) fn wrong(&self, message: impl Into<String>, hint: impl Into<String>) {
        let other = self.document.other;
        let source = &other.meta.source;
        let error = ManifestError::new(&source.file, message)
            .at(source.line, 1)
            .object(format!("{}/{}", other.kind, other.meta.name))
            .field(&self.path)
            .hint(hint);
        self.document.errors.borrow_mut().push(error);
    }

    /// A field of it; a place with null where it is not there.
    pub(crate) fn get(&self, key: &str) -> Self {
        const NULL: &Value = &Value::Null;
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { document: self.document, path, value: self.value.get(key).unwrap_or(NULL) }
    }

    /// Whether it is there and not null.
    pub(crate) fn is_there(&self) -> bool {
        !self.value.is_null()
    }

    /// The value as it is.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// The elements of a list; none where it is not there.
    pub(crate) fn items(&self) -> Vec<Self> {
        match self.value {
            Value::Null => Vec::new(),
            Value::Array(items) => {
                let place =
                    |(index, value)| Self { path: format!("{}[{index}]", self.path), value, ..self.clone() };
                items.iter().enumerate().map(place).collect()
            }
            _ => {
                self.wrong("must be a list", "write its elements with a leading '- '");
                Vec::new()
            }
        }
    }

    /// The entries of a map; none where it is not there.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Self)> {
        match self.value {
            Value::Null => Vec::new(),
            Value::Object(entries) => entries.iter().map(|(key, _)| (key.as_str(), self.get(key))).collect(),
            _ => {
                self.wrong("must be a map", "write `name: value` lines");
                Vec::new()
            }
        }
    }

    /// Text; `None` where it is not there.
    pub(crate) fn text(&self) -> Option<String> {
        match self.value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => {
                self.wrong(format!("must be text, is {other}"), "put it in quotes");
                None
            }
        }
    }

    /// Text that must be there and not be empty; empty after a mistake.
    pub(crate) fn required_text(&self) -> String {
        let text = self.text().unwrap_or_default();
        if text.is_empty() && !self.value.is_number() {
            self.wrong("is missing", "it is required");
        }
        text
    }

    /// Text, or a number or boolean as Dapr's metadata may be written, as text.
    pub(crate) fn loose_text(&self) -> Option<String> {
        match self.value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(self.value.to_string()),
            other => {
                self.wrong(format!("must be text, a number or a boolean, is {other}"), "put it in quotes");
                None
            }
        }
    }

    /// A boolean; `None` where it is not there.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Null => None,
            Value::Bool(flag) => Some(*flag),
            other => {
                self.wrong(
                    format!("must be true or false, is {other}"),
                    "write true or false, without quotes",
                );
                None
            }
        }
    }

    /// A whole number; `None` where it is not there.
    pub(crate) fn number(&self) -> Option<i64> {
        match self.value {
            Value::Null => None,
            other => other.as_i64().or_else(|| {
                self.wrong(format!("must be a whole number, is {other}"), "write it without quotes");
                None
            }),
        }
    }

    /// A map of text.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        let entry = |(key, place): (&str, Self)| place.loose_text().map(|text| (key.to_owned(), text));
        self.entries().into_iter().filter_map(entry).collect()
    }
}
