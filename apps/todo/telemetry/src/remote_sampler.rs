//! Sampling strategies asked for over HTTP, in the form in which Jaeger's collector answers `/sampling?service=…`.
//!
//! Input: JSON answers, polled in the background. Output: numbers in the strategies that requests read. Until the first answer the
//! initial rate holds, and after a failure the last answer. Deliberately never asked for by a request.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, Uri, header},
};
use http_body_util::{BodyExt, Limited};
use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use tokio::sync::watch;

use crate::{
    HttpClient,
    sampler::{Limiter, Share, Strategy},
};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What holds now, for every operation.
#[derive(Debug)]
pub(crate) struct Strategies {
    inner: Mutex<Inner>,
    /// Over all operations together; used when the answer is a rate limit.
    pub(crate) rate_limit: Limiter,
}

#[derive(Debug)]
struct Inner {
    answer: Answer,
    operations: Vec<(Box<str>, Arc<Strategy>)>,
}

/// `SamplingStrategyResponse` of Jaeger's `sampling.proto`, as JSON. Zeros may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    probabilistic_sampling: Option<Probabilistic>,
    rate_limiting_sampling: Option<RateLimiting>,
    operation_sampling: Option<PerOperation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Probabilistic {
    sampling_rate: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RateLimiting {
    max_traces_per_second: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PerOperation {
    default_sampling_probability: f64,
    default_lower_bound_traces_per_second: f64,
    per_operation_strategies: Option<Vec<OperationStrategy>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OperationStrategy {
    operation: String,
    probabilistic_sampling: Probabilistic,
}

impl Strategies {
    /// `initial_rate` is the share sampled until the first answer.
    pub(crate) fn new(initial_rate: f64) -> Self {
        let probabilistic = Some(Probabilistic { sampling_rate: initial_rate });
        let answer = Answer { probabilistic_sampling: probabilistic, ..Answer::default() };
        let inner = Inner { answer, operations: Vec::new() };
        Self { inner: Mutex::new(inner), rate_limit: Limiter::default() }
    }

    /// The strategy of the spans called `name`; the same for every call with that name.
    pub(crate) fn of(&self, name: &str) -> Arc<Strategy> {
        let mut inner = self.inner.lock().expect("no holder of this lock panics");
        if let Some((_, strategy)) = inner.operations.iter().find(|(known, _)| **known == *name) {
            return Arc::clone(strategy);
        }
        let strategy = Arc::new(Strategy { share: Share::new(0.0), lower_bound: Limiter::default() });
        inner.answer.apply(name, &strategy);
        inner.operations.push((name.into(), Arc::clone(&strategy)));
        strategy
    }

    /// Takes over an answer; the text says what is wrong with it.
    fn update(&self, json: &[u8]) -> Result<(), String> {
        let answer: Answer = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let Answer { probabilistic_sampling, rate_limiting_sampling, operation_sampling } = &answer;
        if probabilistic_sampling.is_none()
            && rate_limiting_sampling.is_none()
            && operation_sampling.is_none()
        {
            return Err("an answer without a strategy".to_owned());
        }
        let rate = match (operation_sampling, rate_limiting_sampling) {
            (None, Some(limit)) => limit.max_traces_per_second,
            _ => 0.0,
        };
        let mut inner = self.inner.lock().expect("no holder of this lock panics");
        for (name, strategy) in &inner.operations {
            answer.apply(name, strategy);
        }
        self.rate_limit.set(rate);
        inner.answer = answer;
        Ok(())
    }
}

impl Answer {
    /// Per operation before rate limit before probability, as Jaeger's own clients choose.
    fn apply(&self, name: &str, strategy: &Strategy) {
        let (share, lower_bound) = if let Some(per_operation) = &self.operation_sampling {
            let named = per_operation.per_operation_strategies.iter().flatten();
            let own = named.into_iter().find(|own| own.operation == name);
            let share = own.map_or(per_operation.default_sampling_probability, |own| {
                own.probabilistic_sampling.sampling_rate
            });
            (share, per_operation.default_lower_bound_traces_per_second)
        } else if self.rate_limiting_sampling.is_some() {
            (0.0, 0.0)
        } else {
            (
                self.probabilistic_sampling.as_ref().map_or(0.0, |probabilistic| probabilistic.sampling_rate),
                0.0,
            )
        };
        strategy.share.set(share);
        strategy.lower_bound.set(lower_bound);
    }
}

/// Asks again and again.
pub(crate) struct Poller {
    pub(crate) strategies: Arc<Strategies>,
    pub(crate) client: HttpClient,
    /// With the service's name in its query.
    pub(crate) address: Uri,
    pub(crate) interval: Duration,
    pub(crate) succeeded: Counter,
    pub(crate) failed: Counter,
}

impl Poller {
    /// Polls until `closing`, at once for the first time.
    pub(crate) async fn run(self, mut closing: watch::Receiver<bool>) {
        let mut failures: u64 = 0;
        loop {
            match self.ask().await {
                Ok(()) => {
                    self.succeeded.inc();
                    failures = 0;
                }
                Err(reason) => {
                    self.failed.inc();
                    failures += 1;
                    if failures.is_power_of_two() {
                        tracing::warn!(
                            reason,
                            failures,
                            "the sampling strategy could not be asked for; the last one holds"
                        );
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
    }

    async fn ask(&self) -> Result<(), String> {
        let request = Request::get(self.address.clone()).header(header::ACCEPT, "application/json");
        let request = request.body(Body::empty()).expect("a checked address makes a request");
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            if status.is_success() { Ok(body) } else { Err(format!("status {status}")) }
        };
        let body = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
        self.strategies.update(&body.map_err(|_| "no answer in time".to_owned())??)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        SpanKind, http_client, random_ids,
        sampler::{Root, Sampler},
        testing::{Collector, until},
    };

    /// How many of 10,000 traces that begin with `name` at one moment are sampled.
    fn sampled(sampler: &Sampler, name: &str) -> usize {
        let (operation, now) = (sampler.operation(name, SpanKind::Server), Instant::now());
        (0..10_000).filter(|_| sampler.samples(None, random_ids::trace_id(), &operation, now)).count()
    }

    #[test]
    fn every_kind_of_answer_is_followed() {
        let check = |answer: &str, [listed, other]: [std::ops::RangeInclusive<usize>; 2]| {
            let strategies = Arc::new(Strategies::new(1.0));
            // Named before the answer and after it: both follow.
            strategies.of("GET /listed");
            strategies.update(answer.as_bytes()).unwrap();
            let sampler = Sampler { parent_based: false, root: Root::Remote(strategies) };
            for (name, expected) in [("GET /listed", listed), ("GET /other", other)] {
                let sampled = sampled(&sampler, name);
                assert!(expected.contains(&sampled), "{name}: {sampled} of 10000 with {answer}");
            }
        };
        let half = || 4_600..=5_400;
        check(
            r#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.5}}"#,
            [half(), half()],
        );
        check(r#"{"strategyType":0,"probabilisticSampling":{}}"#, [0..=0, 0..=0]);
        check(r#"{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":3}}"#, [3..=3, 0..=0]);
        check(
            r#"{"operationSampling":{"defaultSamplingProbability":0,"defaultLowerBoundTracesPerSecond":2,
                "perOperationStrategies":[{"operation":"GET /listed","probabilisticSampling":{"samplingRate":0.5}}]}}"#,
            [half(), 2..=2],
        );
        check(
            r#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":1},
                "operationSampling":{"defaultSamplingProbability":0.5,"perOperationStrategies":null}}"#,
            [half(), half()],
        );
    }

    #[test]
    fn an_answer_that_cannot_be_used_changes_nothing() {
        for answer in ["", "[]", "{}", r#"{"probabilisticSampling":{"samplingRate":"all"}}"#, "<html>"] {
            let strategies = Arc::new(Strategies::new(1.0));
            assert!(strategies.update(answer.as_bytes()).is_err(), "{answer}");
            let sampler = Sampler { parent_based: false, root: Root::Remote(strategies) };
            assert_eq!(sampled(&sampler, "GET /"), 10_000, "{answer}");
        }
    }

    #[tokio::test]
    async fn the_server_is_asked_again_and_again_and_may_be_away() {
        let server = Collector::start().await;
        let strategies = Arc::new(Strategies::new(1.0));
        let sampler = Sampler { parent_based: true, root: Root::Remote(Arc::clone(&strategies)) };
        let (succeeded, failed) = (Counter::default(), Counter::default());
        let poller = Poller {
            strategies,
            client: http_client(Duration::from_secs(1)),
            address: format!("{}/sampling?service=a%20b", server.endpoint).parse().unwrap(),
            interval: Duration::from_millis(10),
            succeeded: succeeded.clone(),
            failed: failed.clone(),
        };
        let closing = watch::Sender::new(false);
        let polling = tokio::spawn(poller.run(closing.subscribe()));
        until("a failure", async || (failed.get() > 0).then_some(())).await;
        assert_eq!((server.asked()[0].as_str(), sampled(&sampler, "GET /")), ("service=a%20b", 10_000));
        server.sample(r#"{"probabilisticSampling":{"samplingRate":0}}"#);
        until("nothing is sampled", async || (sampled(&sampler, "GET /") == 0).then_some(())).await;
        server.sample(r#"{"probabilisticSampling":{"samplingRate":1}}"#);
        until("all is sampled", async || (sampled(&sampler, "GET /") == 10_000).then_some(())).await;
        assert!(succeeded.get() >= 2);
        closing.send_replace(true);
        polling.await.unwrap();
    }
}
