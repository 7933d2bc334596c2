//! What causes each alert that is shipped: one entry an alert, or one for each of its instances that is drilled.
//!
//! Input: none. Output: a table. A test fails when an alert of `kubernetes/monitoring` has no entry here. Entries of one cause are drilled
//! together; causes that touch the same thing come one after the other.

use crate::fault::FaultKind;
use std::time::Duration;

/// An alert, and what causes it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) alert: &'static str,
    /// Labels of the instance that the cause leads to.
    pub(crate) labels: &'static [(&'static str, &'static str)],
    pub(crate) cause: &'static Cause,
}

/// A cause, to be begun and undone.
#[derive(Debug)]
pub(crate) struct Cause {
    /// What is done, for people.
    pub(crate) sentence: &'static str,
    pub(crate) steps: &'static [Step],
    /// What it disturbs: no other cause that touches the same runs at the same time.
    pub(crate) touches: &'static [&'static str],
    /// Real time that its alerts may take beyond what their windows explain: thresholds that are durations, back-off, scaling.
    pub(crate) patience: Duration,
    /// How many times shorter its windows are than those of other causes: where they are hours or days.
    pub(crate) haste: u32,
    pub(crate) course: Course,
}

/// How a cause's alerts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// They fire after the cause begins and are resolved after it ends.
    Resolves,
    /// They fire from the start and never end.
    AlwaysFires,
}

/// A part of a cause.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A fault in all pods of a Deployment, also in those that come later.
    Fault(FaultKind, &'static str, &'static [(&'static str, f64)]),
    /// A fault in one pod of a Deployment.
    FaultInOnePod(FaultKind, &'static str, &'static [(&'static str, f64)]),
    /// Memory of one pod of a Deployment is brought to this share of its container's limit.
    FillMemory { deployment: &'static str, container: &'static str, share: f64 },
    /// Requests a second to an exposed Service, of the kinds that the weights say.
    Traffic { service: &'static str, rate: f64, weights: &'static str },
    /// The drill's usual traffic pauses.
    NoTraffic,
    /// Processes of pods whose names begin so, with this word in their command, stand still.
    StopProcesses { pods: &'static str, word: &'static str },
    /// So many messages a second that nobody understands are published to the topic of events.
    PublishRubbish { per_second: f64 },
    /// The machine's memory is taken.
    TakeMemory,
    /// The volume of the samples is filled.
    FillVolume,
    /// The drill's own TLS server presents a certificate that ends so soon.
    ShortCertificate { days: u32 },
}

const SECOND: Duration = Duration::from_secs(1);
const READS: &str = "list=60,get=40";
const WRITES: &str = "create=60,update=40";

const BACKEND: &str = "todo-backend";
const FRONTEND: &str = "todo-frontend";
const EVENTS: &str = "event-service";
/// What events go through: broker, sidecars, lag.
const EVENT_FLOW: &str = "event flow";

const fn cause(sentence: &'static str, steps: &'static [Step], touches: &'static [&'static str]) -> Cause {
    Cause {
        sentence,
        steps,
        touches,
        patience: SECOND.saturating_mul(60),
        haste: 1,
        course: Course::Resolves,
    }
}

const fn patient(mut cause: Cause, seconds: u32) -> Cause {
    cause.patience = SECOND.saturating_mul(seconds);
    cause
}

/// For burn rates, whose windows are up to 3 days.
const fn hasty(mut cause: Cause) -> Cause {
    cause.haste = 6;
    patient(cause, 180)
}

static BACKEND_ERRORS: Cause = cause(
    "3 of 10 requests to todo-backend fail",
    &[
        Step::Fault(FaultKind::ErrorRatio, BACKEND, &[("ratio", 0.3)]),
        Step::Traffic { service: BACKEND, rate: 10.0, weights: READS },
    ],
    &[BACKEND],
);
static FRONTEND_LATENCY: Cause = cause(
    "each request to todo-frontend waits 2 s",
    &[
        Step::Fault(FaultKind::Latency, FRONTEND, &[("latency_seconds", 2.0)]),
        Step::Traffic { service: FRONTEND, rate: 5.0, weights: READS },
    ],
    &[FRONTEND],
);
static CONSUMER_CRASH: Cause = patient(
    cause(
        "event-service crashes again and again",
        &[Step::Fault(FaultKind::Crash, EVENTS, &[])],
        &[EVENTS, EVENT_FLOW],
    ),
    420,
);
static FRONTEND_CRASH: Cause = patient(
    cause(
        "every todo-frontend crashes again and again",
        &[Step::Fault(FaultKind::Crash, FRONTEND, &[])],
        &[FRONTEND],
    ),
    420,
);
static CONSUMER_STOPPED: Cause = patient(
    cause(
        "event-service takes no events while 60 changes a second are made",
        &[
            Step::Fault(FaultKind::StoppedConsumer, EVENTS, &[]),
            Step::Traffic { service: BACKEND, rate: 60.0, weights: WRITES },
        ],
        &[EVENTS, EVENT_FLOW],
    ),
    180,
);
static MEMORY_TAKEN: Cause =
    patient(cause("another program takes the machine's memory", &[Step::TakeMemory], &["memory"]), 90);
static FRONTEND_LEAK: Cause = cause(
    "a todo-frontend leaks memory up to 95 % of its limit",
    &[Step::FillMemory { deployment: FRONTEND, container: "frontend", share: 0.95 }],
    &[FRONTEND],
);
static FRONTEND_BURN: Cause = patient(
    cause(
        "a todo-frontend keeps a core busy, and its autoscaler adds replicas up to the maximum",
        &[Step::FaultInOnePod(FaultKind::CpuBurn, FRONTEND, &[("cores", 1.0)])],
        &[FRONTEND],
    ),
    300,
);
static BROKER_STOPPED: Cause = patient(
    cause(
        "the Kafka broker stands still while changes are made",
        &[Step::StopProcesses { pods: "todo-kafka", word: "broker" }],
        &[BACKEND, EVENTS, EVENT_FLOW],
    ),
    300,
);
static EVENTS_MALFORMED: Cause = cause(
    "todo-backend publishes events that its sidecar refuses",
    &[
        Step::Fault(FaultKind::MalformedEvents, BACKEND, &[]),
        Step::Traffic { service: BACKEND, rate: 3.0, weights: WRITES },
    ],
    &[BACKEND, EVENT_FLOW],
);
static RUBBISH: Cause = cause(
    "somebody publishes to task-events what event-service cannot understand",
    &[Step::PublishRubbish { per_second: 1.0 }],
    &[EVENT_FLOW],
);
static METRICS_BROKEN: Cause = cause(
    "the metrics page of event-service cannot be understood",
    &[Step::Fault(FaultKind::BrokenMetrics, EVENTS, &[])],
    &[EVENTS],
);
static METRICS_EMPTY: Cause = cause(
    "the metrics page of event-service is empty",
    &[Step::Fault(FaultKind::EmptyMetrics, EVENTS, &[])],
    &[EVENTS],
);
static SCALED_TO_NONE: Cause = patient(
    cause(
        "no events come, and event-service is scaled to no replicas",
        &[Step::NoTraffic],
        &[BACKEND, FRONTEND, EVENTS, EVENT_FLOW],
    ),
    240,
);
static VOLUME_FILLED: Cause =
    cause("another file fills the volume of the samples", &[Step::FillVolume], &["volume"]);
static ALWAYS: Cause = Cause { course: Course::AlwaysFires, ..cause("none is needed", &[], &[]) };
static CERTIFICATES: Cause = cause(
    "a server gets a certificate that is valid for 7 days",
    &[Step::ShortCertificate { days: 7 }],
    &["certificate"],
);

static FRONTEND_BURNS_BUDGET: Cause = hasty(cause(
    "half of the requests to todo-frontend fail",
    &[
        Step::Fault(FaultKind::ErrorRatio, FRONTEND, &[("ratio", 0.5)]),
        Step::Traffic { service: FRONTEND, rate: 10.0, weights: READS },
    ],
    &[FRONTEND],
));
static BACKEND_BURNS_BUDGET: Cause = hasty(cause(
    "half of the requests to todo-backend fail",
    &[
        Step::Fault(FaultKind::ErrorRatio, BACKEND, &[("ratio", 0.5)]),
        Step::Traffic { service: BACKEND, rate: 10.0, weights: READS },
    ],
    &[BACKEND],
));
static BACKEND_LATENCY_BURNS_BUDGET: Cause = hasty(cause(
    "each request to todo-backend waits 1 s",
    &[
        Step::Fault(FaultKind::Latency, BACKEND, &[("latency_seconds", 1.0)]),
        Step::Traffic { service: BACKEND, rate: 10.0, weights: READS },
    ],
    &[BACKEND],
));
static RUBBISH_BURNS_BUDGET: Cause = hasty(cause(
    "somebody publishes to task-events, five times a second, what event-service cannot understand",
    &[Step::PublishRubbish { per_second: 5.0 }],
    &[EVENTS, EVENT_FLOW],
));

/// Every alert that is drilled.
pub(crate) static ENTRIES: &[Entry] = &[
    Entry { alert: "Watchdog", labels: &[], cause: &ALWAYS },
    Entry { alert: "HighErrorRate", labels: &[("job", BACKEND)], cause: &BACKEND_ERRORS },
    Entry { alert: "HighAPILatency", labels: &[("job", FRONTEND)], cause: &FRONTEND_LATENCY },
    Entry { alert: "PodCrashLooping", labels: &[("container", EVENTS)], cause: &CONSUMER_CRASH },
    Entry { alert: "NodeMemoryPressure", labels: &[], cause: &MEMORY_TAKEN },
    Entry { alert: "PrometheusStorageFilling", labels: &[], cause: &VOLUME_FILLED },
    Entry { alert: "PodMemoryUsageHigh", labels: &[("container", "frontend")], cause: &FRONTEND_LEAK },
    Entry { alert: "EventsRefused", labels: &[], cause: &EVENTS_MALFORMED },
    Entry { alert: "HighKafkaConsumerLag", labels: &[("consumergroup", EVENTS)], cause: &CONSUMER_STOPPED },
    Entry {
        alert: "HPAAtMaximum",
        labels: &[("horizontalpodautoscaler", "todo-frontend-hpa")],
        cause: &FRONTEND_BURN,
    },
    Entry { alert: "TargetDown", labels: &[("job", EVENTS)], cause: &METRICS_BROKEN },
    Entry { alert: "ScrapeErrors", labels: &[("job", EVENTS)], cause: &METRICS_EMPTY },
    Entry { alert: "EventsDeadLettered", labels: &[], cause: &RUBBISH },
    Entry { alert: "ReplicasUnavailable", labels: &[("deployment", FRONTEND)], cause: &FRONTEND_CRASH },
    Entry {
        alert: "HPAUnableToScale",
        labels: &[("horizontalpodautoscaler", "todo-frontend-hpa")],
        cause: &FRONTEND_CRASH,
    },
    Entry { alert: "OutboxGrowing", labels: &[], cause: &BROKER_STOPPED },
    Entry { alert: "TargetMissing", labels: &[("job", EVENTS)], cause: &SCALED_TO_NONE },
    Entry { alert: "CertificateExpiring", labels: &[], cause: &CERTIFICATES },
    Entry {
        alert: "ErrorBudgetBurnFast",
        labels: &[("slo", "frontend-availability")],
        cause: &FRONTEND_BURNS_BUDGET,
    },
    Entry {
        alert: "ErrorBudgetBurnSlow",
        labels: &[("slo", "frontend-availability")],
        cause: &FRONTEND_BURNS_BUDGET,
    },
    Entry {
        alert: "ErrorBudgetBurnFast",
        labels: &[("slo", "event-handling")],
        cause: &RUBBISH_BURNS_BUDGET,
    },
    Entry {
        alert: "ErrorBudgetBurnSlow",
        labels: &[("slo", "event-handling")],
        cause: &RUBBISH_BURNS_BUDGET,
    },
    Entry {
        alert: "ErrorBudgetBurnFast",
        labels: &[("slo", "backend-availability")],
        cause: &BACKEND_BURNS_BUDGET,
    },
    Entry {
        alert: "ErrorBudgetBurnSlow",
        labels: &[("slo", "backend-availability")],
        cause: &BACKEND_BURNS_BUDGET,
    },
    Entry {
        alert: "ErrorBudgetBurnFast",
        labels: &[("slo", "backend-latency")],
        cause: &BACKEND_LATENCY_BURNS_BUDGET,
    },
    Entry {
        alert: "ErrorBudgetBurnSlow",
        labels: &[("slo", "backend-latency")],
        cause: &BACKEND_LATENCY_BURNS_BUDGET,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::shipped::Shipped;
    use std::path::Path;

    #[test]
    fn every_shipped_alert_has_a_cause_and_every_cause_an_alert() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let shipped = Shipped::of(&repository.join("tidewatch.yaml")).unwrap();
        for rule in &shipped.rules {
            let known = ENTRIES.iter().any(|entry| rule.is_of(entry));
            assert!(known, "{} {:?} has no entry in {}", rule.alert, rule.labels, file!());
        }
        for entry in ENTRIES {
            let exists = shipped.rules.iter().any(|rule| rule.is_of(entry));
            assert!(exists, "no rule makes {} {:?}", entry.alert, entry.labels);
        }
    }

    #[test]
    fn causes_that_are_begun_touch_something() {
        for entry in ENTRIES {
            let cause = entry.cause;
            assert_eq!(cause.steps.is_empty(), cause.course != Course::Resolves, "{}", entry.alert);
            assert_eq!(cause.steps.is_empty(), cause.touches.is_empty(), "{}", entry.alert);
            assert!(cause.haste >= 1);
        }
    }
}
