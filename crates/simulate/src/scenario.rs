//! Scenarios: a file with the loads and service models of several autoscalers.
//!
//! Input: YAML or JSON: by the autoscaler's name, any field of a [`SimulationRequest`] but `hpa` and `name`. Output: the requests by name,
//! without the manifest.

use crate::{SimulationError, SimulationRequest};
use std::collections::BTreeMap;

/// Reads a scenario; `file` is what errors call it.
///
/// # Errors
/// When it is no YAML, has unknown fields or wrong types; the text says where.
pub fn read_scenario(file: &str, text: &str) -> Result<BTreeMap<String, SimulationRequest>, SimulationError> {
    let hint = "write the autoscaler's name, and below it fields like load, service and targets";
    let wrong = |error: String| SimulationError::field(file, error, hint);
    let scenario: BTreeMap<String, SimulationRequest> =
        serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let given = scenario.iter().find(|(_, request)| !request.hpa.is_null() || request.name.is_some());
    match given {
        Some((name, _)) => Err(wrong(format!("{name} has hpa or name: manifests are given apart"))),
        None => Ok(scenario),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Segment;

    #[test]
    fn a_scenario_names_what_differs_from_the_defaults() {
        let text = "web-hpa:\n  load: {segments: [{kind: constant, rate: 4, seconds: 60}]}\n  service: {readySeconds: 20}\n";
        let scenario = read_scenario("s.yaml", text).unwrap();
        let request = &scenario["web-hpa"];
        assert_eq!(request.load.segments, [Segment::Constant { rate: 4.0, seconds: 60.0 }]);
        assert_eq!((request.service.ready_seconds, request.service.start_seconds), (20.0, 2.0));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = read_scenario("s.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with("s.yaml: ") && error.contains(expected), "{error}");
        };
        check("web: {servce: {}}", "servce");
        check("web: {name: web}", "manifests are given apart");
        check("[", "hint: ");
    }
}
