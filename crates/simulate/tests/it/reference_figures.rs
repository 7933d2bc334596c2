//! The specification's own backend autoscaler under an eightfold step, laid beside figures that were measured with the
//! reference implementation of the decisions.

use tidewatch_simulate::{Load, Segment, ServiceModel, SimulationReport, SimulationRequest, Spread, run};

const SPECIFIED: &str = include_str!("specified_backend.yaml");
const MEMORY_REQUEST: f64 = 268_435_456.0;
/// 35 % of 250 millicores on each of two pods at five core-milliseconds a request.
const RATE: f64 = 2.0 * 0.35 * 0.25 / 0.005;

/// Pods are ready 10 s after the scaling; metrics and syncs come every 15 s, in `phases` positions to each other and to the load.
fn report(memory_share: f64, phases: u32) -> SimulationReport {
    let constant = |rate: f64, seconds: f64| Segment::Constant { rate, seconds };
    let segments = vec![constant(RATE, 60.0), constant(RATE * 8.0, 600.0), constant(RATE, 1800.0)];
    let request = SimulationRequest {
        hpa: SPECIFIED.into(),
        load: Load { segments, ..Load::default() },
        service: ServiceModel {
            cpu_request_cores: Some(0.25),
            memory_request_bytes: Some(MEMORY_REQUEST),
            memory_base_bytes: MEMORY_REQUEST * memory_share,
            memory_bytes_per_request: 0.0,
            idle_cpu_cores: 0.0,
            start_cpu_cores: 0.0,
            start_seconds: 0.0,
            ready_seconds: 10.0,
            ..ServiceModel::default()
        },
        phases,
        ..SimulationRequest::default()
    };
    run(&request).expect("the request is complete")
}

fn near(spread: Option<Spread>, (min, median, max): (f64, f64, f64)) {
    let found = spread.expect("all phases finish");
    let within = |value: f64, expected: f64| (value - expected).abs() <= 1.0;
    assert!(
        within(found.min, min) && within(found.median, median) && within(found.max, max),
        "{found:?} is not {min}, {median}, {max}"
    );
}

#[test]
fn an_eightfold_step_is_answered_as_by_the_reference_implementation() {
    let report = report(0.05, 240);
    assert_eq!(report.summary.most_replicas, 8);
    near(report.phases.up_asked_seconds, (35.0, 62.0, 106.0));
    near(report.phases.up_seconds, (45.0, 72.0, 116.0));
    near(report.phases.down_seconds, (352.0, 366.0, 380.0));
    assert_eq!((report.phases.superseded, report.summary.flaps), (0, 0));
}

#[test]
fn memory_at_half_its_request_keeps_the_replicas_for_twenty_minutes() {
    let report = report(0.5, 40);
    let down = report.phases.down_seconds.expect("all phases finish");
    assert!(down.min > 1185.0 && down.max < 1220.0, "{down:?}");
    let held = report.scalings.last().expect("it scales down");
    assert_eq!(held.to, 2);
    assert!(held.sentence.starts_with("memory 50 % of 80 % asks for 2"), "{}", held.sentence);
}
