//! Sampling strategies by service, and Jaeger's file of them.
//!
//! Input: a probability for all, or the JSON file that Jaeger reads (`sampling.strategies` of its documentation). Output: the
//! answer for a service. A service without operations of its own gets those of the default, as in Jaeger. What Jaeger only
//! warns about (an unknown type, a rate limit for one operation) is an error here.

use crate::error::ServerError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which share of new traces is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Probabilistic {
    sampling_rate: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLimiting {
    max_traces_per_second: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation: String,
    probabilistic_sampling: Probabilistic,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operations {
    default_sampling_probability: f64,
    default_lower_bound_traces_per_second: f64,
    per_operation_strategies: Vec<Operation>,
}

/// The answer for a service. `strategy_type` is 0 for a probability and 1 for a rate; samplers that know operations look at
/// those first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    strategy_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilistic_sampling: Option<Probabilistic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limiting_sampling: Option<RateLimiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_sampling: Option<Operations>,
}

impl Strategy {
    fn probabilistic(sampling_rate: f64) -> Self {
        Self {
            strategy_type: 0,
            probabilistic_sampling: Some(Probabilistic { sampling_rate }),
            rate_limiting_sampling: None,
            operation_sampling: None,
        }
    }
}

/// How often each service should start a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingStrategies {
    default: Strategy,
    services: BTreeMap<String, Strategy>,
}

impl Default for SamplingStrategies {
    /// One trace in ten, and one a second of each operation whatever the probability.
    fn default() -> Self {
        Self::uniform(0.1, 1.0)
    }
}

impl SamplingStrategies {
    /// The same for every service: `probability` (0 to 1) of all traces, and `lower_bound` traces a second of each operation
    /// whatever the probability. Values out of range are taken as the nearest in range.
    pub fn uniform(probability: f64, lower_bound: f64) -> Self {
        let probability = probability.clamp(0.0, 1.0);
        let operation_sampling = Some(Operations {
            default_sampling_probability: probability,
            default_lower_bound_traces_per_second: lower_bound.max(0.0),
            per_operation_strategies: Vec::new(),
        });
        let default = Strategy { operation_sampling, ..Strategy::probabilistic(probability) };
        Self { default, services: BTreeMap::new() }
    }

    /// Reads Jaeger's file. `file` is its name for error texts. Without a `default_strategy` the default is [`Self::default`]'s.
    ///
    /// # Errors
    /// When it is no such file, with the file, the field, the value and a remedy.
    pub fn from_json(file: &str, text: &str) -> Result<Self, ServerError> {
        let refused = |problem: String| ServerError::SamplingStrategies { file: file.to_owned(), problem };
        let parsed: File = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        let mut strategies = Self::default();
        let fallback = strategies.default.probability();
        if let Some(default) = &parsed.default_strategy {
            if default.service.is_some() {
                let problem = "default_strategy.service: the default is for every service\nhint: remove it";
                return Err(refused(problem.to_owned()));
            }
            strategies.default = default.strategy("default_strategy", fallback).map_err(refused)?;
        }
        for (index, entry) in parsed.service_strategies.iter().enumerate() {
            let path = format!("service_strategies[{index}]");
            let Some(service) = entry.service.clone().filter(|service| !service.is_empty()) else {
                return Err(refused(format!("{path}.service: missing\nhint: name the service")));
            };
            let mut strategy = entry.strategy(&path, fallback).map_err(refused)?;
            // Only operations that a file names pass on to services with a strategy of their own.
            if let Some(defaults) =
                parsed.default_strategy.as_ref().and(strategies.default.operation_sampling.as_ref())
            {
                strategy.add_default_operations(defaults);
            }
            if strategies.services.insert(service.clone(), strategy).is_some() {
                return Err(refused(format!("{path}.service: {service:?} is there twice\nhint: remove one")));
            }
        }
        Ok(strategies)
    }

    /// The answer for a service, as JSON.
    pub(crate) fn answer(&self, service: &str) -> Vec<u8> {
        let strategy = self.services.get(service).unwrap_or(&self.default);
        serde_json::to_vec(strategy).expect("numbers and texts can be written")
    }
}

impl Strategy {
    fn probability(&self) -> f64 {
        self.probabilistic_sampling.map_or(0.0, |strategy| strategy.sampling_rate)
    }

    fn add_default_operations(&mut self, defaults: &Operations) {
        match &mut self.operation_sampling {
            None => {
                let mut operations = defaults.clone();
                if let Some(own) = self.probabilistic_sampling {
                    operations.default_sampling_probability = own.sampling_rate;
                }
                self.operation_sampling = Some(operations);
            }
            Some(own) => {
                for operation in &defaults.per_operation_strategies {
                    let named = |known: &Operation| known.operation == operation.operation;
                    if !own.per_operation_strategies.iter().any(named) {
                        own.per_operation_strategies.push(operation.clone());
                    }
                }
            }
        }
    }
}

/// Jaeger's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_strategy: Option<Entry>,
    #[serde(default)]
    service_strategies: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    service: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    param: Option<f64>,
    #[serde(default)]
    operation_strategies: Vec<OperationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationEntry {
    operation: String,
    #[serde(rename = "type")]
    kind: String,
    param: f64,
}

impl Entry {
    /// `fallback` is the probability of operations that none of the file's is for, where the entry itself is a rate.
    fn strategy(&self, path: &str, fallback: f64) -> Result<Strategy, String> {
        let param = || self.param.ok_or_else(|| format!("{path}.param: missing\nhint: give a number"));
        let mut strategy = match self.kind.as_deref() {
            Some("probabilistic") => Strategy::probabilistic(probability(path, param()?)?),
            Some("ratelimiting") => Strategy {
                strategy_type: 1,
                probabilistic_sampling: None,
                rate_limiting_sampling: Some(RateLimiting { max_traces_per_second: rate(path, param()?)? }),
                operation_sampling: None,
            },
            other => {
                let other = other.unwrap_or_default();
                return Err(format!(
                    "{path}.type: {other:?} is no type\nhint: use \"probabilistic\" or \"ratelimiting\""
                ));
            }
        };
        if !self.operation_strategies.is_empty() {
            let own = strategy.probabilistic_sampling.map(|own| own.sampling_rate);
            let operations = self.operation_strategies.iter().enumerate().map(|(index, entry)| {
                let path = format!("{path}.operation_strategies[{index}]");
                if entry.kind != "probabilistic" {
                    return Err(format!(
                        "{path}.type: {:?} is no type for an operation\nhint: use \"probabilistic\"",
                        entry.kind
                    ));
                }
                let sampling_rate = probability(&path, entry.param)?;
                let probabilistic_sampling = Probabilistic { sampling_rate };
                Ok(Operation { operation: entry.operation.clone(), probabilistic_sampling })
            });
            strategy.operation_sampling = Some(Operations {
                default_sampling_probability: own.unwrap_or(fallback),
                default_lower_bound_traces_per_second: 0.0,
                per_operation_strategies: operations.collect::<Result<_, String>>()?,
            });
        }
        Ok(strategy)
    }
}

fn probability(path: &str, param: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&param) {
        Ok(param)
    } else {
        Err(format!("{path}.param: {param} is no probability\nhint: use a number from 0 to 1"))
    }
}

fn rate(path: &str, param: f64) -> Result<i32, String> {
    if param.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&param) {
        Ok(param as i32)
    } else {
        Err(format!("{path}.param: {param} is no rate\nhint: use a whole number of traces a second"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(strategies: &SamplingStrategies, service: &str) -> String {
        String::from_utf8(strategies.answer(service)).unwrap()
    }

    #[test]
    fn the_default_knows_operations() {
        let expected = r#"{"strategyType":0,"probabilisticSampling":{"samplingRate":0.1},"operationSampling":{"defaultSamplingProbability":0.1,"defaultLowerBoundTracesPerSecond":1.0,"perOperationStrategies":[]}}"#;
        assert_eq!(answer(&SamplingStrategies::default(), "any"), expected);
    }

    #[test]
    fn files_are_read_as_jaeger_reads_them() {
        let text = r#"{
            "service_strategies": [
                {"service": "foo", "type": "probabilistic", "param": 0.8, "operation_strategies": [
                    {"operation": "op1", "type": "probabilistic", "param": 0.2}]},
                {"service": "bar", "type": "ratelimiting", "param": 5},
                {"service": "baz", "type": "probabilistic", "param": 1}],
            "default_strategy": {"type": "probabilistic", "param": 0.5, "operation_strategies": [
                {"operation": "/health", "type": "probabilistic", "param": 0},
                {"operation": "op1", "type": "probabilistic", "param": 0.9}]}}"#;
        let strategies = SamplingStrategies::from_json("s.json", text).unwrap();
        let operations = |default: &str, list: &[(&str, &str)]| {
            let list: Vec<String> = list
                .iter()
                .map(|(name, rate)| {
                    format!(r#"{{"operation":"{name}","probabilisticSampling":{{"samplingRate":{rate}}}}}"#)
                })
                .collect();
            format!(
                r#""operationSampling":{{"defaultSamplingProbability":{default},"defaultLowerBoundTracesPerSecond":0.0,"perOperationStrategies":[{}]}}}}"#,
                list.join(",")
            )
        };
        let check = |service: &str, start: &str, operations: String| {
            assert_eq!(answer(&strategies, service), format!("{{{start},{operations}"));
        };
        let probability =
            |rate: &str| format!(r#""strategyType":0,"probabilisticSampling":{{"samplingRate":{rate}}}"#);
        let defaults = [("/health", "0.0"), ("op1", "0.9")];
        check("foo", &probability("0.8"), operations("0.8", &[("op1", "0.2"), ("/health", "0.0")]));
        let rate = r#""strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":5}"#;
        check("bar", rate, operations("0.5", &defaults));
        check("baz", &probability("1.0"), operations("1.0", &defaults));
        check("other", &probability("0.5"), operations("0.5", &defaults));
        let plain = SamplingStrategies::from_json("s.json", "{}").unwrap();
        assert_eq!(plain, SamplingStrategies::default());
        let text = r#"{"service_strategies": [{"service": "foo", "type": "probabilistic", "param": 1}]}"#;
        let plain = SamplingStrategies::from_json("s.json", text).unwrap();
        assert_eq!(answer(&plain, "foo"), format!("{{{}}}", probability("1.0")));
    }

    #[test]
    fn errors_name_file_field_value_and_remedy() {
        let check = |text: &str, expected: &str| {
            let error = SamplingStrategies::from_json("s.json", text).unwrap_err().to_string();
            assert_eq!(error, format!("s.json: {expected}"));
        };
        let service = |rest: &str| format!(r#"{{"service_strategies": [{{"service": "a", {rest}}}]}}"#);
        check(
            &service(r#""type": "probabilistic", "param": 1.5"#),
            "service_strategies[0].param: 1.5 is no probability\nhint: use a number from 0 to 1",
        );
        check(
            &service(r#""type": "ratelimiting", "param": 0.5"#),
            "service_strategies[0].param: 0.5 is no rate\nhint: use a whole number of traces a second",
        );
        check(
            &service(r#""type": "adaptive", "param": 1"#),
            "service_strategies[0].type: \"adaptive\" is no type\nhint: use \"probabilistic\" or \"ratelimiting\"",
        );
        check(
            &service(r#""type": "probabilistic""#),
            "service_strategies[0].param: missing\nhint: give a number",
        );
        check(
            &service(
                r#""type": "probabilistic", "param": 1, "operation_strategies":
                [{"operation": "o", "type": "ratelimiting", "param": 1}]"#,
            ),
            "service_strategies[0].operation_strategies[0].type: \"ratelimiting\" is no type for an operation\n\
             hint: use \"probabilistic\"",
        );
        check(
            r#"{"service_strategies": [{"type": "probabilistic", "param": 1}]}"#,
            "service_strategies[0].service: missing\nhint: name the service",
        );
        check(
            r#"{"default_strategies": {}}"#,
            "unknown field `default_strategies`, expected `default_strategy` or `service_strategies` at line 1 column 21",
        );
    }
}
