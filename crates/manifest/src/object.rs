//! What all objects have in common, and the objects that are kept without being interpreted.
//!
//! Input: the fields of a document. Output: [`ObjectMeta`], [`Source`], [`Other`]. What is in a `spec` is read in the
//! module of its kind.

use crate::fields::Fields;
use std::collections::BTreeMap;
use std::fmt;

/// Where an object was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's path as the user named it; `-` is standard input.
    pub file: String,
    /// Which document of the file, from 0.
    pub document: usize,
    /// The 1-based line the object begins at.
    pub line: u64,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The metadata of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The name.
    pub name: String,
    /// The namespace; `default` when none is given, empty for kinds without one.
    pub namespace: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where it was read.
    pub source: Source,
}

impl ObjectMeta {
    pub(crate) fn read(object: &Fields<'_>, source: Source, namespaced: bool) -> Self {
        let mut meta = Self { source, ..Self::default() };
        let Some(fields) = object.required_section("metadata") else { return meta };
        meta.name = fields.required_text("name");
        if !meta.name.is_empty() && !is_dns_name(&meta.name) {
            fields.wrong(
                "name",
                format!("{:?} is no valid object name", meta.name),
                "use lower case letters, digits, '-' and '.', beginning and ending with a letter or digit",
            );
        } else if !namespaced {
            check_dns_label(&fields, "name", "namespace", &meta.name);
        }
        let namespace = fields.text("namespace");
        if let Some(namespace) = &namespace {
            check_dns_label(&fields, "namespace", "namespace", namespace);
        }
        if namespaced {
            meta.namespace = namespace.unwrap_or_else(|| "default".to_owned());
        }
        meta.labels = fields.texts("labels");
        meta.annotations = fields.texts("annotations");
        fields.known(&[
            "creationTimestamp",
            "uid",
            "resourceVersion",
            "generation",
            "managedFields",
            "ownerReferences",
            "finalizers",
            "generateName",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ]);
        fields.finish();
        meta
    }
}

/// Whether a text can name an object: lower-case RFC 1123, at most 253 characters.
pub(crate) fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_part)
}

fn is_dns_part(part: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

/// Says so when a text names no namespace, container or volume: these are RFC 1123 labels of at most 63 characters, and
/// local pods have folders of these names. Nothing is said of an empty one: it is missing already.
pub(crate) fn check_dns_label(fields: &Fields<'_>, key: &'static str, what: &str, name: &str) {
    let valid = name.is_empty() || name.len() <= 63 && is_dns_part(name);
    if !valid {
        fields.wrong(
            key,
            format!("{name:?} is no valid {what} name"),
            "use at most 63 lower case letters, digits and '-', beginning and ending with a letter or digit",
        );
    }
}

/// A label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// Labels that must have just these values.
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions; all must hold.
    pub match_expressions: Vec<SelectorRequirement>,
}

/// One condition of a [`LabelSelector`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorRequirement {
    /// The label's name.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values of `In` and `NotIn`.
    pub values: Vec<String>,
}

impl LabelSelector {
    pub(crate) fn read(fields: &Fields<'_>) -> Self {
        let mut selector = Self { match_labels: fields.texts("matchLabels"), ..Self::default() };
        for requirement in fields.list("matchExpressions") {
            let operator = requirement.required_text("operator");
            if !operator.is_empty() && !["In", "NotIn", "Exists", "DoesNotExist"].contains(&operator.as_str())
            {
                requirement.wrong(
                    "operator",
                    format!("unknown operator {operator:?}"),
                    "use In, NotIn, Exists or DoesNotExist",
                );
            }
            selector.match_expressions.push(SelectorRequirement {
                key: requirement.required_text("key"),
                operator,
                values: requirement.text_list("values"),
            });
            requirement.finish();
        }
        selector
    }

    /// Whether labels satisfy it. An empty selector is satisfied by all.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| {
                let value = labels.get(&requirement.key);
                match requirement.operator.as_str() {
                    "In" => value.is_some_and(|value| requirement.values.contains(value)),
                    "NotIn" => value.is_none_or(|value| !requirement.values.contains(value)),
                    "Exists" => value.is_some(),
                    _ => value.is_none(),
                }
            })
    }
}

/// An object that tidewatch does not interpret itself: it is listed, and kept for whoever does.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Name, namespace, labels, annotations and place.
    pub meta: ObjectMeta,
    /// The whole object.
    pub raw: serde_json::Value,
}
