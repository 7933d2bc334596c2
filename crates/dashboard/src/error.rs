//! What can be wrong with a dashboard, and where: the file, the ConfigMap, the key and, where there is one, the panel.
//! Made by every module of the crate; shown to the person who wrote the dashboard. Holds no dashboard content but names.

use std::fmt;
use std::sync::Arc;

/// Where a dashboard's text came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The manifest's path as the user named it.
    pub file: Arc<str>,
    /// The ConfigMap, as `namespace/name`.
    pub configmap: Arc<str>,
    /// The key of the ConfigMap's `data`.
    pub key: Arc<str>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ConfigMap {}: {}", self.file, self.configmap, self.key)
    }
}

/// Why a dashboard is refused or an expression cannot be completed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON.
    #[error("{origin}: not valid JSON: {reason}")]
    Json {
        /// Where the text came from.
        origin: Source,
        /// The parser's words, with line and column within the key's text.
        reason: String,
    },
    /// The JSON is not a bare dashboard model, but something that contains or replaces one.
    #[error("{origin}: {found}. hint: {remedy}")]
    Shape {
        /// Where the text came from.
        origin: Source,
        /// What was found instead.
        found: &'static str,
        /// How to turn it into a bare model.
        remedy: &'static str,
    },
    /// A field of the dashboard is missing or has a value that Grafana would not take.
    #[error("{origin}: field {field}: {reason}")]
    Field {
        /// Where the text came from.
        origin: Source,
        /// The JSON path of the field.
        field: String,
        /// What is wrong with it, with a hint.
        reason: String,
    },
    /// A panel is incomplete.
    #[error("{origin}: panel {panel:?}: {reason}")]
    Panel {
        /// Where the text came from.
        origin: Source,
        /// The panel's title, or its id where it has none.
        panel: String,
        /// What is wrong with it, with a hint.
        reason: String,
    },
    /// An expression refers to a variable that the dashboard does not declare.
    #[error(
        "{origin}: panel {panel:?}, query {ref_id}: variable ${variable} is not declared. hint: add it to templating.list"
    )]
    UndeclaredVariable {
        /// Where the text came from.
        origin: Source,
        /// The panel's title.
        panel: String,
        /// The query's reference letter.
        ref_id: String,
        /// The variable's name.
        variable: String,
    },
    /// Two dashboards have the same uid; Grafana would keep one of them at random.
    #[error("{origin}: uid {uid:?} is also that of {other}. hint: give each dashboard its own uid")]
    DuplicateUid {
        /// The dashboard that came second.
        origin: Source,
        /// The uid both have.
        uid: String,
        /// The dashboard that came first.
        other: Source,
    },
    /// An expression needs a value that was not given.
    #[error("no value for variable ${0}. hint: choose one, or add a default to the dashboard's `current`")]
    NoValue(String),
    /// A reference asks for a format that is not supported.
    #[error("variable ${variable} asks for the format {format:?}. hint: supported are {supported}")]
    Format {
        /// The variable's name.
        variable: String,
        /// The format named after the colon.
        format: String,
        /// The formats there are, separated by commas.
        supported: &'static str,
    },
}
