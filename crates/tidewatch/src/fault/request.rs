//! What a pod is asked: a fault by its name, with numbers by theirs.
//!
//! Input: arguments, or a drill's plan. Output: the path and body of a request. The bounds of the numbers are the pod's to judge.

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What can be broken in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultKind {
    /// A share of the requests is answered with status 500
    ErrorRatio,
    /// Requests wait before they are handled
    Latency,
    /// The process ends, and again shortly after each start
    Crash,
    /// Cores are kept busy
    CpuBurn,
    /// Memory is taken and not given back
    MemoryLeak,
    /// Events are neither taken nor refused
    StoppedConsumer,
    /// The metrics page cannot be understood
    BrokenMetrics,
    /// The metrics page has no sample
    EmptyMetrics,
    /// Events are published in a form that is refused
    MalformedEvents,
}

impl FaultKind {
    /// Its name in paths and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ErrorRatio => "error-ratio",
            Self::Latency => "latency",
            Self::Crash => "crash",
            Self::CpuBurn => "cpu-burn",
            Self::MemoryLeak => "memory-leak",
            Self::StoppedConsumer => "stopped-consumer",
            Self::BrokenMetrics => "broken-metrics",
            Self::EmptyMetrics => "empty-metrics",
            Self::MalformedEvents => "malformed-events",
        }
    }

    /// Whether a number of this name belongs to it.
    pub(crate) fn takes(self, name: &str) -> bool {
        match self {
            Self::ErrorRatio => name == "ratio",
            Self::Latency => name == "latency_seconds",
            Self::CpuBurn => name == "cores",
            Self::MemoryLeak => name == "bytes" || name == "bytes_per_second",
            Self::Crash
            | Self::StoppedConsumer
            | Self::BrokenMetrics
            | Self::EmptyMetrics
            | Self::MalformedEvents => false,
        }
    }
}

/// A fault to be caused.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) kind: FaultKind,
    members: Map<String, Value>,
}

impl Cause {
    /// A fault with the pod's own defaults.
    pub(crate) fn of(kind: FaultKind, lasts: Duration) -> Self {
        let mut members = Map::new();
        members.insert("for_seconds".to_owned(), json!(lasts.as_secs_f64()));
        Self { kind, members }
    }

    /// The same with a number of its own.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, number: f64) -> Self {
        self.members.insert(name.to_owned(), json!(number));
        self
    }

    /// The body of the request.
    pub(crate) fn body(&self) -> Value {
        Value::Object(self.members.clone())
    }
}
