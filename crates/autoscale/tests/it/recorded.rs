//! Scenarios one can read, against what kube-controller-manager's own controller answered to them: `conformance/hpa/scenarios`.

use serde_json::Value;
use std::fs;
use std::path::Path;
use tidewatch_autoscale::Scenario;

/// Plays one scenario and compares each line with the recorded one.
fn check(scenario: &Path) {
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let expected = read(&scenario.with_extension("expected.jsonl"));
    let lines: Vec<String> =
        Scenario::parse(&read(scenario)).unwrap().replay().map(|tick| tick.line(false)).collect();
    assert_eq!(lines.len(), expected.lines().count(), "lines of {}", scenario.display());
    for (line, expected) in lines.iter().zip(expected.lines()) {
        let (line, expected): (Value, Value) =
            (serde_json::from_str(line).unwrap(), serde_json::from_str(expected).unwrap());
        assert_eq!(line, expected, "{} at {}", scenario.display(), expected["t"]);
    }
}

#[test]
fn decides_as_the_real_controller_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/hpa/scenarios");
    let mut scenarios = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            check(&path);
            scenarios += 1;
        }
    }
    assert!(scenarios >= 15, "{scenarios} scenarios in {}", folder.display());
}
