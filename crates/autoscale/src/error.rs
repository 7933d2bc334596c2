//! The one error of this crate.
//!
//! Input: what was found wrong. Output: text that names the field, the value and the remedy. A metric that cannot be
//! read is no error: it is part of a decision.

/// What is wrong with an autoscaler or a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AutoscaleError {
    /// The autoscaler itself cannot be used; the text has one mistake a line.
    #[error("{0}")]
    Autoscaler(
        /// The mistakes, each with field, value and remedy.
        String,
    ),
    /// A scenario is no JSON, or a field of it has the wrong type.
    #[error("{place}: {message}\n  hint: {hint}")]
    Scenario {
        /// The path of the field, e.g. `ticks[3].pods[0].containers[0].usage.cpu`.
        place: String,
        /// What is wrong, with the value.
        message: String,
        /// The remedy.
        hint: String,
    },
}
