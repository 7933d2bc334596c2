//! What can go wrong with rules: when they are loaded, and when they are evaluated.
//!
//! Input: the loader's checks, the query engine and the store. Output: texts a person sees, Prometheus's own where it has one. A
//! mistake in a file names file, line and remedy; what goes wrong in an evaluation is the rule's last error.

use std::fmt;
use tidewatch_manifest::ManifestError;
use tidewatch_promql::QueryError;

/// A mistake in a rule file or PrometheusRule.
///
/// Prints as `file:line:column: group "name", rule 1, "rule": message`, then a line `hint: …`; parts that are unknown are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleError {
    /// The file as the user named it.
    pub file: String,
    /// 1-based line and column.
    pub position: Option<(u64, u64)>,
    /// The group's name.
    pub group: Option<String>,
    /// The rule's place in its group, from 1, and its name.
    pub rule: Option<(usize, String)>,
    /// What is wrong, with the value, in Prometheus's words where it has some.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if let Some(group) = &self.group {
            write!(f, "group {group:?}, ")?;
        }
        if let Some((number, name)) = &self.rule {
            write!(f, "rule {number}, {name:?}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RuleError {}

impl From<ManifestError> for RuleError {
    fn from(error: ManifestError) -> Self {
        let field = error.field.map_or(String::new(), |field| format!("{field}: "));
        Self {
            file: error.file,
            position: error.position,
            message: format!("{field}{}", error.message),
            hint: error.hint,
            ..Self::default()
        }
    }
}

/// All mistakes of what was to be loaded; at least one. Nothing of it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleErrors(
    /// The mistakes, by file and line.
    pub Vec<RuleError>,
);

impl fmt::Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleErrors {}

/// Why an evaluation of a rule gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The expression could not be evaluated.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// The expression gave something that is neither series nor a number.
    #[error("rule result is not a vector or scalar")]
    NotAVector,
    /// Two results have the same labels once those of a recording rule are applied.
    #[error("vector contains metrics with the same labelset after applying rule labels")]
    SameSeries,
    /// Two results have the same labels once those of an alerting rule are applied.
    #[error("vector contains metrics with the same labelset after applying alert labels")]
    SameAlerts,
    /// The rule gave more series than its group's limit.
    #[error("exceeded limit of {limit} with {found} series")]
    TooManySeries {
        /// The limit.
        limit: usize,
        /// How many there were.
        found: usize,
    },
    /// The rule gave more alerts than its group's limit.
    #[error("exceeded limit of {limit} with {found} alerts")]
    TooManyAlerts {
        /// The limit.
        limit: usize,
        /// How many there were.
        found: usize,
    },
}
