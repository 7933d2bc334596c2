//! What can be broken on demand, and how much of it.
//!
//! Input: the name of a fault and a JSON object with its parameters. Output: a checked [`Fault`], or the problem that names each wrong
//! field. Deliberately starts nothing: that is `faults.rs`.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{FieldError, Problem};

/// How long a fault lasts that does not say.
const DEFAULT_SECONDS: f64 = 300.0;
/// How long a fault may last.
pub(crate) const MOST_SECONDS: f64 = 3600.0;

/// Everything that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    /// A share of the requests is answered with 500.
    ErrorRatio,
    /// Requests wait before they are handled.
    Latency,
    /// The process ends, and again shortly after each start.
    Crash,
    /// Threads that compute nothing.
    CpuBurn,
    /// Memory that is taken and not given back.
    MemoryLeak,
    /// Events are neither taken nor refused.
    StoppedConsumer,
    /// The metrics page cannot be understood.
    BrokenMetrics,
    /// The metrics page has no sample.
    EmptyMetrics,
    /// Events are published in a form that is refused.
    MalformedEvents,
}

impl FaultKind {
    /// All of them, in the order of their bits.
    pub(crate) const ALL: [Self; 9] = [
        Self::ErrorRatio,
        Self::Latency,
        Self::Crash,
        Self::CpuBurn,
        Self::MemoryLeak,
        Self::StoppedConsumer,
        Self::BrokenMetrics,
        Self::EmptyMetrics,
        Self::MalformedEvents,
    ];

    /// Its name in paths, answers and the metric's label.
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

    /// The one of this name.
    ///
    /// # Errors
    /// 404 with the names that exist.
    pub(crate) fn of(name: &str) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            let name: String = name.chars().take(80).collect();
            Problem::not_found(format!(
                "there is no fault \"{name}\"; hint: the faults are {}",
                known.join(", ")
            ))
        })
    }

    fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::ErrorRatio => &[RATIO],
            Self::Latency => &[LATENCY],
            Self::CpuBurn => &[CORES],
            Self::MemoryLeak => &[BYTES, BYTES_PER_SECOND],
            Self::Crash
            | Self::StoppedConsumer
            | Self::BrokenMetrics
            | Self::EmptyMetrics
            | Self::MalformedEvents => &[],
        }
    }
}

/// A number that a fault takes.
struct Parameter {
    name: &'static str,
    default: f64,
    least: f64,
    most: f64,
}

const MIB: f64 = 1024.0 * 1024.0;
const FOR: Parameter =
    Parameter { name: "for_seconds", default: DEFAULT_SECONDS, least: 1.0, most: MOST_SECONDS };
const RATIO: Parameter = Parameter { name: "ratio", default: 0.2, least: 0.000_1, most: 1.0 };
const LATENCY: Parameter = Parameter { name: "latency_seconds", default: 2.0, least: 0.001, most: 60.0 };
const CORES: Parameter = Parameter { name: "cores", default: 1.0, least: 1.0, most: 64.0 };
const BYTES: Parameter = Parameter { name: "bytes", default: 64.0 * MIB, least: MIB, most: 65_536.0 * MIB };
const BYTES_PER_SECOND: Parameter =
    Parameter { name: "bytes_per_second", default: 16.0 * MIB, least: 65_536.0, most: 65_536.0 * MIB };

impl Parameter {
    fn read(&self, members: &Map<String, Value>, errors: &mut Vec<FieldError>) -> f64 {
        let Some(value) = members.get(self.name) else { return self.default };
        match value.as_f64().filter(|number| (self.least..=self.most).contains(number)) {
            Some(number) => number,
            None => {
                let remedy = format!(
                    "give a number from {} to {}, or leave it out for {}",
                    self.least, self.most, self.default
                );
                errors.push(FieldError::new(self.name, value.clone(), remedy));
                self.default
            }
        }
    }
}

/// A fault to be started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// After this it undoes itself; at most an hour.
    pub(crate) lasts: Duration,
    /// The numbers of its kind, by name.
    pub(crate) numbers: Vec<(&'static str, f64)>,
}

impl Fault {
    /// Reads the parameters of a fault; `null` takes every default.
    ///
    /// # Errors
    /// 422 with each field that is unknown, no number or out of bounds.
    pub(crate) fn of(kind: FaultKind, parameters: &Value) -> Result<Self, Problem> {
        let none = Map::new();
        let members = match parameters {
            Value::Null => &none,
            Value::Object(members) => members,
            other => {
                let remedy = "send a JSON object, such as {\"for_seconds\":60}";
                return Err(Problem::invalid_fields(vec![FieldError::new("", other.clone(), remedy)]));
            }
        };
        let known: Vec<&str> = std::iter::once(FOR.name)
            .chain(kind.parameters().iter().map(|parameter| parameter.name))
            .collect();
        let mut errors: Vec<FieldError> = members
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, value)| {
                let remedy = format!("remove it; {} takes {}", kind.name(), known.join(", "));
                FieldError::new(name, value.clone(), remedy)
            })
            .collect();
        let lasts = Duration::from_secs_f64(FOR.read(members, &mut errors));
        let numbers =
            kind.parameters().iter().map(|number| (number.name, number.read(members, &mut errors))).collect();
        if errors.is_empty() {
            Ok(Self { kind, lasts, numbers })
        } else {
            Err(Problem::invalid_fields(errors))
        }
    }

    /// A crash that goes on for as long as an earlier run of this process was told.
    pub(crate) fn crash(lasts: Duration) -> Self {
        Self { kind: FaultKind::Crash, lasts, numbers: Vec::new() }
    }

    /// A number of its kind; 0 when it has none of that name.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.numbers.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, number)| *number)
    }

    /// As it is told to callers, with what is left of it.
    pub(crate) fn described(&self, remaining: Duration) -> Value {
        let mut told = json!({
            "kind": self.kind.name(),
            "for_seconds": self.lasts.as_secs_f64(),
            "remaining_seconds": remaining.as_secs_f64(),
        });
        for (name, number) in &self.numbers {
            told[*name] = json!(number);
        }
        told
    }
}

/// Why nothing is broken here.
pub(crate) fn not_enabled() -> Problem {
    let detail = "faults are not enabled in this process; hint: start it with FAULTS_ENABLED=true (tidewatch up --enable-faults, or faults.enabled in the chart)";
    Problem::new(StatusCode::FORBIDDEN, "faults-not-enabled", "Faults are not enabled", detail)
}

/// Why a process that takes no events cannot stop taking them.
pub(crate) fn consumes_nothing() -> Problem {
    let detail =
        "this service takes no events, so it cannot stop to; hint: stop the consumer of the event service";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "consumes-nothing", "Consumes nothing", detail)
}

/// Why a process that publishes no events cannot malform them.
pub(crate) fn publishes_nothing() -> Problem {
    let detail =
        "this service publishes no events, so it cannot malform them; hint: malform those of the backend";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "publishes-nothing", "Publishes nothing", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: FaultKind, parameters: &Value, expected: &str) {
        let text = match Fault::of(kind, parameters) {
            Ok(fault) => format!("{} s, {:?}", fault.lasts.as_secs_f64(), fault.numbers),
            Err(problem) => format!("{:?}", problem.errors()),
        };
        assert!(text.contains(expected), "{parameters}: {text}");
    }

    #[test]
    fn parameters_have_defaults_and_bounds() {
        check(FaultKind::ErrorRatio, &Value::Null, r#"300 s, [("ratio", 0.2)]"#);
        check(
            FaultKind::Latency,
            &json!({"for_seconds": 60, "latency_seconds": 1.5}),
            r#"60 s, [("latency_seconds", 1.5)]"#,
        );
        check(
            FaultKind::MemoryLeak,
            &json!({}),
            r#"("bytes", 67108864.0), ("bytes_per_second", 16777216.0)"#,
        );
        check(FaultKind::Crash, &json!({"for_seconds": 3600}), "3600 s, []");
        check(
            FaultKind::Crash,
            &json!({"for_seconds": 3601}),
            "a number from 1 to 3600, or leave it out for 300",
        );
        check(FaultKind::ErrorRatio, &json!({"ratio": 1.1}), "field: \"ratio\"");
        check(FaultKind::ErrorRatio, &json!({"ratio": "much"}), "field: \"ratio\"");
        check(FaultKind::ErrorRatio, &json!({"latency_seconds": 1}), "error-ratio takes for_seconds, ratio");
        check(FaultKind::CpuBurn, &json!([]), "send a JSON object");
    }

    #[test]
    fn an_unknown_fault_is_answered_with_those_that_exist() {
        for kind in FaultKind::ALL {
            assert_eq!(FaultKind::of(kind.name()).unwrap(), kind);
        }
        let problem = FaultKind::of("rain").unwrap_err();
        assert!(
            problem.detail().contains("\"rain\"; hint: the faults are error-ratio, latency"),
            "{problem:?}"
        );
    }
}
