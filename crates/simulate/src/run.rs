//! A request → its report.
//!
//! Input: a [`SimulationRequest`]. Output: a [`SimulationReport`]. A function of its input: the same request gives the same report.

use crate::{SimulationError, SimulationReport, SimulationRequest};

/// Longest simulated time: 31 days.
const MOST_SECONDS: f64 = 31.0 * 86_400.0;

/// Simulates.
///
/// # Errors
/// When the manifests cannot be read or a field has a value that cannot be simulated.
pub fn run(request: &SimulationRequest) -> Result<SimulationReport, SimulationError> {
    if request.duration_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= MOST_SECONDS)) {
        return Err(SimulationError::field(
            "durationSeconds",
            "is not between 0 and 31 days",
            "give a shorter time",
        ));
    }
    Err(SimulationError::field("hpa", "cannot be simulated yet", "wait for the next version"))
}
