//! Why a test file as a whole cannot be run.
//!
//! Input: the file's reader. Output: texts a person sees. What a test finds wrong is no error but its result.

use tidewatch_manifest::ManifestError;

/// Why no test of a file was run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleTestError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {error}")]
    Unreadable {
        /// The file as the user named it.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// Fields of the file are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Fields(
        /// All mistakes, by line.
        Vec<ManifestError>,
    ),
    /// A pattern of `rule_files` is none.
    #[error("{0}")]
    Pattern(
        /// Which, and the remedy.
        String,
    ),
    /// A group stands twice in `group_eval_order`.
    #[error("group name repeated in evaluation order: {0}")]
    RepeatedGroup(
        /// The group.
        String,
    ),
}
