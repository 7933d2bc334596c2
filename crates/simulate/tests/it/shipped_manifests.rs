//! The autoscalers as they are shipped, under the loads and on the slow cluster of docs/scaling-simulation.yaml: replicas are
//! there within 2 minutes and gone within 5, in every position of the load to syncs and measurements.

use std::fs;
use tidewatch_manifest::{Manifests, load};
use tidewatch_simulate::{
    Load, Segment, SimulationReport, SimulationRequest, Spread, autoscaler_names, format_seconds,
    read_scenario, run_manifests,
};
use tidewatch_testkit::repository;

const NAMES: [&str; 3] = ["todo-backend-hpa", "todo-frontend-hpa", "event-service"];
const SCENARIO: &str = "docs/scaling-simulation.yaml";

fn shipped() -> Manifests {
    load(&[repository().join("kubernetes/todo-app-prod.yaml")]).expect("the shipped manifests are right")
}

fn request(name: &str) -> SimulationRequest {
    let text = fs::read_to_string(repository().join(SCENARIO)).expect("the scenario is there");
    let mut scenario = read_scenario(SCENARIO, &text).expect("the scenario is right");
    let request = scenario.remove(name).expect("it names every autoscaler");
    assert_eq!(
        (request.targets.up_seconds, request.targets.down_seconds),
        (Some(120.0), Some(300.0)),
        "{name}"
    );
    SimulationRequest { name: Some(name.to_owned()), ..request }
}

fn met(manifests: &Manifests, request: &SimulationRequest) -> SimulationReport {
    let report = run_manifests(manifests, request).expect("it can be simulated");
    assert!(report.verdict.passed, "{}: {:#?}", report.autoscaler.name, report.verdict);
    let judged = report.verdict.checks.iter().filter(|check| check.worst.is_some()).count();
    assert_eq!(judged, report.verdict.checks.len(), "{}: {:#?}", report.autoscaler.name, report.verdict);
    assert_eq!(report.phases.superseded, 0, "{}", report.autoscaler.name);
    report
}

/// The rates of the first two segments.
fn low_and_high(load: &Load) -> (f64, f64) {
    match load.segments.as_slice() {
        [Segment::Constant { rate: low, .. }, Segment::Constant { rate: high, .. }, ..] => (*low, *high),
        other => panic!("the scenario's loads are steps, not {other:?}"),
    }
}

#[test]
fn replicas_come_within_two_minutes_and_go_within_five_as_the_document_says() {
    let document = fs::read_to_string(repository().join("docs/scaling-simulation.md")).expect("the document");
    let manifests = shipped();
    assert_eq!(autoscaler_names(&manifests), NAMES);
    for name in NAMES {
        let report = met(&manifests, &SimulationRequest { phases: 60, ..request(name) });
        let (most, max) = (report.summary.most_replicas, report.autoscaler.max_replicas);
        assert!(most + 1 >= max, "{name}: the load asks for {most} of {max} replicas only");
        let last = report.timeline.last().expect("a timeline");
        assert_eq!(last.replicas, report.autoscaler.min_replicas, "{name}");
        let row =
            document.lines().find(|line| line.starts_with(&format!("| {name} |"))).expect("a row of its own");
        for expected in [cell(report.phases.up_seconds), cell(report.phases.down_seconds)] {
            assert!(
                row.contains(&expected),
                "docs/scaling-simulation.md is stale: {expected} is not in\n{row}"
            );
        }
    }
}

/// A cell of the document's first table.
fn cell(times: Option<Spread>) -> String {
    let times = times.expect("all phases finish");
    [times.min, times.median, times.max].map(format_seconds).join(" / ")
}

#[test]
fn they_do_so_on_a_fast_machine_too_and_for_ramps_and_small_steps() {
    let manifests = shipped();
    for name in NAMES {
        let slow = SimulationRequest { phases: 10, ..request(name) };
        let mut fast = slow.clone();
        fast.metrics.lag_seconds = 0.0;
        (fast.service.start_seconds, fast.service.ready_seconds, fast.service.start_cpu_cores) =
            (0.5, 1.0, 0.0);
        met(&manifests, &fast);
        let rate = low_and_high(&slow.load);
        let text = format!(
            "{low} for 5m, ramp {low} to {high} for 5m, {high} for 10m, ramp {high} to {low} for 5m, {low} for 15m",
            low = rate.0,
            high = rate.1
        );
        let ramp = SimulationRequest { load: Load::parse(&text).expect("a load"), ..slow.clone() };
        met(&manifests, &ramp);
        let middle = rate.0 + (rate.1 - rate.0) / 2.0;
        let text = format!("{low} for 5m, {middle} for 10m, {low} for 15m", low = rate.0);
        let small = SimulationRequest { load: Load::parse(&text).expect("a load"), ..slow };
        met(&manifests, &small);
    }
}

#[test]
fn the_backends_memory_does_not_keep_replicas() {
    let manifests = shipped();
    let mut request = SimulationRequest { phases: 6, ..request("todo-backend-hpa") };
    let report = met(&manifests, &request);
    let with_memory = report.scalings.iter().any(|scaling| scaling.sentence.contains("memory"));
    assert!(with_memory, "the memory metric takes part");
    // the test can fail: at half of its request memory holds them, as the specification's own manifest would
    request.service.memory_base_bytes = 192.0 * 1024.0 * 1024.0 * 0.9;
    let held = run_manifests(&manifests, &request).expect("it can be simulated");
    assert!(!held.verdict.passed, "{:#?}", held.verdict);
}

fn events(manifests: &Manifests, load: &str) -> SimulationReport {
    let load = Load::parse(load).expect("a load");
    let request = SimulationRequest { load, phases: 30, ..request("event-service") };
    run_manifests(manifests, &request).expect("it can be simulated")
}

#[test]
fn the_lag_alone_would_flap_where_the_cpu_beside_it_does_not() {
    let load = "20 for 5m, 800 for 30m, 20 for 10m";
    let mut lag_only = shipped();
    lag_only.scaled_objects[0].triggers.truncate(1);
    let flaps = events(&lag_only, load).phases.flaps;
    assert!(flaps.max >= 10.0, "replicas that keep up are taken back and are missed at once: {flaps:?}");
    assert_eq!(events(&shipped(), load).phases.flaps.max, 0.0, "the CPU keeps them");
}

#[test]
fn more_events_than_one_replica_can_do_are_met_by_the_lag_and_drained() {
    let report = events(&shipped(), "20 for 5m, 1500 for 10m, 20 for 10m");
    let asks = report
        .scalings
        .iter()
        .any(|scaling| scaling.sentence.contains("s0-kafka-task-events 750 of 150 asks for 5"));
    assert!(
        asks,
        "the lag asks for as many replicas as there are partitions, and no more: {:#?}",
        report.scalings
    );
    assert!(report.summary.most_waiting > 1500.0);
    assert!(report.timeline.last().is_some_and(|end| end.waiting < 1.0 && end.replicas == 1));
    assert_eq!(report.summary.failed, 0.0);
}

#[test]
fn a_kafka_trigger_makes_the_load_one_of_events_in_the_partitions_of_its_topic() {
    let load = Load::parse("20 for 5m, 2000 for 5m, 20 for 10m").expect("a load");
    let request =
        SimulationRequest { name: Some("event-service".to_owned()), load, ..SimulationRequest::default() };
    let report = run_manifests(&shipped(), &request).expect("it can be simulated");
    assert!(report.warnings[0].contains("topic \"task-events\" with 5 partitions"), "{:?}", report.warnings);
    assert!(report.summary.most_waiting > 1000.0 && report.summary.failed == 0.0, "{:?}", report.summary);
}

#[test]
fn a_load_may_begin_on_idle_pods() {
    let load = Load::parse("2500 for 5m").expect("a load");
    let idle = SimulationRequest {
        load,
        warmup_seconds: Some(0.0),
        initial_replicas: Some(2),
        ..request("todo-backend-hpa")
    };
    let warm = SimulationRequest { warmup_seconds: Some(600.0), initial_replicas: None, ..idle.clone() };
    let run = |request: &SimulationRequest| run_manifests(&shipped(), request).expect("it can be simulated");
    let (idle, warm) = (run(&idle), run(&warm));
    assert_eq!((warm.timeline[0].replicas, warm.summary.scale_ups), (8, 0));
    assert_eq!(idle.timeline[0].replicas, 2);
    let first = idle.scalings.first().expect("it scales up");
    assert!(first.time_seconds >= 15.0, "what was there before the load was measured as idle: {first:?}");
}
