//! What holds for any autoscaler and any load: bounds, rates, earlier recommendations, and more load for more replicas.

use proptest::prelude::*;
use std::sync::Arc;
use tidewatch_autoscale::{
    Behavior, ContainerUsage, ContainerView, ControllerOptions, Decision, Hpa, HpaController, MetricSpec,
    MetricTarget, Observed, PodPhase, PodUsage, PodView, PolicyKind, ScaleView, ScalingPolicy, ScalingRules,
    SelectPolicy, Step, TargetKind,
};
use tidewatch_manifest::{MetricSource, Quantity, QuantityFormat};

const REQUEST_MILLI: i64 = 100;

/// How a pod looks to a CPU metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Ready,
    NoMetrics,
    JustStarted,
}

fn milli(milli: i64) -> Quantity {
    Quantity::from_milli(milli, QuantityFormat::DecimalSi)
}

/// `looks.len()` pods that share a load of so many millicores.
fn pods(looks: &[Look], load: i64, now_ms: i64) -> Observed {
    let replicas = i32::try_from(looks.len()).unwrap();
    let mut observed = Observed::of_scale(replicas, replicas);
    let container = ContainerView {
        name: "app".into(),
        sidecar: false,
        requests: vec![("cpu".into(), milli(REQUEST_MILLI))],
    };
    let containers: Arc<[ContainerView]> = [container].into();
    let mut usages = Vec::new();
    for (index, look) in looks.iter().enumerate() {
        let name: Arc<str> = format!("pod-{index}").into();
        let age = if *look == Look::JustStarted { 1_000 } else { 10_000_000 };
        observed.pods.push(PodView {
            name: Arc::clone(&name),
            phase: PodPhase::Running,
            ready: Some(*look != Look::JustStarted),
            ready_transition_ms: Some(now_ms - age),
            start_ms: Some(now_ms - age),
            deleted: false,
            requests: [].into(),
            containers: Arc::clone(&containers),
        });
        if *look != Look::NoMetrics {
            let usage = vec![("cpu".into(), milli(load / i64::from(replicas)))];
            let containers = vec![ContainerUsage { name: "app".into(), usage }];
            usages.push(PodUsage { pod: name, timestamp_ms: now_ms, window_ms: 15_000, containers });
        }
    }
    observed.resource = Ok(usages);
    observed
}

fn hpa(min_replicas: i32, spread: i32, target: i32, behavior: Option<Behavior>) -> Hpa {
    let target = MetricTarget {
        kind: TargetKind::Utilization,
        average_utilization: Some(target),
        value: None,
        average_value: None,
    };
    Hpa {
        namespace: "d".into(),
        name: "web".into(),
        target_kind: "Deployment".into(),
        target_name: "web".into(),
        min_replicas,
        max_replicas: min_replicas + spread,
        metrics: vec![MetricSpec { source: MetricSource::Resource { name: "cpu".into() }, target }],
        behavior,
    }
}

fn rules() -> impl Strategy<Value = ScalingRules> {
    let kind = prop_oneof![Just(PolicyKind::Pods), Just(PolicyKind::Percent)];
    let policy = (kind, 1..200_i32, 1..180_i32).prop_map(|(kind, value, period_seconds)| ScalingPolicy {
        kind,
        value,
        period_seconds,
    });
    let select = prop_oneof![
        4 => Just(SelectPolicy::Max),
        4 => Just(SelectPolicy::Min),
        1 => Just(SelectPolicy::Disabled)
    ];
    (proptest::option::of(0..200_i32), select, proptest::collection::vec(policy, 1..4)).prop_map(
        |(stabilization_window_seconds, select_policy, policies)| ScalingRules {
            stabilization_window_seconds,
            select_policy,
            policies,
            tolerance: None,
        },
    )
}

/// Milliseconds since the sync before, and millicores.
fn loads() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let load = prop_oneof![0..500_i64, 0..10_000_i64];
    proptest::collection::vec((1..45_000_i64, load), 1..60)
}

/// A target that does what it is told, and what happened to it.
struct World {
    controller: HpaController,
    now_ms: i64,
    replicas: i32,
    /// Time and number of each change, the first at the start of time.
    changes: Vec<(i64, i32)>,
    recommendations: Vec<(i64, i32)>,
}

impl World {
    fn new(hpa: Hpa, replicas: i32) -> Self {
        Self {
            controller: HpaController::new(hpa, ControllerOptions::default()),
            now_ms: 0,
            replicas,
            changes: vec![(i64::MIN, replicas)],
            recommendations: vec![],
        }
    }

    /// One sync: the number before it, and the decision.
    fn sync(&mut self, after_ms: i64, load: i64) -> (i32, Decision) {
        self.now_ms += after_ms;
        let before = self.replicas;
        if self.recommendations.is_empty() {
            self.recommendations.push((self.now_ms, before));
        }
        let looks = vec![Look::Ready; usize::try_from(before).unwrap()];
        let observed = pods(&looks, load, self.now_ms);
        let replicas = &mut self.replicas;
        let decision = self.controller.sync(self.now_ms, &observed, &mut |wanted| {
            *replicas = wanted;
            Ok(())
        });
        if self.replicas != before {
            self.changes.push((self.now_ms, self.replicas));
        }
        let asked = decision.steps.iter().filter(|step| step.metric().is_some()).find_map(Step::replicas);
        self.recommendations.push((self.now_ms, asked.unwrap()));
        (before, decision)
    }

    fn replicas_at(&self, time_ms: i64) -> i32 {
        self.changes.iter().rev().find(|(changed, _)| *changed <= time_ms).unwrap().1
    }

    /// The recommendations after a time.
    fn asked_after(&self, time_ms: i64) -> impl Iterator<Item = i32> {
        self.recommendations.iter().filter(move |(asked, _)| *asked > time_ms).map(|(_, replicas)| *replicas)
    }
}

/// What the policies allow for the numbers at the beginning of their periods, computed from the record of changes.
fn allowed(world: &World, before: i32, rules: &ScalingRules, up: bool) -> i32 {
    let each = rules.policies.iter().map(|policy| {
        let period_ms = i64::from(policy.period_seconds) * 1000;
        let mut earlier = world.changes.clone();
        earlier.retain(|(changed, _)| *changed < world.now_ms);
        let start = World { changes: earlier, ..World::new(world.controller.hpa().clone(), 0) }
            .replicas_at(world.now_ms - period_ms);
        let share = f64::from(policy.value) / 100.0;
        match (policy.kind, up) {
            (PolicyKind::Pods, true) => start + policy.value,
            (PolicyKind::Pods, false) => start - policy.value,
            (PolicyKind::Percent, true) => (f64::from(start) * (1.0 + share)).ceil() as i32,
            (PolicyKind::Percent, false) => (f64::from(start) * (1.0 - share)) as i32,
        }
    });
    match (rules.select_policy, up) {
        (SelectPolicy::Disabled, _) => before,
        (SelectPolicy::Max, true) | (SelectPolicy::Min, false) => each.max().unwrap(),
        _ => each.min().unwrap(),
    }
}

proptest! {
    #[test]
    fn behavior_is_kept_to(
        (up, down) in (rules(), rules()),
        (min, spread, target) in (1..5_i32, 0..30_i32, 10..150_i32),
        start in 0..30_i32,
        loads in loads(),
    ) {
        let behavior = Behavior { scale_up: up.clone(), scale_down: down.clone() };
        let mut world = World::new(hpa(min, spread, target, Some(behavior)), min + start.min(spread));
        for (after_ms, load) in loads {
            let (before, decision) = world.sync(after_ms, load);
            let after = world.replicas;
            prop_assert!((min..=min + spread).contains(&after), "{after} is out of bounds");
            prop_assert_eq!(decision.desired_replicas, after);
            prop_assert_eq!(decision.scaled, after != before);
            let window_ms = |rules: &ScalingRules, default| {
                i64::from(rules.stabilization_window_seconds.unwrap_or(default)) * 1000
            };
            if after > before {
                let lowest = world.asked_after(world.now_ms - window_ms(&up, 0)).chain([after]).min().unwrap();
                prop_assert!(after <= lowest, "{lowest} was asked for within the window, {after} is done");
                let most = allowed(&world, before, &up, true);
                prop_assert!(after <= most, "policies allow {most} from {before}, {after} is done");
            }
            if after < before {
                let highest = world.asked_after(world.now_ms - window_ms(&down, 300)).max().unwrap_or(after);
                prop_assert!(after >= highest, "{highest} was asked for within the window, {after} is done");
                let least = allowed(&world, before, &down, false);
                prop_assert!(after >= least, "policies allow {least} from {before}, {after} is done");
            }
        }
    }

    #[test]
    fn without_behavior_replicas_double_at_most_and_fall_after_the_window(
        (min, spread, target) in (1..5_i32, 0..60_i32, 10..150_i32),
        start in 0..30_i32,
        loads in loads(),
    ) {
        let mut world = World::new(hpa(min, spread, target, None), min + start.min(spread));
        for (after_ms, load) in loads {
            let (before, _) = world.sync(after_ms, load);
            let after = world.replicas;
            prop_assert!((min..=min + spread).contains(&after), "{after} is out of bounds");
            prop_assert!(after <= before.max(2 * before).max(4), "{before} became {after}");
            if after < before {
                let highest = world.asked_after(world.now_ms - 300_000 - 1).max().unwrap();
                prop_assert!(after >= highest.min(before), "{highest} was asked for, {after} is done");
            }
        }
    }

    #[test]
    fn more_load_never_asks_for_fewer(
        (up, down) in (rules(), rules()),
        with_behavior: bool,
        looks in proptest::collection::vec(
            prop_oneof![4 => Just(Look::Ready), 1 => Just(Look::NoMetrics), 1 => Just(Look::JustStarted)],
            1..12,
        ),
        loads in loads(),
        (less, more) in (0..5_000_i64, 0..5_000_i64),
    ) {
        let behavior = with_behavior.then_some(Behavior { scale_up: up, scale_down: down });
        let replicas = i32::try_from(looks.len()).unwrap();
        let mut world = World::new(hpa(1, 29, 50, behavior), replicas);
        for (after_ms, load) in loads {
            world.sync(after_ms, load);
        }
        // the same controller at the same moment, once with less load and once with more
        let now_ms = world.now_ms + 15_000;
        let decide = |load: i64| {
            let mut controller = world.controller.clone();
            let mut observed = pods(&looks, load, now_ms);
            observed.scale = Ok(ScaleView { spec_replicas: replicas, status_replicas: replicas });
            let mut done = replicas;
            controller.sync(now_ms, &observed, &mut |wanted| { done = wanted; Ok(()) });
            done
        };
        let (low, high) = (decide(less), decide(less + more));
        prop_assert!(low <= high, "{low} for {less} millicores, {high} for {more} more");
    }
}
