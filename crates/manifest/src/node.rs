//! A YAML or JSON document as a tree that knows where each value stands.
//!
//! Input: text of one or many documents. Output: one [`Node`] a document with 1-based lines and columns, or an error
//! with the place. A document that cannot be parsed does not hide the others. It does not know what the fields mean.

use crate::ManifestError;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What stands there.
    pub value: NodeValue,
    /// The 1-based line it begins at.
    pub line: u64,
    /// The 1-based column it begins at.
    pub column: u64,
}

/// What stands there.
#[derive(Clone, Debug)]
pub enum NodeValue {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order it is written.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The value of a key, when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let NodeValue::Map(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether nothing stands there.
    pub fn is_null(&self) -> bool {
        matches!(self.value, NodeValue::Null)
    }

    /// The same as plain JSON, without places.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::Bool(*value),
            NodeValue::Integer(value) => Value::from(*value),
            NodeValue::Float(value) => Value::from(*value),
            NodeValue::Text(text) => Value::String(text.clone()),
            NodeValue::List(items) => items.iter().map(Self::to_json).collect(),
            NodeValue::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// A number that is the same for equal values, in whatever order keys are written (FNV-1a, 32 bit).
    pub fn fingerprint(&self) -> u32 {
        let mut json = self.to_json();
        json.sort_all_objects();
        json.to_string()
            .bytes()
            .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }

    /// How the value reads in a message: scalars as written, collections by their kind.
    pub fn describe(&self) -> String {
        match &self.value {
            NodeValue::Null => "nothing".to_owned(),
            NodeValue::Bool(value) => format!("boolean {value}"),
            NodeValue::Integer(value) => format!("number {value}"),
            NodeValue::Float(value) => format!("number {value}"),
            NodeValue::Text(text) => format!("text {:?}", text.chars().take(80).collect::<String>()),
            NodeValue::List(_) => "a list".to_owned(),
            NodeValue::Map(_) => "a map".to_owned(),
        }
    }

    fn shift(&mut self, lines: u64) {
        self.line += lines;
        match &mut self.value {
            NodeValue::List(items) => items.iter_mut().for_each(|item| item.shift(lines)),
            NodeValue::Map(entries) => {
                for (key, value) in entries {
                    key.shift(lines);
                    value.shift(lines);
                }
            }
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        let place = spanned.defined;
        Ok(Self { value: spanned.value.0, line: place.line(), column: place.column() })
    }
}

struct Content(NodeValue);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor).map(Self)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = NodeValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }

    fn visit_none<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeValue, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeValue, E> {
        Ok(NodeValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeValue, E> {
        Ok(NodeValue::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeValue, E> {
        Ok(i64::try_from(value).map_or(NodeValue::Float(value as f64), NodeValue::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeValue, E> {
        Ok(NodeValue::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<NodeValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(NodeValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<NodeValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let (line, column) = (key.defined.line(), key.defined.column());
            let key = Node { value: NodeValue::Text(key.value), line, column };
            entries.push((key, access.next_value()?));
        }
        Ok(NodeValue::Map(entries))
    }
}

/// Parses every document of a text; comments alone are no document. The index of a document counts from 0 and
/// includes the ones that failed. `yes`, `no`, `on`, `off` are text, as Prometheus reads them.
pub(crate) fn documents(file: &str, text: &str) -> Vec<(usize, Result<Node, ManifestError>)> {
    parse_documents(file, text, true)
}

/// The first document of a text that need not be YAML; `None` when it is none, or empty.
pub fn first_document(text: &str) -> Option<Node> {
    documents("", text).into_iter().next().and_then(|(_, document)| document.ok())
}

/// Like [`documents`] for Kubernetes objects, where `yes`, `no`, `on`, `off` are booleans, as the API server reads them.
pub(crate) fn kubernetes_documents(file: &str, text: &str) -> Vec<(usize, Result<Node, ManifestError>)> {
    parse_documents(file, text, false)
}

fn parse_documents(
    file: &str,
    text: &str,
    strict_booleans: bool,
) -> Vec<(usize, Result<Node, ManifestError>)> {
    let mut found = Vec::new();
    for (first_line, part) in split(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let blank = part.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
        });
        if !blank {
            let parsed = document(file, part, first_line, strict_booleans);
            found.push((found.len(), parsed.map_err(|error| *error)));
        }
    }
    found
}

fn document(
    file: &str,
    text: &str,
    first_line: u64,
    strict_booleans: bool,
) -> Result<Node, Box<ManifestError>> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true, strict_booleans: strict_booleans };
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(mut node) => {
            node.shift(first_line);
            Ok(node)
        }
        // JSON may be indented with tabs, which YAML refuses.
        Err(_) if text.trim_start().starts_with('{') && text.contains('\t') => {
            serde_json::from_str::<serde_json::Value>(text)
                .map(|value| from_json(&value, first_line + 1))
                .map_err(|error| {
                    let line = first_line + error.line() as u64;
                    Box::new(ManifestError::new(file, error.to_string()).at(line, error.column() as u64))
                })
        }
        Err(error) => Err(Box::new(syntax_error(file, first_line, &error))),
    }
}

fn syntax_error(file: &str, first_line: u64, error: &serde_saphyr::Error) -> ManifestError {
    let plain = error.without_snippet().to_string();
    // The library names the place at the end of its text; it stands at the front of ours.
    let text = plain.split(" at line ").next().unwrap_or(&plain).trim_end_matches([',', ':']);
    let failed = ManifestError::new(file, format!("not valid YAML: {text}"))
        .hint("check the indentation and quoting of this line and the one above it");
    match error.location() {
        Some(place) => failed.at(first_line + place.line(), place.column()),
        None => failed,
    }
}

fn from_json(value: &serde_json::Value, line: u64) -> Node {
    use serde_json::Value;
    let value = match value {
        Value::Null => NodeValue::Null,
        Value::Bool(value) => NodeValue::Bool(*value),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| NodeValue::Float(number.as_f64().unwrap_or(f64::NAN)), NodeValue::Integer),
        Value::String(text) => NodeValue::Text(text.clone()),
        Value::Array(items) => NodeValue::List(items.iter().map(|item| from_json(item, line)).collect()),
        Value::Object(entries) => NodeValue::Map(
            entries
                .iter()
                .map(|(key, value)| {
                    let key = Node { value: NodeValue::Text(key.clone()), line, column: 1 };
                    (key, from_json(value, line))
                })
                .collect(),
        ),
    };
    Node { value, line, column: 1 }
}

/// Cuts at lines that begin with `---`, which YAML allows nowhere else. Gives the number of lines before each part.
fn split(text: &str) -> Vec<(u64, &str)> {
    let (mut parts, mut start, mut start_line, mut offset) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_end();
        if offset > start && (bare == "---" || bare.starts_with("--- ")) {
            parts.push((start_line, &text[start..offset]));
            (start, start_line) = (offset, number as u64);
        }
        offset += line.len();
    }
    parts.push((start_line, &text[start..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let text = "# first\na: 1\n---\n# second\nb:\n  - x\n  - y: yes\n---\n";
        let parsed = kubernetes_documents("f", text);
        assert_eq!(parsed.len(), 2);
        let second = parsed[1].1.as_ref().unwrap();
        let list = second.get("b").unwrap();
        let NodeValue::List(items) = &list.value else { panic!("{list:?}") };
        assert_eq!((items[0].line, items[0].column), (6, 5));
        assert_eq!(items[1].get("y").unwrap().line, 7);
        assert!(matches!(items[1].get("y").unwrap().value, NodeValue::Bool(true)));
        let plain = documents("f", "a: yes");
        assert_eq!(plain[0].1.as_ref().unwrap().get("a").unwrap().text(), Some("yes"));
    }

    #[test]
    fn a_broken_document_names_its_line_and_hides_no_other() {
        let parsed = documents("f.yaml", "a: 1\n---\nb: [1, 2\nc: }\n---\nd: 1\n");
        assert_eq!(parsed.len(), 3);
        assert!(parsed[0].1.is_ok() && parsed[2].1.is_ok());
        let error = parsed[1].1.as_ref().unwrap_err();
        assert!((3..=5).contains(&error.position.unwrap().0), "{error}");
        assert!(error.to_string().starts_with("f.yaml:"), "{error}");
    }

    #[test]
    fn json_is_read_even_with_tabs() {
        let parsed = documents("f.json", "{\n\t\"a\": [1, {\"b\": null}]\n}\n");
        assert!(parsed[0].1.as_ref().unwrap().get("a").is_some());
    }

    #[test]
    fn the_fingerprint_ignores_the_order_of_keys() {
        let of = |text| documents("f", text)[0].1.as_ref().unwrap().fingerprint();
        assert_eq!(of("{a: 1, b: {c: 2, d: 3}}"), of("b: {d: 3, c: 2}\na: 1"));
        assert_ne!(of("a: 1"), of("a: 2"));
    }
}
