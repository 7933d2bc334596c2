//! Takes typed values out of a document and keeps account: what was wrong, and which fields nobody asked for.
//!
//! Input: a [`Node`]. Output: plain values; errors and warnings with file, line, object, field path, value and hint go
//! to the [`Report`]. A field that is wrong counts as absent, so that one run finds every mistake.

use crate::node::{Node, NodeValue};
use crate::{ManifestError, Quantity};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;

/// What is found while reading one file.
#[derive(Debug, Default)]
pub struct Report {
    /// The file's path as the user named it.
    pub file: String,
    /// The object that is read, as `Kind/name`.
    pub object: Option<String>,
    /// Values of this object must not appear in messages.
    pub private: bool,
    /// What makes the file unusable.
    pub errors: Vec<ManifestError>,
    /// What is not as it should be.
    pub warnings: Vec<ManifestError>,
}

impl Report {
    fn at(&self, node: &Node, field: &str, message: String) -> ManifestError {
        let mut error = ManifestError::new(&self.file, message).at(node.line, node.column);
        error.object.clone_from(&self.object);
        if !field.is_empty() {
            error = error.field(field);
        }
        error
    }
}

/// The fields of one map.
pub struct Fields<'a> {
    node: &'a Node,
    path: String,
    report: &'a RefCell<Report>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The fields of a map; anything else is an error.
    pub fn open(node: &'a Node, path: impl Into<String>, report: &'a RefCell<Report>) -> Option<Self> {
        let fields = Self { node, path: path.into(), report, asked: RefCell::default() };
        if matches!(node.value, NodeValue::Map(_)) {
            return Some(fields);
        }
        fields.wrong_type(node, &fields.path, "a map of fields");
        None
    }

    /// The path of one of its fields.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The line of the map itself.
    pub fn line(&self) -> u64 {
        self.node.line
    }

    /// The line and column of the map itself.
    pub fn place(&self) -> (u64, u64) {
        (self.node.line, self.node.column)
    }

    fn find(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        self.node.get(key).filter(|node| !node.is_null())
    }

    /// The raw value of a field.
    pub fn raw(&self, key: &'static str) -> Option<&'a Node> {
        self.find(key)
    }

    /// Notes that fields are legal here although nothing is made of them.
    pub fn known(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend_from_slice(keys);
    }

    /// Whether the field stands there with a value.
    pub fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some_and(|node| !node.is_null())
    }

    /// Says that a field's value is of the wrong kind.
    fn wrong_type(&self, node: &Node, path: &str, wanted: &str) {
        let mut report = self.report.borrow_mut();
        let got = if report.private { "another type".to_owned() } else { node.describe() };
        let mut error = report.at(node, path, format!("must be {wanted}, is {got}"));
        if wanted == "text"
            && matches!(node.value, NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Float(_))
        {
            error = error.hint("put the value in quotes");
        }
        report.errors.push(error);
    }

    /// Says that the value of a field is wrong.
    pub fn wrong(&self, key: &str, message: impl Display, hint: &str) {
        let node = self.node.get(key).unwrap_or(self.node);
        let mut report = self.report.borrow_mut();
        let mut error = report.at(node, &self.path_of(key), message.to_string());
        if !hint.is_empty() {
            error = error.hint(hint);
        }
        report.errors.push(error);
    }

    /// The same of one item, counted from 0, of a field that is a list.
    pub fn wrong_item(&self, key: &str, index: usize, message: impl Display, hint: &str) {
        let list = self.node.get(key).unwrap_or(self.node);
        let item = match &list.value {
            NodeValue::List(items) => items.get(index),
            _ => None,
        };
        let mut report = self.report.borrow_mut();
        let path = format!("{}[{index}]", self.path_of(key));
        let mut error = report.at(item.unwrap_or(list), &path, message.to_string());
        if !hint.is_empty() {
            error = error.hint(hint);
        }
        report.errors.push(error);
    }

    /// Says that a field is not as it should be and that reading goes on.
    pub fn warn(&self, key: &str, message: impl Display, hint: &str) {
        let node = self.node.get(key).unwrap_or(self.node);
        let mut report = self.report.borrow_mut();
        let mut warning = report.at(node, &self.path_of(key), message.to_string());
        if !hint.is_empty() {
            warning = warning.hint(hint);
        }
        report.warnings.push(warning);
    }

    /// The names of the fields that are there.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        let entries: &'a [(Node, Node)] = match &self.node.value {
            NodeValue::Map(entries) => entries,
            _ => &[],
        };
        entries.iter().filter_map(|(key, _)| key.text())
    }

    /// Whether a list that must not be empty is; says so if it is.
    pub fn required_list_is_empty(&self, key: &'static str) -> bool {
        let filled = self.has(key)
            && !self
                .node
                .get(key)
                .is_some_and(|node| matches!(&node.value, NodeValue::List(items) if items.is_empty()));
        if !filled {
            self.missing(key);
            self.known(&[key]);
        }
        !filled
    }

    fn missing(&self, key: &str) {
        let mut report = self.report.borrow_mut();
        let error = report.at(self.node, &self.path_of(key), "required field is missing".to_owned());
        report.errors.push(error);
    }

    /// A text field.
    pub fn text(&self, key: &'static str) -> Option<String> {
        let node = self.find(key)?;
        match &node.value {
            NodeValue::Text(text) => Some(text.clone()),
            _ => {
                self.wrong_type(node, &self.path_of(key), "text");
                None
            }
        }
    }

    /// A text field that must be there; empty after an error.
    pub fn required_text(&self, key: &'static str) -> String {
        if !self.has(key) {
            self.missing(key);
            self.known(&[key]);
            return String::new();
        }
        self.text(key).unwrap_or_default()
    }

    /// A boolean field.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        let node = self.find(key)?;
        match node.value {
            NodeValue::Bool(value) => Some(value),
            NodeValue::Text(ref text) if ["yes", "on"].contains(&text.to_lowercase().as_str()) => Some(true),
            NodeValue::Text(ref text) if ["no", "off"].contains(&text.to_lowercase().as_str()) => Some(false),
            _ => {
                self.wrong_type(node, &self.path_of(key), "true or false");
                None
            }
        }
    }

    /// A whole number within a range.
    pub fn number<T: TryFrom<i64>>(&self, key: &'static str, least: i64, most: i64) -> Option<T> {
        let node = self.find(key)?;
        match node.value {
            NodeValue::Integer(value) if (least..=most).contains(&value) => T::try_from(value).ok(),
            NodeValue::Integer(value) => {
                self.wrong(key, format!("must be from {least} to {most}, is {value}"), "");
                None
            }
            _ => {
                self.wrong_type(node, &self.path_of(key), "a whole number");
                None
            }
        }
    }

    /// A quantity, written as text or number.
    pub fn quantity(&self, key: &'static str) -> Option<Quantity> {
        let node = self.find(key)?;
        self.as_quantity(node, &self.path_of(key))
    }

    /// A node as a quantity.
    fn as_quantity(&self, node: &Node, path: &str) -> Option<Quantity> {
        let text = match &node.value {
            NodeValue::Text(text) => text.clone(),
            NodeValue::Integer(value) => value.to_string(),
            NodeValue::Float(value) => value.to_string(),
            _ => {
                self.wrong_type(node, path, "a quantity");
                return None;
            }
        };
        match Quantity::parse(&text) {
            Ok(quantity) => Some(quantity),
            Err(error) => {
                let mut report = self.report.borrow_mut();
                let error = report
                    .at(node, path, error.to_string())
                    .hint("write e.g. 250m or 0.5 for cpu, 128Mi or 1Gi for memory");
                report.errors.push(error);
                None
            }
        }
    }

    /// A map of quantities.
    pub fn quantities(&self, key: &'static str) -> BTreeMap<String, Quantity> {
        self.entries(key, |node, path| self.as_quantity(node, path))
    }

    /// A map of text.
    pub fn texts(&self, key: &'static str) -> BTreeMap<String, String> {
        self.entries(key, |node, path| match &node.value {
            NodeValue::Text(text) => Some(text.clone()),
            _ => {
                self.wrong_type(node, path, "text");
                None
            }
        })
    }

    fn entries<T>(
        &self,
        key: &'static str,
        read: impl Fn(&'a Node, &str) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let Some(node) = self.find(key) else { return BTreeMap::new() };
        let NodeValue::Map(entries) = &node.value else {
            self.wrong_type(node, &self.path_of(key), "a map");
            return BTreeMap::new();
        };
        let name_of = |name: &Node| name.text().unwrap_or_default().to_owned();
        entries
            .iter()
            .filter_map(|(name, value)| {
                let name = name_of(name);
                let path = format!("{}['{name}']", self.path_of(key));
                read(value, &path).map(|value| (name, value))
            })
            .collect()
    }

    /// A map of whole numbers within a range.
    pub fn numbers<T: TryFrom<i64>>(&self, key: &'static str, least: i64, most: i64) -> BTreeMap<String, T> {
        self.entries(key, |node, path| match node.value {
            NodeValue::Integer(value) if (least..=most).contains(&value) => T::try_from(value).ok(),
            NodeValue::Integer(value) => {
                let mut report = self.report.borrow_mut();
                let error = report.at(node, path, format!("must be from {least} to {most}, is {value}"));
                report.errors.push(error);
                None
            }
            _ => {
                self.wrong_type(node, path, "a whole number");
                None
            }
        })
    }

    /// The fields of each map of a map.
    pub fn sections(&self, key: &'static str) -> BTreeMap<String, Fields<'a>> {
        self.entries(key, |node, path| Fields::open(node, path, self.report))
    }

    /// A map of lists of text.
    pub fn text_lists(&self, key: &'static str) -> BTreeMap<String, Vec<String>> {
        self.entries(key, |node, path| {
            let texts = match &node.value {
                NodeValue::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
                _ => None,
            };
            if texts.is_none() {
                self.wrong_type(node, path, "a list of text");
            }
            texts
        })
    }

    /// A list of text.
    pub fn text_list(&self, key: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        for (index, node) in self.items(key).iter().enumerate() {
            match &node.value {
                NodeValue::Text(text) => texts.push(text.clone()),
                _ => self.wrong_type(node, &format!("{}[{index}]", self.path_of(key)), "text"),
            }
        }
        texts
    }

    fn items(&self, key: &'static str) -> &'a [Node] {
        let Some(node) = self.find(key) else { return &[] };
        match &node.value {
            NodeValue::List(items) => items,
            _ => {
                self.wrong_type(node, &self.path_of(key), "a list");
                &[]
            }
        }
    }

    /// The fields of each map of a list.
    pub fn list(&self, key: &'static str) -> Vec<Fields<'a>> {
        let path = self.path_of(key);
        let open = |(index, node)| Fields::open(node, format!("{path}[{index}]"), self.report);
        self.items(key).iter().enumerate().filter_map(open).collect()
    }

    /// The fields of a map inside.
    pub fn section(&self, key: &'static str) -> Option<Fields<'a>> {
        let node = self.find(key)?;
        Fields::open(node, self.path_of(key), self.report)
    }

    /// The same for a map that must be there.
    pub fn required_section(&self, key: &'static str) -> Option<Fields<'a>> {
        if !self.has(key) {
            self.missing(key);
            self.known(&[key]);
            return None;
        }
        self.section(key)
    }

    /// Warns of every field that was not asked for, as an API server warns with strict field validation.
    pub fn finish(self) {
        self.finish_ref();
    }

    /// The same for fields that were lent.
    pub fn finish_ref(&self) {
        let NodeValue::Map(entries) = &self.node.value else { return };
        let asked = self.asked.borrow();
        for (key, _) in entries {
            let Some(name) = key.text().filter(|name| !asked.contains(name)) else { continue };
            let mut report = self.report.borrow_mut();
            let mut warning = report.at(key, &self.path_of(name), "unknown field, ignored".to_owned());
            if let Some(close) = asked.iter().find(|known| is_close(known, name)) {
                warning = warning.hint(format!("did you mean {close}?"));
            }
            report.warnings.push(warning);
        }
    }
}

/// Whether two names differ in case only, or by one letter changed, missing, added or swapped.
fn is_close(known: &str, name: &str) -> bool {
    if known.eq_ignore_ascii_case(name) {
        return true;
    }
    let (a, b) = (known.as_bytes(), name.as_bytes());
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let back = a[front..].iter().rev().zip(b[front..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (left_a, left_b) = (a.len() - front - back, b.len() - front - back);
    known.len() > 3
        && (left_a <= 1 && left_b <= 1
            || left_a == 2 && left_b == 2 && a[front] == b[front + 1] && a[front + 1] == b[front])
}
