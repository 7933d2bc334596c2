//! How much work a simulation may take at most, before it is begun.
//!
//! Input: a [`Plan`] and how often it is run. Output: operations, of about a nanosecond each; more than a limit are refused. It is a bound
//! on what may happen (all replicas there, each sync acting), not a forecast, and it looks at nothing that only a run would show.

use crate::SimulationError;
use crate::engine::Plan;

/// Operations of one simulation at most, over all its phases.
pub(crate) const MOST_OF_A_RUN: f64 = 4e9;
/// Operations of a search at most, over all its combinations.
pub(crate) const MOST_OF_A_SEARCH: f64 = 60e9;

/// Of a step of the engine: itself, of each pod (it is walked several times), of each metric and each partition.
const STEP: f64 = 150.0;
const STEP_POD: f64 = 10.0;
const STEP_METRIC: f64 = 30.0;
const STEP_PARTITION: f64 = 15.0;
/// Of a sync: itself, of each pod for each metric and container, and of each decision and scaling that is remembered.
const SYNC: f64 = 3000.0;
const SYNC_POD: f64 = 100.0;
const SYNC_REMEMBERED: f64 = 2.0;
/// Of a point of the timeline, which is kept for each phase, and of each server of its model of latency.
const POINT: f64 = 1000.0;
const POINT_SERVER: f64 = 5.0;
/// Longest window and longest period of a policy that a behavior may have; seconds.
const LONGEST_WINDOW: f64 = 3600.0;
const LONGEST_PERIOD: f64 = 1800.0;

/// Operations of one phase at most.
pub(crate) fn of_phase(plan: &Plan<'_>) -> f64 {
    let simulated_ms = (plan.duration_ms + plan.warmup_ms) as f64;
    let every = |milliseconds: i64| simulated_ms / milliseconds.max(1) as f64 + 1.0;
    let hpa = &plan.subject.hpa;
    let sync_seconds = plan.options.sync_period_ms as f64 / 1000.0;
    let syncs = every(plan.options.sync_period_ms);
    let points = plan.duration_ms as f64 / plan.timeline_ms.max(1) as f64 + 1.0;
    let external = if plan.external_ms == 0 { syncs } else { every(plan.external_ms) };

    // pods that end are there for their time of draining; replicas can be taken away in every other sync
    let drains = 1.0 + plan.service.drain_seconds / (2.0 * sync_seconds);
    let replicas = f64::from(hpa.max_replicas.unsigned_abs().max(plan.initial_replicas));
    let pods = replicas * drains;
    // pods that were made together come one after the other when their delays are random
    let apart = if plan.service.delay_jitter > 0.0 { syncs * replicas } else { syncs * 3.0 };
    let turns = plan.load.segments.len() as f64 * 2.0;
    let steps = every(1000) + every(plan.resolution_ms) + external + syncs + points + turns + apart;

    let metrics = hpa.metrics.len() as f64;
    let containers = plan.subject.containers.len() as f64;
    let partitions = plan.service.queue.as_ref().map_or(0.0, |queue| f64::from(queue.partitions));
    let step = STEP + STEP_POD * pods + STEP_METRIC * metrics + STEP_PARTITION * partitions;
    let window = (plan.options.downscale_stabilization_ms as f64 / 1000.0).max(LONGEST_WINDOW);
    let policies = hpa
        .behavior
        .as_ref()
        .map_or(3, |behavior| behavior.scale_up.policies.len() + behavior.scale_down.policies.len());
    let remembered = (window + policies as f64 * LONGEST_PERIOD) / sync_seconds;
    let sync = SYNC + SYNC_POD * pods * (metrics + containers + 1.0) + SYNC_REMEMBERED * remembered;
    let point = POINT + POINT_SERVER * f64::from(plan.capacity.servers());
    steps * step + syncs * sync + points * point
}

/// Says so when it is too much.
pub(crate) fn check(work: f64, most: f64) -> Result<(), SimulationError> {
    if work <= most {
        return Ok(());
    }
    let millions = |work: f64| (work / 1e6).ceil() as u64;
    Err(SimulationError::TooLarge { work: millions(work), most: millions(most) })
}

#[cfg(test)]
mod tests {
    use super::{MOST_OF_A_RUN, MOST_OF_A_SEARCH};
    use crate::run::Prepared;
    use crate::subject::manifests_of;
    use crate::{Load, QueueModel, SimulationRequest, SweepGrid, SweepRequest, run, sweep};
    use serde_json::{Value, json};

    fn request(min: u32, max: u32, metrics: usize) -> SimulationRequest {
        let metric = |at: usize| json!({"type": "Pods", "pods": {"metric": {"name": format!("own_{at}")}, "target": {"type": "AverageValue", "averageValue": "10"}}});
        let hpa: Value = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
            "spec": {
                "minReplicas": min, "maxReplicas": max,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "metrics": (0..metrics).map(metric).collect::<Vec<_>>(),
            },
        });
        let load = Load::parse("20 for 10m").expect("a load");
        SimulationRequest { hpa, load, ..SimulationRequest::default() }
    }

    fn check(refusal: Option<&str>, request: &SimulationRequest) {
        let found = run(request).err().map(|error| error.to_string());
        match (refusal, &found) {
            (None, None) => {}
            (Some(expected), Some(found)) => {
                assert!(found.contains(expected) && found.contains("hint: "), "{found} is not {expected}");
            }
            _ => panic!("{found:?} is not {refusal:?}"),
        }
    }

    #[test]
    fn what_would_take_long_is_refused() {
        let with = |change: &dyn Fn(&mut SimulationRequest)| {
            let mut request = request(2, 10, 1);
            change(&mut request);
            request
        };
        check(None, &request(2, 10, 1));
        check(Some("service.concurrency: 4000000000"), &with(&|r| r.service.concurrency = 4_000_000_000));
        check(None, &with(&|r| r.service.concurrency = 1024));
        check(
            Some("metrics.externalIntervalSeconds: 0.001"),
            &with(&|r| {
                (r.metrics.external_interval_seconds, r.duration_seconds) = (0.001, Some(86_400.0));
            }),
        );
        check(None, &with(&|r| r.metrics.external_interval_seconds = 0.0));
        check(Some("1000 metrics"), &request(2, 10, 1000));
        check(None, &request(2, 10, 32));
        let mut many = request(5000, 5000, 1);
        (many.controller.sync_period_seconds, many.duration_seconds) = (3600.0, Some(744.0 * 3600.0));
        check(Some("million operations"), &many);
        check(
            Some("million operations"),
            &with(&|r| {
                (r.phases, r.timeline_seconds, r.duration_seconds) = (1000, Some(0.1), Some(2000.0));
            }),
        );
        check(
            Some("million operations"),
            &with(&|r| {
                r.service.queue = Some(QueueModel { partitions: 1000, ..QueueModel::default() });
                r.duration_seconds = Some(31.0 * 86_400.0);
            }),
        );
    }

    #[test]
    fn a_month_and_many_phases_of_ten_replicas_are_accepted() {
        let check = |duration_seconds: f64, phases: u32, most: f64| {
            let request =
                SimulationRequest { duration_seconds: Some(duration_seconds), phases, ..request(2, 10, 3) };
            let manifests = manifests_of(&request.hpa).expect("a manifest");
            let work = Prepared::of(&manifests, &request).expect("a simulation").work();
            assert!(work < most, "{duration_seconds} s in {phases} phases: {work}");
        };
        check(31.0 * 86_400.0, 1, MOST_OF_A_RUN);
        check(86_400.0, 20, MOST_OF_A_RUN);
        check(2700.0, 240, MOST_OF_A_RUN);
        check(2700.0, 15, MOST_OF_A_SEARCH / 181.0);
    }

    #[test]
    fn a_search_is_bounded_as_a_whole() {
        let grid = SweepGrid { scale_up_windows: (0..20).collect(), ..SweepGrid::default() };
        let simulation = SimulationRequest { phases: 1000, ..request(2, 10, 1) };
        let refused =
            sweep(&SweepRequest { simulation, grid, ..SweepRequest::default() }).expect_err("it is too much");
        assert!(refused.to_string().contains("million operations"), "{refused}");
    }
}
