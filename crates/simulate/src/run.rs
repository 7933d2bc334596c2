//! A request → its report.
//!
//! Input: a [`SimulationRequest`]. Output: a [`SimulationReport`]. A function of its input: the same request gives the same report.

use crate::capacity::Capacity;
use crate::changes::{changes, flaps};
use crate::effort;
use crate::engine::{Phase, Plan};
use crate::error::within;
use crate::judge::{Finished, phase_times, spread, verdict};
use crate::need::Needs;
use crate::subject::{Subject, manifests_of};
use crate::trace::Trace;
use crate::{
    Load, PhaseTimes, Segment, ServiceModel, SimulatedAutoscaler, SimulationError, SimulationReport,
    SimulationRequest, Verdict,
};
use tidewatch_autoscale::Hpa;
use tidewatch_manifest::Manifests;

/// Longest simulated time: 31 days.
pub(crate) const MOST_SECONDS: f64 = 31.0 * 86_400.0;
const MOST_PHASES: u32 = 1000;
/// Metrics of an autoscaler at most.
const MOST_METRICS: usize = 32;
/// Points of a timeline at most.
const MOST_POINTS: f64 = 20_000.0;
/// Steps at which the scrapes of the phases lie: by this share of a resolution further, which spreads any number of them evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Simulates.
///
/// # Errors
/// When the manifests cannot be read, a field has a value that cannot be simulated, or the request asks for too much.
pub fn run(request: &SimulationRequest) -> Result<SimulationReport, SimulationError> {
    run_manifests(&manifests_of(&request.hpa)?, request)
}

/// Simulates an autoscaler of manifests that are read already; the request's `hpa` is not looked at.
///
/// # Errors
/// As [`run`].
pub fn run_manifests(
    manifests: &Manifests,
    request: &SimulationRequest,
) -> Result<SimulationReport, SimulationError> {
    let prepared = Prepared::of(manifests, request)?;
    effort::check(prepared.work(), effort::MOST_OF_A_RUN)?;
    let plan = prepared.plan();
    Ok(report(request, &plan, phases(request, &plan)))
}

/// A request that has been checked and filled in.
pub(crate) struct Prepared<'a> {
    request: &'a SimulationRequest,
    pub(crate) subject: Subject,
    service: ServiceModel,
    load: Load,
    capacity: Capacity,
    needs: Needs,
}

/// What a search looks at.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) times: PhaseTimes,
    /// Pods times minutes; the middle of the phases.
    pub(crate) under_provisioned: f64,
}

impl<'a> Prepared<'a> {
    pub(crate) fn of(manifests: &Manifests, request: &'a SimulationRequest) -> Result<Self, SimulationError> {
        check(request)?;
        let subject = Subject::of(manifests, request)?;
        check_metrics(&subject)?;
        let mut service = request.service.clone();
        service.queue = service.queue.or_else(|| subject.queue.clone());
        let capacity = Capacity::of(&service, subject.cpu_limit);
        let needs = Needs::of(&subject, &service, &capacity, &request.controller);
        let load = filled_in(&request.load, &needs, &subject);
        let prepared = Self { request, subject, service, load, capacity, needs };
        check_times(&prepared.plan())?;
        Ok(prepared)
    }

    /// The same load, model and need with another autoscaler: what is judged by does not move with what is tried.
    pub(crate) fn with_hpa(&self, hpa: Hpa) -> Self {
        let subject = Subject { hpa, ..self.subject.clone() };
        let needs = self.needs.clone().with_min(subject.hpa.min_replicas.unsigned_abs());
        Self {
            request: self.request,
            subject,
            service: self.service.clone(),
            load: self.load.clone(),
            capacity: self.capacity,
            needs,
        }
    }

    fn plan(&self) -> Plan<'_> {
        let (service, load) = (&self.service, &self.load);
        Plan::of(self.request, &self.subject, (service, load), &self.needs, self.capacity)
    }

    /// Operations of all phases at most.
    pub(crate) fn work(&self) -> f64 {
        effort::of_phase(&self.plan()) * f64::from(self.request.phases.max(1))
    }

    /// Runs all phases.
    pub(crate) fn outcome(&self) -> Outcome {
        let phases = phases(self.request, &self.plan());
        let missing = phases.iter().map(|phase| phase.trace.summary.under_provisioned_pod_minutes).collect();
        Outcome {
            verdict: verdict(&self.request.targets, &phases),
            times: phase_times(&phases),
            under_provisioned: spread(missing).map_or(0.0, |missing| missing.median),
        }
    }
}

fn phases(request: &SimulationRequest, plan: &Plan<'_>) -> Vec<Finished> {
    moments(request).into_iter().map(|phase| finish(plan.run(phase), plan)).collect()
}

fn finish(mut trace: Trace, plan: &Plan<'_>) -> Finished {
    trace.summary.flaps = flaps(&trace);
    let changes = changes(&trace, plan.duration_ms);
    Finished { trace, changes }
}

/// How the moments of each phase lie to each other.
fn moments(request: &SimulationRequest) -> Vec<Phase> {
    let (sync, resolution) = (request.controller.sync_period_seconds, request.metrics.resolution_seconds);
    let count = request.phases.max(1);
    let milliseconds = |seconds: f64| (seconds * 1000.0).round() as i64;
    let phase = |at: u32| Phase {
        load_ms: milliseconds((request.phase_seconds + sync * f64::from(at) / f64::from(count)) % sync),
        scrape_ms: milliseconds(
            (request.metrics.scrape_offset_seconds + resolution * (f64::from(at) * GOLDEN).fract())
                % resolution,
        ),
    };
    (0..count).map(phase).collect()
}

fn report(request: &SimulationRequest, plan: &Plan<'_>, mut phases: Vec<Finished>) -> SimulationReport {
    let subject = plan.subject;
    let verdict = verdict(&request.targets, &phases);
    let times = phase_times(&phases);
    let warnings = warnings(plan, &phases);
    let first = phases.swap_remove(0);
    SimulationReport {
        autoscaler: SimulatedAutoscaler {
            namespace: subject.hpa.namespace.clone(),
            name: subject.name.clone(),
            origin: subject.origin.to_owned(),
            target: format!("{}/{}", subject.hpa.target_kind, subject.hpa.target_name),
            min_replicas: subject.hpa.min_replicas.unsigned_abs(),
            max_replicas: subject.hpa.max_replicas.unsigned_abs(),
        },
        load: plan.load.clone(),
        duration_seconds: plan.duration_ms as f64 / 1000.0,
        timeline_seconds: plan.timeline_ms as f64 / 1000.0,
        timeline: first.trace.timeline,
        scalings: first.trace.scalings,
        changes: first.changes,
        summary: first.trace.summary,
        phases: times,
        verdict,
        models: models(plan),
        warnings,
    }
}

fn models(plan: &Plan<'_>) -> Vec<String> {
    let mut models = vec![
        "decisions: the controller of tidewatch-autoscale, as kube-controller-manager 1.34 takes them".to_owned(),
        "resource metrics: metrics-server's windows between two scrapes; a young pod has none until its second scrape, or its first \
         after 10 s"
            .to_owned(),
        format!("a pod can do {:.1} per second ({:.2} cores)", plan.capacity.per_pod, plan.subject.cpu_limit),
    ];
    models.push(if plan.service.queue.is_some() {
        "queue: each partition is read by one pod, one event after the other; a pod shares its CPU among its partitions; latency is \
         the time that the waiting events take to be done, plus the time of one"
            .to_owned()
    } else {
        "latency: each pod an M/M/c queue (Erlang C), waits corrected for other variability by Allen and Cunneen; what comes above the \
         capacity waits as a fluid and fails at the timeout"
            .to_owned()
    });
    models
}

fn warnings(plan: &Plan<'_>, phases: &[Finished]) -> Vec<String> {
    let mut warnings = plan.subject.warnings.clone();
    let max = plan.subject.hpa.max_replicas.unsigned_abs();
    let needed = phases.iter().map(|phase| phase.trace.most_needed).max().unwrap_or(0);
    if needed > max {
        let needed =
            if needed == u32::MAX { "more than any number of".to_owned() } else { needed.to_string() };
        warnings.push(format!("the load needs {needed} replicas at its targets and maxReplicas is {max}; needs are judged up to maxReplicas"));
    }
    let trace = &phases[0].trace;
    if let (Some(problem), true) = (&trace.problem, trace.syncs_without_metrics > 0) {
        let (failed, all) = (trace.syncs_without_metrics, trace.syncs);
        warnings.push(format!("in {failed} of {all} syncs no decision was possible: {problem}"));
    }
    warnings
}

/// The load, or the default one.
fn filled_in(load: &Load, needs: &Needs, subject: &Subject) -> Load {
    if !load.segments.is_empty() {
        return load.clone();
    }
    let rate = needs.rate_at_target(subject.hpa.min_replicas.unsigned_abs().max(1)) / 2.0;
    let constant = |rate: f64, seconds: f64| Segment::Constant { rate, seconds };
    let segments = vec![constant(rate, 120.0), constant(rate * 8.0, 600.0), constant(rate, 900.0)];
    Load { segments, ..load.clone() }
}

/// Whether the times that follow from others can be simulated.
fn check_times(plan: &Plan<'_>) -> Result<(), SimulationError> {
    if plan.duration_ms <= 0 || plan.duration_ms > (MOST_SECONDS * 1000.0) as i64 {
        return Err(SimulationError::field(
            "durationSeconds",
            format!("{} s cannot be simulated", plan.duration_ms as f64 / 1000.0),
            "give above 0 and at most 31 days, or a load with a length",
        ));
    }
    if plan.duration_ms as f64 / plan.timeline_ms as f64 > MOST_POINTS {
        return Err(SimulationError::field(
            "timelineSeconds",
            format!("gives more than {MOST_POINTS} points"),
            "give a longer time between points",
        ));
    }
    Ok(())
}

/// Whether the autoscaler has as many metrics as can be simulated.
fn check_metrics(subject: &Subject) -> Result<(), SimulationError> {
    let count = subject.hpa.metrics.len();
    if count <= MOST_METRICS {
        return Ok(());
    }
    Err(SimulationError::field(
        "hpa",
        format!("{}: {count} metrics are more than {MOST_METRICS}", subject.name),
        "leave out those that never decide",
    ))
}

/// Whether all numbers can be simulated.
fn check(request: &SimulationRequest) -> Result<(), SimulationError> {
    request.load.check()?;
    request.service.check()?;
    let (controller, metrics) = (&request.controller, &request.metrics);
    let day = 86_400.0;
    let limits = [
        ("controller.syncPeriodSeconds", controller.sync_period_seconds, 1.0, 3600.0),
        ("controller.tolerance", controller.tolerance, 0.0, 10.0),
        ("controller.cpuInitializationPeriodSeconds", controller.cpu_initialization_period_seconds, 0.0, day),
        ("controller.initialReadinessDelaySeconds", controller.initial_readiness_delay_seconds, 0.0, day),
        ("controller.downscaleStabilizationSeconds", controller.downscale_stabilization_seconds, 0.0, day),
        ("metrics.resolutionSeconds", metrics.resolution_seconds, 1.0, 3600.0),
        ("metrics.lagSeconds", metrics.lag_seconds, 0.0, 3600.0),
        ("metrics.scrapeOffsetSeconds", metrics.scrape_offset_seconds, 0.0, 3600.0),
        ("metrics.externalIntervalSeconds", metrics.external_interval_seconds, 0.0, 3600.0),
        ("metrics.rateWindowSeconds", metrics.rate_window_seconds, 1.0, day),
        ("phaseSeconds", request.phase_seconds, 0.0, 3600.0),
        ("phases", f64::from(request.phases), 0.0, f64::from(MOST_PHASES)),
        ("durationSeconds", request.duration_seconds.unwrap_or(1.0), 0.001, MOST_SECONDS),
        ("warmupSeconds", request.warmup_seconds.unwrap_or(0.0), 0.0, day),
        ("initialReplicas", f64::from(request.initial_replicas.unwrap_or(1)), 1.0, 5000.0),
        ("timelineSeconds", request.timeline_seconds.unwrap_or(15.0), 0.1, day),
    ];
    limits.iter().try_for_each(|(field, value, least, most)| within(field, *value, *least, *most))?;
    if metrics.external_interval_seconds > 0.0 && metrics.external_interval_seconds < 1.0 {
        return Err(SimulationError::field(
            "metrics.externalIntervalSeconds",
            format!("{} is out of range", metrics.external_interval_seconds),
            "give 0 (measured by each sync) or 1 to 3600",
        ));
    }
    Ok(())
}
