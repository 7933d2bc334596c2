//! The handle of the loop, and the loop.
//!
//! Input: autoscalers and the traits. Output: a task that syncs all of them every period, each on a thread of its own: one that
//! hangs or panics holds up no other. A sync that is still going on when the next is due is not begun twice.

use super::cluster::{Activator, Listener, MetricSource, ScaleTarget};
use super::collect;
use super::entry::{Entry, Surroundings};
use super::history::{Decided, Scaling, Scalings};
use super::view::{AutoscalerView, Origin};
use crate::{ControllerOptions, Hpa, ScalingEvent};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidewatch_model::Clock;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How long after the start triggers are first asked, if their interval is not shorter.
const FIRST_POLL: Duration = Duration::from_secs(3);

/// An autoscaler that is to be run.
pub struct Managed {
    /// The autoscaler.
    pub hpa: Hpa,
    /// The name of the ScaledObject it was made of, and what switches its target on and off.
    pub scaled_object: Option<(String, Arc<dyn Activator>)>,
}

/// All autoscalers of a program; clones are the same. Everything can be asked at any time, and nothing is held across an await.
#[derive(Clone)]
pub struct Autoscaling {
    inner: Arc<Inner>,
}

struct Inner {
    entries: Vec<Arc<Entry>>,
    around: Surroundings,
    scalings: Mutex<Scalings>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Autoscaling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Autoscaling").field("autoscalers", &self.inner.entries.len()).finish_non_exhaustive()
    }
}

impl Autoscaling {
    /// Autoscalers that rest until [`Autoscaling::run`].
    pub fn new(
        managed: Vec<Managed>,
        options: ControllerOptions,
        target: Arc<dyn ScaleTarget>,
        metrics: Arc<dyn MetricSource>,
        listener: Arc<dyn Listener>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let now_ms = clock.now();
        let entries = managed.into_iter().map(|Managed { hpa, scaled_object }| {
            let (name, activator) = scaled_object.unzip();
            let origin =
                if activator.is_some() { Origin::ScaledObject } else { Origin::HorizontalPodAutoscaler };
            let view = AutoscalerView::new(&hpa, origin, name, now_ms);
            Arc::new(Entry::new(hpa, view, activator, options))
        });
        let entries = entries.collect();
        let around = Surroundings {
            target,
            metrics,
            listener,
            selectors: Default::default(),
            statistics: Default::default(),
            options,
        };
        Self { inner: Arc::new(Inner { entries, around, scalings: Mutex::default(), clock }) }
    }

    /// Runs the autoscalers for ever; the first sync is one period away, as in Kubernetes. Dropping the future ends it; a sync that is
    /// going on then ends by itself. Must be awaited on a tokio runtime with time.
    pub async fn run(&self) {
        let inner = Arc::clone(&self.inner);
        // Known before the first sync, so that two autoscalers on one target never act, whoever is first.
        let _ = spawn_blocking(move || inner.learn_selectors()).await;
        let mut polls = JoinSet::new();
        for entry in &self.inner.entries {
            if let Some(activator) = &entry.activator {
                let every = activator.interval();
                polls.spawn(Arc::clone(&self.inner).poll(Arc::clone(entry), every));
            }
        }
        let period =
            Duration::from_millis(u64::try_from(self.inner.around.options.sync_period_ms).unwrap_or(0));
        let mut ticks = ticks(period);
        loop {
            ticks.tick().await;
            for entry in &self.inner.entries {
                self.inner.begin_sync(entry);
            }
        }
    }

    /// Syncs all autoscalers once, one after the other on this thread, for whoever keeps time himself. May block.
    pub fn sync_now(&self) {
        for entry in self.inner.entries.iter().filter(|entry| entry.begin()) {
            let scaling = entry.sync(&self.inner.around, self.inner.clock.now());
            self.inner.remember(scaling);
        }
    }

    /// Asks everything that switches targets on and off once, on this thread. May block.
    pub fn poll_now(&self) {
        for entry in &self.inner.entries {
            let scaling = entry.poll(&self.inner.around, self.inner.clock.now());
            self.inner.remember(scaling);
        }
    }

    /// All autoscalers as they are now, in the order they were given.
    pub fn autoscalers(&self) -> Vec<AutoscalerView> {
        self.inner.entries.iter().map(|entry| entry.seen().view.clone()).collect()
    }

    /// The latest decisions of an autoscaler with what they were taken from, newest first; `None` when there is no such one.
    /// At most 1,000 are kept, and at most about 2 MiB.
    pub fn decisions(&self, namespace: &str, name: &str, limit: usize) -> Option<Vec<Arc<Decided>>> {
        let own = |entry: &&Arc<Entry>| entry.hpa.namespace == namespace && entry.hpa.name == name;
        let entry = self.inner.entries.iter().find(own)?;
        Some(entry.seen().decisions.latest(limit))
    }

    /// The scalings between two times, both included, in milliseconds since the Unix epoch, in order; of all autoscalers, and of what
    /// switches targets on and off. At most 10,000 are kept.
    pub fn scalings(&self, from_ms: i64, to_ms: i64) -> Vec<Scaling> {
        self.inner.scalings.lock().unwrap_or_else(PoisonError::into_inner).between(from_ms, to_ms)
    }

    /// Writes `horizontal_pod_autoscaler_controller_*` as text exposition.
    pub fn write_metrics(&self, out: &mut String) {
        self.inner.around.statistics.write(self.inner.entries.len(), out);
    }
}

/// A ticker without jitter whose first tick is one period away.
fn ticks(period: Duration) -> tokio::time::Interval {
    let period = period.max(Duration::from_millis(1));
    let mut ticks = interval_at(Instant::now() + period, period);
    // The phase stays what it was, also towards whoever samples the metrics.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

impl Inner {
    fn learn_selectors(&self) {
        for entry in &self.entries {
            if let Ok(state) = collect::state_of(&*self.around.target, &collect::target_of(&entry.hpa)) {
                self.around.selectors.check(&entry.hpa.namespace, &entry.hpa.name, &state);
            }
        }
    }

    fn begin_sync(self: &Arc<Self>, entry: &Arc<Entry>) {
        if !entry.begin() {
            let message = "the sync before is still going on: reading its metrics takes long".to_owned();
            let event = ScalingEvent { reason: "SyncSkipped", message, warning: true };
            self.around.listener.event(&entry.about(), &event);
            return;
        }
        let (inner, entry) = (Arc::clone(self), Arc::clone(entry));
        // Not waited for: the entry says when it is done.
        drop(spawn_blocking(move || {
            let scaling = entry.sync(&inner.around, inner.clock.now());
            inner.remember(scaling);
        }));
    }

    async fn poll(self: Arc<Self>, entry: Arc<Entry>, every: Duration) {
        let every = every.max(Duration::from_millis(100));
        // KEDA asks at once, of systems that have long been there. Here they begin together with it, and what it asks for is only
        // just being scraped: a failure of that moment would be told for a whole interval.
        let mut ticks = interval_at(Instant::now() + every.min(FIRST_POLL), every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (inner, entry) = (Arc::clone(&self), Arc::clone(&entry));
            let polled = spawn_blocking(move || {
                let scaling = entry.poll(&inner.around, inner.clock.now());
                inner.remember(scaling);
            });
            let _ = polled.await;
        }
    }

    fn remember(&self, scaling: Option<Scaling>) {
        if let Some(scaling) = scaling {
            self.scalings.lock().unwrap_or_else(PoisonError::into_inner).push(scaling);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::cluster::{Activation, ObjectRef, ReplicaCounts, TargetPod, TargetState};
    use crate::{
        ConditionKind, ContainerUsage, ContainerView, MetricKey, PodPhase, PodUsage, PodView, ScaleView,
    };
    use std::collections::BTreeMap;
    use std::sync::Condvar;
    use tidewatch_manifest::{Quantity, load_text};
    use tidewatch_model::ManualClock;

    /// A cluster of Deployments with one container of 100m each.
    #[derive(Default)]
    struct World {
        /// By Deployment.
        replicas: Mutex<BTreeMap<String, i32>>,
        /// What a pod uses, in thousandths; none while the API fails.
        cpu: Mutex<Option<i64>>,
        /// The value of each external metric; what is missing panics.
        external: Mutex<BTreeMap<String, i64>>,
        /// Reading the metric `slow` waits while this is set.
        stuck: (Mutex<bool>, Condvar),
        told: Mutex<Vec<String>>,
    }

    impl World {
        fn new(replicas: &[(&str, i32)], cpu: i64) -> Arc<Self> {
            let world = Self::default();
            *world.cpu.lock().unwrap() = Some(cpu);
            *world.replicas.lock().unwrap() =
                replicas.iter().map(|(name, replicas)| ((*name).to_owned(), *replicas)).collect();
            Arc::new(world)
        }

        fn replicas(&self, name: &str) -> i32 {
            self.replicas.lock().unwrap()[name]
        }

        fn told(&self, part: &str) -> usize {
            self.told.lock().unwrap().iter().filter(|line| line.contains(part)).count()
        }
    }

    impl ScaleTarget for World {
        fn observe(&self, target: &ObjectRef) -> Result<TargetState, String> {
            let replicas = self.replicas.lock().unwrap().get(&target.name).copied();
            let replicas = replicas.ok_or_else(|| format!("deployments.apps {:?} not found", target.name))?;
            let labels: BTreeMap<String, String> = [("app".to_owned(), target.name.clone())].into();
            let container = ContainerView {
                name: "app".into(),
                sidecar: false,
                requests: vec![("cpu".into(), Quantity::parse("100m").unwrap())],
            };
            let pod = |number| TargetPod {
                view: PodView {
                    name: format!("{}-{number}", target.name).into(),
                    phase: PodPhase::Running,
                    ready: Some(true),
                    ready_transition_ms: Some(0),
                    start_ms: Some(0),
                    deleted: false,
                    requests: [].into(),
                    containers: [container.clone()].into(),
                },
                labels: labels.clone(),
            };
            let selector =
                tidewatch_manifest::LabelSelector { match_labels: labels.clone(), ..Default::default() };
            Ok(TargetState {
                scale: ScaleView { spec_replicas: replicas, status_replicas: replicas },
                selector: Some(selector),
                pods: (0..replicas).map(pod).collect(),
            })
        }

        fn scale(&self, target: &ObjectRef, replicas: i32) -> Result<(), String> {
            self.replicas.lock().unwrap().insert(target.name.clone(), replicas);
            Ok(())
        }
    }

    impl MetricSource for World {
        fn resource(&self, _: &str, pods: &[PodView]) -> Result<Vec<PodUsage>, String> {
            let cpu =
                self.cpu.lock().unwrap().ok_or("the server is currently unable to handle the request")?;
            let usage = |pod: &PodView| PodUsage {
                pod: Arc::clone(&pod.name),
                timestamp_ms: 1_000_000,
                window_ms: 15_000,
                containers: vec![ContainerUsage {
                    name: "app".into(),
                    usage: vec![("cpu".into(), Quantity::from_nano(cpu * 1_000_000))],
                }],
            };
            Ok(pods.iter().map(usage).collect())
        }

        fn pods(&self, _: &str, _: &MetricKey, _: &[PodView]) -> Result<Vec<(Arc<str>, Quantity)>, String> {
            Err("no custom metrics here".to_owned())
        }

        fn object(&self, _: &str, _: &MetricKey) -> Result<Quantity, String> {
            Err("no custom metrics here".to_owned())
        }

        fn external(&self, _: &str, metric: &MetricKey) -> Result<Vec<Quantity>, String> {
            if metric.name == "slow" {
                let stuck = self.stuck.0.lock().unwrap();
                drop(self.stuck.1.wait_while(stuck, |stuck| *stuck).unwrap());
            }
            let value = self.external.lock().unwrap().get(&metric.name).copied().expect("no such metric");
            Ok(vec![Quantity::from_units(value.unsigned_abs())])
        }
    }

    impl Listener for World {
        fn event(&self, about: &ObjectRef, event: &ScalingEvent) {
            let line = format!("{}/{}: {}: {}", about.kind, about.name, event.reason, event.message);
            self.told.lock().unwrap().push(line);
        }

        fn synced(&self, autoscaler: &AutoscalerView) {
            self.told.lock().unwrap().push(format!("synced {}", autoscaler.name));
        }
    }

    fn hpa(name: &str, target: &str, metric: &str) -> Hpa {
        let text = format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
             scaleTargetRef: {{kind: Deployment, name: {target}}}\n  minReplicas: 1\n  maxReplicas: 8\n  metrics: [{metric}]\n"
        );
        Hpa::from_manifest(&load_text("hpa.yaml", &text).unwrap().autoscalers[0]).unwrap()
    }

    const CPU: &str =
        "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}";

    fn external(name: &str) -> String {
        format!(
            "{{type: External, external: {{metric: {{name: {name}}}, target: {{type: AverageValue, averageValue: 10}}}}}}"
        )
    }

    fn loop_of(world: &Arc<World>, managed: Vec<Managed>, period_ms: i64) -> (Autoscaling, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(1_000_000));
        let options = ControllerOptions { sync_period_ms: period_ms, ..ControllerOptions::default() };
        let (target, metrics) = (Arc::clone(world), Arc::clone(world));
        let listener = Arc::clone(world);
        let clock_of_loop = Arc::clone(&clock) as Arc<dyn Clock>;
        (Autoscaling::new(managed, options, target, metrics, listener, clock_of_loop), clock)
    }

    fn plain(hpa: Hpa) -> Managed {
        Managed { hpa, scaled_object: None }
    }

    fn condition(autoscaling: &Autoscaling, at: usize, kind: ConditionKind) -> String {
        let view = &autoscaling.autoscalers()[at];
        let found = view.conditions.iter().find(|condition| condition.kind == kind);
        found.map(|one| format!("{}/{}", one.status_text(), one.reason)).unwrap_or_default()
    }

    #[test]
    fn scales_and_remembers_why() {
        let world = World::new(&[("web", 2)], 100);
        let (autoscaling, clock) = loop_of(&world, vec![plain(hpa("web", "web", CPU))], 15_000);
        assert_eq!(autoscaling.autoscalers()[0].current_replicas, 0);
        autoscaling.sync_now();
        assert_eq!(world.replicas("web"), 4);
        clock.advance(15_000);
        *world.cpu.lock().unwrap() = Some(50);
        autoscaling.sync_now();
        assert_eq!(world.replicas("web"), 4);

        let view = &autoscaling.autoscalers()[0];
        assert_eq!((view.current_replicas, view.desired_replicas), (4, 4));
        assert_eq!((view.last_scale_ms, view.last_sync_ms), (Some(1_000_000), Some(1_015_000)));
        assert_eq!(view.metrics[0].current.unwrap().average_utilization, Some(50));
        let decisions = autoscaling.decisions("shop", "web", 10).unwrap();
        let told: Vec<_> = decisions.iter().map(|one| (one.decision.time_ms, one.decision.scaled)).collect();
        assert_eq!(told, [(1_015_000, false), (1_000_000, true)], "newest first");
        assert_eq!(decisions[1].observed.pods.len(), 2, "with what was seen");
        assert_eq!(autoscaling.decisions("shop", "web", 1).unwrap().len(), 1);
        assert!(autoscaling.decisions("shop", "wep", 1).is_none());

        let scalings = autoscaling.scalings(0, 1_000_000);
        assert_eq!((scalings.len(), scalings[0].from, scalings[0].to), (1, 2, 4));
        assert!(scalings[0].text.contains("CPU 100 % of 50 %"), "{}", scalings[0].text);
        assert_eq!(autoscaling.scalings(1_000_001, i64::MAX), []);
        assert_eq!(world.told("HorizontalPodAutoscaler/web: SuccessfulRescale: New size: 4"), 1);

        let mut page = String::new();
        autoscaling.write_metrics(&mut page);
        let prefix = "horizontal_pod_autoscaler_controller_";
        for line in [
            "reconciliations_total{action=\"scale_up\",error=\"none\"} 1",
            "reconciliations_total{action=\"none\",error=\"none\"} 1",
            "metric_computation_total{action=\"scale_up\",error=\"none\",metric_type=\"Resource\"} 1",
            "num_horizontal_pod_autoscalers 1",
            "desired_replicas{namespace=\"shop\",hpa_name=\"web\"} 4",
            "reconciliation_duration_seconds_count{action=\"none\",error=\"none\"} 1",
        ] {
            assert!(page.contains(&format!("{prefix}{line}\n")), "{line}: {page}");
        }
    }

    #[test]
    fn replicas_are_kept_while_metrics_are_gone() {
        let world = World::new(&[("web", 3)], 100);
        let (autoscaling, clock) = loop_of(&world, vec![plain(hpa("web", "web", CPU))], 15_000);
        *world.cpu.lock().unwrap() = None;
        for _ in 0..3 {
            autoscaling.sync_now();
            clock.advance(15_000);
        }
        assert_eq!(world.replicas("web"), 3);
        assert_eq!(condition(&autoscaling, 0, ConditionKind::ScalingActive), "False/FailedGetResourceMetric");
        *world.cpu.lock().unwrap() = Some(100);
        autoscaling.sync_now();
        assert_eq!(world.replicas("web"), 6);
        assert_eq!(condition(&autoscaling, 0, ConditionKind::ScalingActive), "True/ValidMetricFound");
    }

    #[test]
    fn a_target_that_is_not_there_is_told() {
        let world = World::new(&[], 100);
        let (autoscaling, _) = loop_of(&world, vec![plain(hpa("web", "web", CPU))], 15_000);
        autoscaling.sync_now();
        assert_eq!(condition(&autoscaling, 0, ConditionKind::AbleToScale), "False/FailedGetScale");
        assert_eq!(world.told("FailedGetScale: deployments.apps \"web\" not found"), 1);
    }

    #[test]
    fn two_autoscalers_on_one_target_do_nothing_and_say_so() {
        let world = World::new(&[("web", 2)], 100);
        let both = vec![plain(hpa("one", "web", CPU)), plain(hpa("two", "web", CPU))];
        let (autoscaling, clock) = loop_of(&world, both, 15_000);
        autoscaling.inner.learn_selectors();
        autoscaling.sync_now();
        clock.advance(15_000);
        autoscaling.sync_now();
        assert_eq!(world.replicas("web"), 2);
        for at in 0..2 {
            assert_eq!(condition(&autoscaling, at, ConditionKind::ScalingActive), "False/AmbiguousSelector");
        }
        let message = "pods by selector app=web are controlled by multiple HPAs: [shop/one shop/two]";
        assert_eq!(world.told(&format!("AmbiguousSelector: {message}")), 4);
    }

    #[test]
    fn a_metric_that_panics_is_a_metric_that_fails() {
        let world = World::new(&[("web", 2), ("api", 2)], 100);
        let managed = vec![plain(hpa("web", "web", &external("none"))), plain(hpa("api", "api", CPU))];
        let (autoscaling, _) = loop_of(&world, managed, 15_000);
        autoscaling.sync_now();
        assert_eq!((world.replicas("web"), world.replicas("api")), (2, 4));
        assert_eq!(condition(&autoscaling, 0, ConditionKind::ScalingActive), "False/FailedGetExternalMetric");
        let message = autoscaling.autoscalers()[0].conditions.last().unwrap().message.clone();
        assert!(message.contains("reading none panicked: no such metric"), "{message}");
    }

    /// Switches on while it is told to.
    struct Switch {
        paused: bool,
        to: Mutex<Option<i32>>,
        asked: Mutex<Vec<ReplicaCounts>>,
    }

    impl Activator for Switch {
        fn interval(&self) -> Duration {
            Duration::from_millis(10)
        }

        fn paused(&self) -> bool {
            self.paused
        }

        fn poll(&self, _: i64, replicas: ReplicaCounts) -> Activation {
            self.asked.lock().unwrap().push(replicas);
            let scale_to = self.to.lock().unwrap().take();
            let message = "Scaled Deployment shop/web from 0 to 1, triggered by lag".to_owned();
            let event = scale_to.map(|_| ScalingEvent {
                reason: "KEDAScaleTargetActivated",
                message,
                warning: false,
            });
            Activation { scale_to, event, ..Activation::default() }
        }
    }

    fn switched(world: &Arc<World>, paused: bool) -> (Autoscaling, Arc<Switch>) {
        let switch = Arc::new(Switch { paused, to: Mutex::new(Some(1)), asked: Mutex::default() });
        let activator = Arc::clone(&switch) as Arc<dyn Activator>;
        let managed = Managed {
            hpa: hpa("keda-hpa-web", "web", &external("lag")),
            scaled_object: Some(("web".to_owned(), activator)),
        };
        (loop_of(world, vec![managed], 15_000).0, switch)
    }

    #[test]
    fn a_target_is_switched_on_from_zero_and_scaled_from_there() {
        let world = World::new(&[("web", 0)], 0);
        world.external.lock().unwrap().insert("lag".to_owned(), 35);
        let (autoscaling, switch) = switched(&world, false);
        autoscaling.sync_now();
        assert_eq!(world.replicas("web"), 0);
        assert_eq!(condition(&autoscaling, 0, ConditionKind::ScalingActive), "False/ScalingDisabled");
        autoscaling.poll_now();
        assert_eq!(world.replicas("web"), 1);
        assert_eq!(world.told("ScaledObject/web: KEDAScaleTargetActivated: Scaled Deployment shop/web"), 1);
        autoscaling.sync_now();
        assert_eq!(world.replicas("web"), 4, "35 of 10 each");
        autoscaling.poll_now();
        let asked = switch.asked.lock().unwrap();
        let counts = |count| ReplicaCounts { wanted: count, ready: count };
        assert_eq!(*asked, [counts(0), counts(4)]);
        let scaled: Vec<_> =
            autoscaling.scalings(0, i64::MAX).into_iter().map(|one| (one.from, one.to)).collect();
        assert_eq!(scaled, [(0, 1), (1, 4)]);
        assert_eq!(autoscaling.autoscalers()[0].origin, Origin::ScaledObject);
    }

    #[test]
    fn a_paused_one_rests() {
        let world = World::new(&[("web", 2)], 0);
        world.external.lock().unwrap().insert("lag".to_owned(), 35);
        let (autoscaling, _) = switched(&world, true);
        autoscaling.sync_now();
        assert_eq!((world.replicas("web"), world.told("synced")), (2, 0));
    }

    #[tokio::test]
    async fn one_that_hangs_holds_up_no_other() {
        let world = World::new(&[("web", 1), ("api", 1)], 100);
        world.external.lock().unwrap().insert("slow".to_owned(), 25);
        *world.stuck.0.lock().unwrap() = true;
        let managed = vec![plain(hpa("web", "web", &external("slow"))), plain(hpa("api", "api", CPU))];
        let (autoscaling, _) = loop_of(&world, managed, 10);
        let running = autoscaling.clone();
        let running = tokio::spawn(async move { running.run().await });
        let until = async |done: &dyn Fn() -> bool| {
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            while !done() {
                assert!(std::time::Instant::now() < deadline, "{:?}", world.told.lock().unwrap());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        until(&|| world.told("synced api") >= 3 && world.told("web: SyncSkipped") >= 1).await;
        assert_eq!((world.told("synced web"), world.replicas("web")), (0, 1));
        assert_eq!(world.replicas("api"), 8);
        *world.stuck.0.lock().unwrap() = false;
        world.stuck.1.notify_all();
        until(&|| world.replicas("web") == 3).await;
        running.abort();
    }
}
