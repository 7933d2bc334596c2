//! One autoscaler's controller: a sync takes what is seen and the time, and decides.
//!
//! Input: [`Observed`] and the time of each sync; the write of the target's scale is the caller's. Output: a [`Decision`].
//! The state is what kube-controller-manager keeps in memory and in the autoscaler's status; there is no clock here.

use crate::metric::Metric;
use crate::normalization::{History, Normalized, Numbers};
use crate::replica_calculator::{Calculator, Tolerances};
use crate::{
    Condition, ConditionKind, ControllerOptions, Decision, Hpa, Limit, MetricValue, Observed, ScaleView,
    ScalingEvent, SelectorState, Step,
};
use std::borrow::Cow;
use tidewatch_manifest::Quantity;

/// The controller of one autoscaler.
#[derive(Clone, Debug)]
pub struct HpaController {
    hpa: Hpa,
    options: ControllerOptions,
    metrics: Vec<Metric>,
    status: Status,
    history: History,
}

/// The status of the autoscaler.
#[derive(Clone, Debug, Default)]
struct Status {
    current_replicas: i32,
    desired_replicas: i32,
    last_scale_ms: Option<i64>,
    conditions: Vec<Condition>,
    current_metrics: Vec<Option<MetricValue>>,
}

/// What one sync collects.
struct Sync<'a> {
    now_ms: i64,
    observed: &'a Observed,
    events: Vec<ScalingEvent>,
    steps: Vec<Step>,
    scaled: bool,
}

/// What all metrics together ask for.
struct MetricsProposal {
    replicas: i32,
    /// The description of the metric that counts.
    metric: String,
    statuses: Vec<Option<MetricValue>>,
}

/// Why no number could be computed; the status gets the metrics that could.
struct MetricsFailure {
    error: String,
    statuses: Vec<Option<MetricValue>>,
}

/// What to scale to and why.
struct Plan {
    current: i32,
    desired: i32,
    rescale: bool,
    reason: String,
    statuses: Vec<Option<MetricValue>>,
}

impl HpaController {
    /// A controller that has not seen anything yet.
    pub fn new(hpa: Hpa, options: ControllerOptions) -> Self {
        let metrics = Metric::all_of(&hpa);
        Self { hpa, options, metrics, status: Status::default(), history: History::default() }
    }

    /// The autoscaler.
    pub fn hpa(&self) -> &Hpa {
        &self.hpa
    }

    /// How the controller is set up.
    pub fn options(&self) -> &ControllerOptions {
        &self.options
    }

    /// Decides at `now_ms` (milliseconds, not before an earlier sync's) and changes the target's scale through `update`,
    /// which is called at most once. An error of `update` becomes a condition.
    pub fn sync(
        &mut self,
        now_ms: i64,
        observed: &Observed,
        update: &mut dyn FnMut(i32) -> Result<(), String>,
    ) -> Decision {
        let mut sync = Sync { now_ms, observed, events: Vec::new(), steps: Vec::new(), scaled: false };
        match &observed.scale {
            Err(error) => self.scale_unreadable(&mut sync, error),
            Ok(scale) => {
                self.set_condition(
                    now_ms,
                    ConditionKind::AbleToScale,
                    true,
                    "SucceededGetScale",
                    Cow::Borrowed("the HPA controller was able to get the target's current scale"),
                );
                self.history.recommendations.start_with(scale.spec_replicas, now_ms);
                if let Some(plan) = self.plan(&mut sync, *scale) {
                    self.carry_out(&mut sync, plan, update);
                }
            }
        }
        Decision {
            time_ms: now_ms,
            current_replicas: self.status.current_replicas,
            desired_replicas: self.status.desired_replicas,
            scaled: sync.scaled,
            last_scale_ms: self.status.last_scale_ms,
            conditions: self.status.conditions.clone(),
            current_metrics: self.status.current_metrics.clone(),
            events: sync.events,
            steps: sync.steps,
        }
    }

    fn scale_unreadable(&mut self, sync: &mut Sync<'_>, error: &str) {
        sync.warn("FailedGetScale", error.to_owned());
        sync.steps.push(Step::ScaleUnreadable { message: error.into() });
        let message = format!("the HPA controller was unable to get the target's current scale: {error}");
        self.set_condition(
            sync.now_ms,
            ConditionKind::AbleToScale,
            false,
            "FailedGetScale",
            Cow::Owned(message),
        );
    }

    /// What to do; `None` when nothing can be decided, which the status then says.
    fn plan(&mut self, sync: &mut Sync<'_>, scale: ScaleView) -> Option<Plan> {
        let current = scale.spec_replicas;
        let (min, max) = (self.hpa.min_replicas, self.hpa.max_replicas);
        let plan = |desired, rescale, reason: &str| {
            Some(Plan { current, desired, rescale, reason: reason.to_owned(), statuses: Vec::new() })
        };
        if current == 0 && min != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            self.set_condition(
                sync.now_ms,
                ConditionKind::ScalingActive,
                false,
                "ScalingDisabled",
                Cow::Borrowed(message),
            );
            sync.steps.push(Step::Disabled);
            return plan(0, false, "");
        }
        if current > max {
            sync.steps.push(Step::OutOfBounds { limit: Limit::MaxReplicas, current, replicas: max });
            return plan(max, true, "Current number of replicas above Spec.MaxReplicas");
        }
        if current < min {
            sync.steps.push(Step::OutOfBounds { limit: Limit::MinReplicas, current, replicas: min });
            return plan(min, true, "Current number of replicas below Spec.MinReplicas");
        }
        match self.propose(sync, scale) {
            Ok(proposal) => Some(self.normalize(sync, current, proposal)),
            Err(failure) => {
                self.status.current_replicas = current;
                self.status.current_metrics = failure.statuses;
                sync.warn("FailedComputeMetricsReplicas", failure.error);
                None
            }
        }
    }

    /// Asks all metrics. The highest number counts; when some metrics fail, only if it is not below the current one.
    fn propose(&mut self, sync: &mut Sync<'_>, scale: ScaleView) -> Result<MetricsProposal, MetricsFailure> {
        self.require_selector(sync)?;
        let tolerances = self.tolerances();
        let mut statuses = vec![None; self.metrics.len()];
        let mut first_failure = None;
        let mut failed = 0;
        let mut replicas = 0;
        let mut highest = None;
        for (index, metric) in self.metrics.iter().enumerate() {
            let mut calculator = Calculator {
                options: &self.options,
                now_ms: sync.now_ms,
                pods: &sync.observed.pods,
                tolerances,
                metric: &metric.label,
                steps: &mut sync.steps,
            };
            let proposed =
                metric.propose(&mut calculator, sync.observed, scale.spec_replicas, scale.status_replicas);
            match proposed {
                Ok(proposal) => {
                    statuses[index] = Some(proposal.current);
                    if replicas == 0 || proposal.replicas > replicas {
                        replicas = proposal.replicas;
                        highest = Some(metric);
                    }
                }
                Err(failure) => {
                    failed += 1;
                    let message = failure.message.as_str().into();
                    sync.steps.push(Step::Unavailable { metric: metric.label.clone(), message });
                    sync.warn(failure.reason, failure.message.clone());
                    first_failure.get_or_insert(failure);
                }
            }
        }
        let all = self.metrics.len();
        match (first_failure, highest) {
            (Some(failure), highest) if highest.is_none() || replicas < scale.spec_replicas => {
                sync.steps.push(Step::NotEnoughMetrics { failed, metrics: all });
                let message = format!("the HPA was unable to compute the replica count: {}", failure.message);
                let kind = ConditionKind::ScalingActive;
                self.set_condition(sync.now_ms, kind, false, failure.reason, Cow::Owned(message));
                let error = format!(
                    "invalid metrics ({failed} invalid out of {all}), first error is: {}",
                    failure.error
                );
                Err(MetricsFailure { error, statuses })
            }
            (_, highest) => {
                let metric = highest.map(|metric| metric.description.clone()).unwrap_or_default();
                if let Some(highest) = highest.filter(|_| all > 1) {
                    let metric = highest.label.clone();
                    sync.steps.push(Step::Highest { metric, metrics: all, replicas });
                }
                let message =
                    format!("the HPA was able to successfully calculate a replica count from {metric}");
                let kind = ConditionKind::ScalingActive;
                self.set_condition(sync.now_ms, kind, true, "ValidMetricFound", Cow::Owned(message));
                Ok(MetricsProposal { replicas, metric, statuses })
            }
        }
    }

    fn require_selector(&mut self, sync: &mut Sync<'_>) -> Result<(), MetricsFailure> {
        let (event, reason, message, error) = match &sync.observed.selector {
            SelectorState::Unique => return Ok(()),
            SelectorState::Missing => (
                "SelectorRequired",
                "InvalidSelector",
                "the HPA target's scale is missing a selector".to_owned(),
                "selector is required".to_owned(),
            ),
            SelectorState::Ambiguous { selector, autoscalers } => {
                let message = format!(
                    "pods by selector {selector} are controlled by multiple HPAs: [{}]",
                    autoscalers.join(" ")
                );
                ("AmbiguousSelector", "AmbiguousSelector", message.clone(), message)
            }
        };
        sync.warn(event, error.clone());
        sync.steps.push(Step::SelectorUnusable { message: message.as_str().into() });
        self.set_condition(sync.now_ms, ConditionKind::ScalingActive, false, reason, Cow::Owned(message));
        Err(MetricsFailure { error, statuses: Vec::new() })
    }

    fn tolerances(&self) -> Tolerances {
        let own = self.hpa.behavior.as_ref().filter(|_| self.options.configurable_tolerance);
        let or_default =
            |tolerance: Option<Quantity>| tolerance.map_or(self.options.tolerance, Quantity::approximate_f64);
        Tolerances {
            scale_down: or_default(own.and_then(|behavior| behavior.scale_down.tolerance)),
            scale_up: or_default(own.and_then(|behavior| behavior.scale_up.tolerance)),
        }
    }

    fn normalize(&mut self, sync: &mut Sync<'_>, current: i32, proposal: MetricsProposal) -> Plan {
        let desired = proposal.replicas.max(0);
        let mut reason = String::new();
        if desired > current {
            reason = format!("{} above target", proposal.metric);
        }
        if desired < current {
            reason = "All metrics below target".to_owned();
        }
        let numbers = Numbers { current, desired, min: self.hpa.min_replicas, max: self.hpa.max_replicas };
        let (options, steps) = (&self.options, &mut sync.steps);
        let normalized = match &self.hpa.behavior {
            None => self.history.normalize(numbers, options, sync.now_ms, steps),
            Some(behavior) => {
                self.history.normalize_with_behavior(numbers, behavior, options, sync.now_ms, steps)
            }
        };
        let Normalized { replicas, able_to_scale, limited, scaling_limited } = normalized;
        let mut set = |kind, status, (reason, message)| {
            self.set_condition(sync.now_ms, kind, status, reason, Cow::Borrowed(message));
        };
        set(ConditionKind::AbleToScale, true, able_to_scale);
        set(ConditionKind::ScalingLimited, limited, scaling_limited);
        let rescale = replicas != current;
        Plan { current, desired: replicas, rescale, reason, statuses: proposal.statuses }
    }

    fn carry_out(
        &mut self,
        sync: &mut Sync<'_>,
        plan: Plan,
        update: &mut dyn FnMut(i32) -> Result<(), String>,
    ) {
        let Plan { current, mut desired, rescale, reason, statuses } = plan;
        self.status.current_replicas = current;
        self.status.current_metrics = statuses;
        let kind = ConditionKind::AbleToScale;
        if !rescale {
            desired = current;
        } else if let Err(error) = update(desired) {
            sync.warn("FailedRescale", format!("New size: {desired}; reason: {reason}; error: {error}"));
            sync.steps.push(Step::UpdateFailed { replicas: desired, message: error.as_str().into() });
            let message = format!("the HPA controller was unable to update the target scale: {error}");
            self.set_condition(sync.now_ms, kind, false, "FailedUpdateScale", Cow::Owned(message));
            return;
        } else {
            let message = format!("the HPA controller was able to update the target scale to {desired}");
            self.set_condition(sync.now_ms, kind, true, "SucceededRescale", Cow::Owned(message));
            let message = format!("New size: {desired}; reason: {reason}");
            sync.events.push(ScalingEvent { reason: "SuccessfulRescale", message, warning: false });
            self.store_change(current, desired, sync.now_ms);
            self.status.last_scale_ms = Some(sync.now_ms);
            sync.scaled = true;
        }
        self.status.desired_replicas = desired;
    }

    fn store_change(&mut self, from: i32, to: i32, now_ms: i64) {
        let Some(behavior) = &self.hpa.behavior else { return };
        let changes = &mut self.history.changes;
        if to > from {
            changes.added.store(to.wrapping_sub(from), &behavior.scale_up, now_ms);
        } else {
            changes.removed.store(from.wrapping_sub(to), &behavior.scale_down, now_ms);
        }
    }

    fn set_condition(
        &mut self,
        now_ms: i64,
        kind: ConditionKind,
        status: bool,
        reason: &'static str,
        message: Cow<'static, str>,
    ) {
        let conditions = &mut self.status.conditions;
        match conditions.iter_mut().find(|condition| condition.kind == kind) {
            Some(condition) => {
                if condition.status != status {
                    condition.last_transition_ms = now_ms;
                }
                (condition.status, condition.reason, condition.message) = (status, reason, message);
            }
            None => {
                conditions.push(Condition { kind, status, reason, message, last_transition_ms: now_ms });
            }
        }
    }
}

impl Sync<'_> {
    fn warn(&mut self, reason: &'static str, message: String) {
        self.events.push(ScalingEvent { reason, message, warning: true });
    }
}
