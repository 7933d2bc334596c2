//! Why a simulation is refused.
//!
//! Input: whatever is wrong with a request. Output: one text for a person, with the field, the value and a remedy.

/// Why a simulation is refused. Nothing fails once it runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A field of the request has a value that cannot be simulated.
    #[error("{field}: {problem}; hint: {hint}")]
    Field {
        /// The field's path, as in the JSON form, e.g. `service.readySeconds`.
        field: String,
        /// What is wrong, with the value.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// The manifests cannot be read; each mistake with its place and remedy, a line each.
    #[error("hpa: {0}")]
    Manifest(String),
    /// More work than one request may ask for.
    #[error(
        "it may take {work} million operations, more than the {most} million that are allowed; hint: shorten the load or durationSeconds, lower \
         phases, maxReplicas or the combinations, or lengthen controller.syncPeriodSeconds and timelineSeconds"
    )]
    TooLarge {
        /// Operations that the request may take over all phases; millions.
        work: u64,
        /// Most of them; millions.
        most: u64,
    },
}

impl SimulationError {
    pub(crate) fn field(
        field: impl Into<String>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Field { field: field.into(), problem: problem.into(), hint: hint.into() }
    }
}

/// Says so when a number of the request is not within its limits.
pub(crate) fn within(field: &str, value: f64, least: f64, most: f64) -> Result<(), SimulationError> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(SimulationError::field(field, format!("{value} is out of range"), format!("give {least} to {most}")))
}
