//! One autoscaler of the loop: its controller, its history, and what can be seen of it.
//!
//! Input: the traits, now. Output: a sync or a poll, remembered. Syncs and polls of one autoscaler never overlap, so that one never
//! undoes what the other has just done. Runs on blocking threads.

use super::ambiguity::Selectors;
use super::cluster::{Activation, Activator, Listener, MetricSource, ObjectRef, ReplicaCounts, ScaleTarget};
use super::collect::{self, Collected, guarded, text_of};
use super::history::{Decided, Decisions, Scaling};
use super::statistics::Statistics;
use super::view::AutoscalerView;
use crate::{ControllerOptions, Decision, Hpa, HpaController, ScalingEvent};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What all autoscalers share.
pub(crate) struct Surroundings {
    pub(crate) target: Arc<dyn ScaleTarget>,
    pub(crate) metrics: Arc<dyn MetricSource>,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) selectors: Selectors,
    pub(crate) statistics: Statistics,
    pub(crate) options: ControllerOptions,
}

/// An autoscaler that is run.
pub(crate) struct Entry {
    pub(crate) hpa: Hpa,
    pub(crate) activator: Option<Arc<dyn Activator>>,
    /// Held while a sync or poll is going on.
    controller: Mutex<HpaController>,
    /// Set while a sync is going on or waits for a thread.
    busy: AtomicBool,
    seen: Mutex<Seen>,
}

/// What can be asked for at any time.
pub(crate) struct Seen {
    pub(crate) view: AutoscalerView,
    pub(crate) decisions: Decisions,
}

impl Entry {
    pub(crate) fn new(
        hpa: Hpa,
        view: AutoscalerView,
        activator: Option<Arc<dyn Activator>>,
        options: ControllerOptions,
    ) -> Self {
        Self {
            controller: Mutex::new(HpaController::new(hpa.clone(), options)),
            hpa,
            activator,
            busy: AtomicBool::new(false),
            seen: Mutex::new(Seen { view, decisions: Decisions::default() }),
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves the next sync; false while one is going on.
    pub(crate) fn begin(&self) -> bool {
        !self.busy.swap(true, Ordering::AcqRel)
    }

    /// The object that events are about.
    pub(crate) fn about(&self) -> ObjectRef {
        ObjectRef {
            kind: "HorizontalPodAutoscaler".to_owned(),
            namespace: self.hpa.namespace.clone(),
            name: self.hpa.name.clone(),
        }
    }

    /// Looks, decides, acts. Gives the scaling, if there was one.
    pub(crate) fn sync(&self, around: &Surroundings, now_ms: i64) -> Option<Scaling> {
        let done = catch_unwind(AssertUnwindSafe(|| self.sync_once(around, now_ms)));
        self.busy.store(false, Ordering::Release);
        match done {
            Ok(scaling) => scaling,
            Err(panic) => {
                // What it knew may be half changed: it begins anew, without earlier recommendations.
                let fresh = HpaController::new(self.hpa.clone(), around.options);
                *self.controller.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
                let message = format!("the sync panicked and begins anew: {}", text_of(&*panic));
                let event = ScalingEvent { reason: "FailedSync", message, warning: true };
                around.listener.event(&self.about(), &event);
                None
            }
        }
    }

    fn sync_once(&self, around: &Surroundings, now_ms: i64) -> Option<Scaling> {
        if self.activator.as_ref().is_some_and(|activator| activator.paused()) {
            return None;
        }
        let begin = Instant::now();
        let mut controller = self.controller.lock().unwrap_or_else(PoisonError::into_inner);
        let Collected { observed, durations } =
            collect::collect(&self.hpa, &*around.target, &*around.metrics, &around.selectors);
        let target = collect::target_of(&self.hpa);
        let mut update = |replicas| guarded("the scale", || around.target.scale(&target, replicas));
        let decision = controller.sync(now_ms, &observed, &mut update);
        drop(controller);
        around.statistics.synced(&self.hpa, &observed, &decision, &durations, begin.elapsed());
        let from = observed.scale.as_ref().map_or(decision.current_replicas, |scale| scale.spec_replicas);
        let scaling = decision.scaled.then(|| self.scaling(from, &decision));
        for event in &decision.events {
            around.listener.event(&self.about(), event);
        }
        let view = {
            let mut seen = self.seen();
            seen.view.take(&decision);
            seen.decisions.push(Decided { decision, observed });
            seen.view.clone()
        };
        around.listener.synced(&view);
        scaling
    }

    fn scaling(&self, from: i32, decision: &Decision) -> Scaling {
        Scaling {
            time_ms: decision.time_ms,
            autoscaler: self.hpa.name.clone(),
            target: collect::target_of(&self.hpa),
            from,
            to: decision.desired_replicas,
            text: decision.sentence(),
        }
    }

    /// Asks the activator, and does what it says. Gives the scaling, if there was one.
    pub(crate) fn poll(&self, around: &Surroundings, now_ms: i64) -> Option<Scaling> {
        let activator = self.activator.as_ref()?;
        // No sync meanwhile.
        let _controller = self.controller.lock().unwrap_or_else(PoisonError::into_inner);
        let target = collect::target_of(&self.hpa);
        let state = match collect::state_of(&*around.target, &target) {
            Ok(state) => state,
            Err(error) => {
                self.note(Activation { failures: vec![error], ..Activation::default() });
                return None;
            }
        };
        let ready = state.pods.iter().filter(|pod| !pod.view.deleted && pod.view.ready == Some(true)).count();
        let from = state.scale.spec_replicas;
        let counts = ReplicaCounts { wanted: from, ready: ready as i32 };
        let activation = guarded("the triggers", || Ok(activator.poll(now_ms, counts)));
        let activation =
            activation.unwrap_or_else(|error| Activation { failures: vec![error], ..Activation::default() });
        let scaling = activation.scale_to.and_then(|to| self.switch(around, &activation, (from, to), now_ms));
        self.note(activation);
        scaling
    }

    fn switch(
        &self,
        around: &Surroundings,
        activation: &Activation,
        (from, to): (i32, i32),
        now_ms: i64,
    ) -> Option<Scaling> {
        let target = collect::target_of(&self.hpa);
        let about = self.scaled_object();
        let told = activation.event.as_ref().map(|event| event.message.clone());
        if let Err(error) = guarded("the scale", || around.target.scale(&target, to)) {
            let message =
                format!("Failed to scale {} {} from {from} to {to}: {error}", target.kind, target.name);
            let reason = if to < from {
                "KEDAScaleTargetDeactivationFailed"
            } else {
                "KEDAScaleTargetActivationFailed"
            };
            let event = ScalingEvent { reason, message, warning: true };
            around.listener.event(&about, &event);
            return None;
        }
        if let Some(event) = &activation.event {
            around.listener.event(&about, event);
        }
        let text =
            told.unwrap_or_else(|| format!("Scaled {} {} from {from} to {to}", target.kind, target.name));
        Some(Scaling { time_ms: now_ms, autoscaler: self.hpa.name.clone(), target, from, to, text })
    }

    fn scaled_object(&self) -> ObjectRef {
        let name = self.seen().view.scaled_object.as_ref().map(|object| object.name.clone());
        ObjectRef {
            kind: "ScaledObject".to_owned(),
            namespace: self.hpa.namespace.clone(),
            name: name.unwrap_or_else(|| self.hpa.name.clone()),
        }
    }

    fn note(&self, activation: Activation) {
        if let Some(object) = &mut self.seen().view.scaled_object {
            if !activation.conditions.is_empty() {
                object.conditions = activation.conditions;
            }
            object.failures = activation.failures;
        }
    }
}
