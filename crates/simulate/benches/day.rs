//! A simulated day of the three shipped autoscalers, and the searches that the page and the command line run.
//!
//! Run with `cargo bench -p tidewatch-simulate`. Output: the best time of five runs of each. One day of all three must take
//! less than a second.

use std::time::Instant;
use tidewatch_manifest::{Manifests, load};
use tidewatch_simulate::{
    Load, SimulationRequest, SweepRequest, read_scenario, run_manifests, sweep_manifests,
};
use tidewatch_testkit::repository;

fn best(name: &str, mut work: impl FnMut() -> String) {
    let mut best = f64::INFINITY;
    let mut found = String::new();
    for _ in 0..5 {
        let begin = Instant::now();
        found = work();
        best = best.min(begin.elapsed().as_secs_f64());
    }
    println!("{name:<48} {:>9.1} ms  {found}", best * 1000.0);
}

fn requests(manifests: &Manifests) -> Vec<SimulationRequest> {
    let text =
        std::fs::read_to_string(repository().join("docs/scaling-simulation.yaml")).expect("the scenario");
    let scenario = read_scenario("docs/scaling-simulation.yaml", &text).expect("the scenario is right");
    assert_eq!(scenario.len(), manifests.autoscalers.len() + manifests.scaled_objects.len());
    let named =
        |(name, request): (String, SimulationRequest)| SimulationRequest { name: Some(name), ..request };
    scenario.into_iter().map(named).collect()
}

fn main() {
    let manifests = load(&[repository().join("kubernetes/todo-app-prod.yaml")]).expect("the manifests");
    let day = Load { noise: 0.1, ..Load::parse("daily 100 to 2000").expect("a load") };
    let days: Vec<SimulationRequest> = requests(&manifests)
        .into_iter()
        .map(|request| SimulationRequest { load: day.clone(), ..request })
        .collect();
    best("a day of three autoscalers", || {
        let scalings =
            days.iter().map(|request| run_manifests(&manifests, request).expect("a report").scalings.len());
        format!("{} scalings", scalings.sum::<usize>())
    });
    let request = &requests(&manifests)[1];
    best("a step of one autoscaler (a slider's move)", || {
        format!("{} points", run_manifests(&manifests, request).expect("a report").timeline.len())
    });
    let sixty = SimulationRequest { phases: 60, ..request.clone() };
    best("the same in 60 phases", || {
        format!("{} phases", run_manifests(&manifests, &sixty).expect("a report").phases.count)
    });
    let search = SweepRequest { simulation: request.clone(), ..SweepRequest::default() };
    best("the default search", || {
        let report = sweep_manifests(&manifests, &search).expect("a report");
        format!("{} combinations, {} met", report.candidates.len(), report.met)
    });
}
