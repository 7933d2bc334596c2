//! One phase: virtual time from the warm-up to the end.
//!
//! Input: what is simulated, the load, and how the moments of syncing and measuring lie to the load's beginning, which is time 0.
//! Output: a [`Trace`]. All decisions are [`HpaController::sync`]'s.
//!
//! Time goes from one moment to the next at which anything happens (a sync, a measurement, a pod's change, a turn of the load), and at
//! least every second, as rates may rise and random parts change.

use crate::capacity::Capacity;
use crate::fleet::Fleet;
use crate::load::LoadReader;
use crate::need::{Need, Needs};
use crate::observe::{Observer, Signals};
use crate::random::Random;
use crate::subject::Subject;
use crate::trace::{Bucket, Figures, Moment, Trace};
use crate::work::Work;
use crate::{Load, ServiceModel, SimulationRequest};
use std::collections::VecDeque;

use tidewatch_autoscale::{ConditionKind, ControllerOptions, HpaController};

/// So long is run before the load at least.
const LEAST_WARMUP_SECONDS: f64 = 600.0;
/// Rates may change so often.
const STEP_MS: i64 = 1000;

/// What is the same in all phases.
pub(crate) struct Plan<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) service: &'a ServiceModel,
    pub(crate) load: &'a Load,
    pub(crate) needs: &'a Needs,
    pub(crate) capacity: Capacity,
    pub(crate) options: ControllerOptions,
    pub(crate) initial_replicas: u32,
    pub(crate) warmup_ms: i64,
    /// How long before the load its first rate holds.
    pub(crate) first_rate_ms: i64,
    pub(crate) duration_ms: i64,
    pub(crate) timeline_ms: i64,
    pub(crate) resolution_ms: i64,
    pub(crate) lag_ms: i64,
    pub(crate) external_ms: i64,
    pub(crate) rate_window_ms: i64,
    pub(crate) seed: u64,
}

/// How the moments of a phase lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    /// From a sync to the load's beginning.
    pub(crate) load_ms: i64,
    /// From a sync to a scrape.
    pub(crate) scrape_ms: i64,
}

impl<'a> Plan<'a> {
    /// Runs a phase.
    pub(crate) fn run(&self, phase: Phase) -> Trace {
        Engine::new(self, phase).run()
    }

    /// Milliseconds of the request's fields.
    pub(crate) fn of(
        request: &SimulationRequest,
        subject: &'a Subject,
        (service, load): (&'a ServiceModel, &'a Load),
        needs: &'a Needs,
        capacity: Capacity,
    ) -> Self {
        let milliseconds = |seconds: f64| (seconds * 1000.0).round() as i64;
        let controller = &request.controller;
        let sync_ms = milliseconds(controller.sync_period_seconds);
        let duration = request.duration_seconds.unwrap_or_else(|| load.seconds());
        let timeline =
            request.timeline_seconds.unwrap_or_else(|| (duration / 2000.0 / 15.0).ceil().max(1.0) * 15.0);
        let first_rate = request.warmup_seconds.unwrap_or(LEAST_WARMUP_SECONDS);
        let whole_syncs = milliseconds(first_rate.max(LEAST_WARMUP_SECONDS)).div_euclid(sync_ms) + 1;
        Self {
            subject,
            service,
            load,
            needs,
            capacity,
            options: ControllerOptions {
                sync_period_ms: sync_ms,
                tolerance: controller.tolerance,
                cpu_initialization_period_ms: milliseconds(controller.cpu_initialization_period_seconds),
                initial_readiness_delay_ms: milliseconds(controller.initial_readiness_delay_seconds),
                downscale_stabilization_ms: milliseconds(controller.downscale_stabilization_seconds),
                configurable_tolerance: controller.configurable_tolerance,
                ..ControllerOptions::default()
            },
            initial_replicas: request
                .initial_replicas
                .unwrap_or_else(|| needs.at(load.reader().rate(0.0)).low),
            warmup_ms: whole_syncs * sync_ms,
            first_rate_ms: milliseconds(first_rate),
            duration_ms: milliseconds(duration),
            timeline_ms: milliseconds(timeline),
            resolution_ms: milliseconds(request.metrics.resolution_seconds),
            lag_ms: milliseconds(request.metrics.lag_seconds),
            external_ms: milliseconds(request.metrics.external_interval_seconds),
            rate_window_ms: milliseconds(request.metrics.rate_window_seconds),
            seed: request.seed,
        }
    }
}

/// The state of a phase.
struct Engine<'a> {
    plan: &'a Plan<'a>,
    controller: HpaController,
    observer: Observer,
    fleet: Fleet,
    work: Work,
    load: LoadReader<'a>,
    turns: VecDeque<i64>,
    now: i64,
    next_sync: i64,
    next_scrape: i64,
    next_external: i64,
    next_point: i64,
    replicas: u32,
    signals: Signals,
    /// Requests that came until a moment, for rates over a window.
    arrivals: VecDeque<(i64, f64)>,
    arrived: f64,
    in_flight: f64,
    /// Per second, in the last step.
    served_rate: f64,
    /// Events.
    uncommitted: f64,
    need: (f64, Need),
    noise: (i64, f64),
    random: Random,
    trace: Trace,
    bucket: Bucket,
    figures: Figures,
}

impl<'a> Engine<'a> {
    fn new(plan: &'a Plan<'a>, phase: Phase) -> Self {
        let start = -phase.load_ms - plan.warmup_ms;
        let unknown = plan.lag_ms.div_euclid(plan.resolution_ms) + 1;
        let measured = (phase.scrape_ms - plan.lag_ms).rem_euclid(plan.resolution_ms);
        let external = phase.scrape_ms.rem_euclid(plan.external_ms.max(1));
        let fleet = Fleet::new(
            &plan.subject.hpa.target_name,
            plan.service,
            unknown as usize,
            Random::stream(plan.seed, 1),
        );
        let turns = plan.load.turns().into_iter().map(|turn| (turn * 1000.0).round() as i64);
        Self {
            plan,
            controller: HpaController::new(plan.subject.hpa.clone(), plan.options),
            observer: Observer::new(plan.subject, plan.service, plan.lag_ms, plan.resolution_ms),
            fleet: fleet.with_old_pods(plan.initial_replicas, start),
            work: Work::new(plan.service),
            load: plan.load.reader(),
            turns: [-plan.first_rate_ms, 0].into_iter().chain(turns).filter(|turn| *turn > start).collect(),
            now: start,
            next_sync: start,
            next_scrape: start + measured,
            next_external: if plan.external_ms == 0 { i64::MAX } else { start + external },
            next_point: plan.timeline_ms,
            replicas: plan.initial_replicas,
            signals: Signals::default(),
            arrivals: VecDeque::new(),
            arrived: 0.0,
            in_flight: 0.0,
            served_rate: 0.0,
            uncommitted: 0.0,
            need: (f64::NAN, Need::default()),
            noise: (i64::MIN, 1.0),
            random: Random::stream(plan.seed, 2),
            trace: Trace::default(),
            bucket: Bucket::default(),
            figures: Figures::of(plan),
        }
    }

    fn run(mut self) -> Trace {
        while self.now < self.plan.duration_ms {
            self.happen();
            let next = self.next_moment();
            self.advance(next);
        }
        self.trace.finish();
        self.trace
    }

    /// Everything that is due now.
    fn happen(&mut self) {
        let now = self.now;
        self.fleet.bury(now);
        if now >= self.next_scrape {
            let each = self.in_flight / self.fleet.serving(now).max(1) as f64;
            self.fleet.measure(now, each * self.plan.service.memory_bytes_per_request);
            self.next_scrape += self.plan.resolution_ms;
        }
        if now >= self.next_external {
            self.measure_signals();
            self.next_external += self.plan.external_ms;
        }
        if now >= self.next_sync {
            if self.plan.external_ms == 0 {
                self.measure_signals();
            }
            self.sync();
            self.next_sync += self.plan.options.sync_period_ms;
        }
    }

    fn measure_signals(&mut self) {
        let window = self.now - self.plan.rate_window_ms;
        self.arrivals.push_back((self.now, self.arrived));
        while self.arrivals.len() > 2 && self.arrivals[1].0 <= window {
            self.arrivals.pop_front();
        }
        let (from, before) = self.arrivals[0];
        let seconds = (self.now - from) as f64 / 1000.0;
        self.signals = Signals {
            lag: self.lag(),
            rate: if seconds > 0.0 { (self.arrived - before) / seconds } else { self.signals.rate },
            in_flight: self.in_flight,
        };
    }

    fn sync(&mut self) {
        let observed = self.observer.look(&self.fleet, self.replicas, self.signals, self.now);
        let before = self.replicas;
        let decision = self.controller.sync(self.now, observed, &mut |_| Ok(()));
        if decision.scaled {
            self.replicas = decision.desired_replicas.unsigned_abs();
            self.fleet.scale(self.replicas, self.now);
        }
        if self.now < 0 {
            return;
        }
        self.trace.syncs += 1;
        if decision.scaled {
            self.trace.scaled(self.now, before, self.replicas, decision.sentence());
        }
        let active = decision.condition(ConditionKind::ScalingActive);
        if let Some(condition) = active.filter(|condition| !condition.status) {
            self.trace.syncs_without_metrics += 1;
            self.trace.problem = Some(condition.message.to_string());
        }
    }

    fn next_moment(&mut self) -> i64 {
        while self.turns.front().is_some_and(|turn| *turn <= self.now) {
            self.turns.pop_front();
        }
        let grid = (self.now.div_euclid(STEP_MS) + 1) * STEP_MS;
        let queue = if let Work::Queue(queue) = &self.work { queue.resumes(self.now) } else { None };
        let moments = [
            self.next_sync,
            self.next_scrape,
            self.next_external,
            self.next_point,
            self.plan.duration_ms,
            grid,
        ];
        let others = [queue, self.fleet.next_change(self.now), self.turns.front().copied()];
        moments.into_iter().chain(others.into_iter().flatten()).fold(i64::MAX, i64::min)
    }

    /// Lets the time until `next` pass, in which nothing changes.
    fn advance(&mut self, next: i64) {
        let (now, milliseconds) = (self.now, next - self.now);
        let middle = f64::midpoint(now as f64, next as f64) / 1000.0;
        let planned = if next <= -self.plan.first_rate_ms { 0.0 } else { self.load.rate(middle.max(0.0)) };
        let rate = if now >= 0 { planned * self.noise(now) } else { planned };
        let done = self.work.advance(
            &mut self.fleet,
            self.plan.service,
            &self.plan.capacity,
            (now, milliseconds),
            rate,
        );
        self.arrived += done.arrived;
        self.served_rate = done.served * 1000.0 / milliseconds as f64;
        self.commit(milliseconds);
        self.in_flight = self.work.waiting() + self.in_service();
        self.now = next;
        if now < 0 {
            return;
        }
        if self.need.0.to_bits() != planned.to_bits() {
            self.need = (planned, self.plan.needs.at(planned));
        }
        let moment = Moment {
            from_ms: now,
            milliseconds,
            done,
            need: self.need.1,
            replicas: self.replicas,
            ready: self.fleet.serving(now) as u32,
            pods: self.fleet.pods.len() as u32,
            waiting: self.work.waiting(),
            at_max: i64::from(self.replicas) >= i64::from(self.plan.subject.hpa.max_replicas),
        };
        self.trace.add(&mut self.bucket, &moment);
        if next >= self.next_point || next >= self.plan.duration_ms {
            let each =
                self.in_flight / f64::from(moment.ready.max(1)) * self.plan.service.memory_bytes_per_request;
            let memory = self
                .fleet
                .pods
                .iter()
                .find(|pod| pod.serves(now))
                .map_or(0.0, |pod| self.fleet.memory(pod, now, each));
            self.trace.end_point(&mut self.bucket, &moment, &self.figures, memory);
            self.next_point += self.plan.timeline_ms;
        }
    }

    /// Events without a committed offset.
    fn lag(&self) -> f64 {
        if self.plan.service.queue.is_some() { self.work.waiting() + self.uncommitted } else { 0.0 }
    }

    /// What was done and is not committed yet: half of what is done between two commits, in the middle.
    fn commit(&mut self, milliseconds: i64) {
        let Some(queue) = &self.plan.service.queue else { return };
        let kept_seconds = queue.commit_seconds / 2.0;
        let left =
            if kept_seconds > 0.0 { (-(milliseconds as f64) / 1000.0 / kept_seconds).exp() } else { 0.0 };
        self.uncommitted = self.uncommitted * left + self.served_rate * kept_seconds * (1.0 - left);
    }

    /// Requests that are worked on (Little's law).
    fn in_service(&self) -> f64 {
        let service = self.plan.service;
        self.served_rate * (service.cpu_seconds_per_request + service.wait_seconds_per_request)
    }

    /// The random factor of this second.
    fn noise(&mut self, now: i64) -> f64 {
        let second = now.div_euclid(STEP_MS);
        if self.plan.load.noise > 0.0 && self.noise.0 != second {
            self.noise = (second, (1.0 + self.plan.load.noise * self.random.normal()).max(0.0));
        }
        self.noise.1
    }
}

impl Figures {
    fn of(plan: &Plan<'_>) -> Self {
        let (service, subject) = (plan.service, plan.subject);
        let more = subject.sidecars();
        let in_turn = service.cpu_seconds_per_request + service.wait_seconds_per_request;
        let partitions =
            service.queue.as_ref().map_or(f64::INFINITY, |queue| f64::from(queue.partitions) / in_turn);
        Self {
            capacity: plan.capacity,
            most_served: partitions,
            cpu_per_request: service.cpu_seconds_per_request + more * service.sidecar_cpu_seconds_per_request,
            idle_cpu: service.idle_cpu_cores + more * service.sidecar_idle_cpu_cores,
            cpu_request: subject.request("cpu"),
            timeout_seconds: service.timeout_seconds,
        }
    }
}
