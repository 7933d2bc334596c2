//! Simulations that the page asks for.
//!
//! Input: the JSON of a request. Output: the JSON of its report, or what is wrong with the request. The work itself is the
//! `simulate` crate's; how many run at once is the server's.

use tidewatch_http::SimulationFailure;
use tidewatch_simulate::{SimulationError, SimulationRequest, run};

/// Runs the simulation that a body describes.
///
/// # Errors
/// When the body is no request, or a field of it cannot be simulated.
pub(crate) fn answer(body: &[u8]) -> Result<Vec<u8>, SimulationFailure> {
    let request: SimulationRequest = serde_json::from_slice(body).map_err(|error| SimulationFailure {
        message: format!("the body is no simulation request: {error}"),
        field: None,
        is_request: true,
    })?;
    let report = run(&request).map_err(|error| refused(&error))?;
    serde_json::to_vec(&report).map_err(|error| SimulationFailure {
        message: format!("the report cannot be written: {error}"),
        field: None,
        is_request: false,
    })
}

fn refused(error: &SimulationError) -> SimulationFailure {
    let field = match error {
        SimulationError::Field { field, .. } => Some(field.clone()),
        SimulationError::Manifest(_) => Some("hpa".to_owned()),
        _ => None,
    };
    SimulationFailure { message: error.to_string(), field, is_request: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_request_is_refused_with_its_field() {
        let check = |body: &str, field: Option<&str>, part: &str| {
            let failure = answer(body.as_bytes()).unwrap_err();
            assert!(failure.is_request && failure.message.contains(part), "{failure:?}");
            assert_eq!(failure.field.as_deref(), field, "{failure:?}");
        };
        check("{", None, "no simulation request");
        check("{\"lode\": {}}", None, "unknown field `lode`");
        check("{\"hpa\": \"kind: Nonsense\"}", Some("hpa"), "hpa");
        check("{\"hpa\": \"\", \"durationSeconds\": -1}", Some("durationSeconds"), "durationSeconds");
    }

    #[test]
    fn a_report_is_json() {
        let hpa = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, \
                   spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 4}}";
        let body = serde_json::json!({ "hpa": hpa, "phases": 1 }).to_string();
        let report: serde_json::Value = serde_json::from_slice(&answer(body.as_bytes()).unwrap()).unwrap();
        assert!(report["timeline"].as_array().is_some_and(|points| !points.is_empty()), "{report}");
    }
}
