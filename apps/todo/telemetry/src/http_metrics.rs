//! `http_requests_total` and `http_request_duration_seconds`, as handles that a request reaches without a look-up.
//!
//! Input: the routes at start (template, methods, statuses each may answer); then one finished request at a time. Output: two
//! metric families. Every label set a route can produce exists at zero from the start, so that a first error is an increase.
//! Deliberately never sees a path: `endpoint` is the template the route was declared with.

use std::{sync::OnceLock, time::Duration};

use axum::http::{Method, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::{LatencyHistogram, TraceContext};

/// Upper bounds of every latency histogram, in seconds.
pub const LATENCY_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Counted when the caller left before it had an answer (the code nginx logs for it).
pub(crate) const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Values of the label `method`: anything else shares the last.
pub(crate) const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "other"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DurationLabels {
    method: &'static str,
    endpoint: &'static str,
}

/// The two HTTP metric families of a process.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, LatencyHistogram>,
}

impl HttpMetrics {
    /// Creates both families in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { requests: Family::default(), durations: Family::default() };
        registry.register(
            "http_requests",
            "HTTP requests answered, by method, route template and status (499: the caller left first)",
            metrics.requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Seconds from a request's head being read to its answer's head being ready",
            metrics.durations.clone(),
        );
        metrics
    }

    /// Creates the label sets of one route: `answers` lists, for each method it takes, the statuses it may answer beyond 499
    /// and 500; every other method is answered `otherwise`.
    pub(crate) fn route(
        &self,
        endpoint: &'static str,
        answers: &[(Method, &[u16])],
        otherwise: StatusCode,
    ) -> RouteMetrics {
        let methods = METHODS.map(|method| {
            let taken = answers
                .iter()
                .find(|(taken, _)| taken.as_str() == method || (method == "HEAD" && taken == Method::GET));
            let mut statuses = match taken {
                Some((_, statuses)) => [statuses, &[CLIENT_CLOSED_REQUEST, 500][..]].concat(),
                None => vec![otherwise.as_u16()],
            };
            statuses.sort_unstable();
            statuses.dedup();
            let slot = MethodMetrics {
                method,
                answered: statuses
                    .into_iter()
                    .map(|status| (status, self.counter(method, endpoint, status)))
                    .collect(),
                duration: OnceLock::new(),
            };
            if taken.is_some_and(|(taken, _)| taken.as_str() == method) {
                slot.duration.get_or_init(|| self.histogram(method, endpoint));
            }
            slot
        });
        RouteMetrics { endpoint, methods, families: self.clone() }
    }

    fn counter(&self, method: &'static str, endpoint: &'static str, status: u16) -> Counter {
        self.requests.get_or_create_owned(&RequestLabels { method, endpoint, status })
    }

    fn histogram(&self, method: &'static str, endpoint: &'static str) -> LatencyHistogram {
        self.durations.get_or_create_owned(&DurationLabels { method, endpoint })
    }
}

/// The handles of one route.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    endpoint: &'static str,
    methods: [MethodMetrics; METHODS.len()],
    families: HttpMetrics,
}

#[derive(Debug)]
struct MethodMetrics {
    method: &'static str,
    /// The statuses declared for the route: so few that a scan beats hashing.
    answered: Vec<(u16, Counter)>,
    /// Created at start for the methods the route takes, on first use for the others.
    duration: OnceLock<LatencyHistogram>,
}

impl RouteMetrics {
    /// Counts one request. `method` is an index from [`method_index`]; `context` is the request's span.
    pub(crate) fn record(
        &self,
        method: usize,
        status: u16,
        duration: Duration,
        context: Option<&TraceContext>,
    ) {
        let slot = &self.methods[method];
        match slot.answered.iter().find(|(declared, _)| *declared == status) {
            Some((_, counter)) => counter.inc(),
            None => self.families.counter(slot.method, self.endpoint, status).inc(),
        };
        slot.duration
            .get_or_init(|| self.families.histogram(slot.method, self.endpoint))
            .observe_of(duration, context);
        tracing::debug!(
            method = slot.method,
            endpoint = self.endpoint,
            status,
            milliseconds = duration.as_secs_f64() * 1e3,
            "answered"
        );
    }
}

/// Where `method` is in [`METHODS`].
pub(crate) fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        _ => METHODS.len() - 1,
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn methods_keep_their_name_or_share_one() {
        let check = |method: &str, expected: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(METHODS[method_index(&method)], expected);
        };
        for method in METHODS.iter().filter(|method| **method != "other") {
            check(method, method);
        }
        check("CONNECT", "other");
        check("BREW", "other");
        check("get", "other");
    }

    #[test]
    fn label_sets_exist_before_the_first_request_and_count_it_after() {
        let mut registry = Registry::default();
        let metrics = HttpMetrics::register(&mut registry);
        let route =
            metrics.route("/things/{id}", &[(Method::GET, &[200, 404])], StatusCode::METHOD_NOT_ALLOWED);
        let exposed = |registry: &Registry| {
            let mut body = String::new();
            text::encode(&mut body, registry).unwrap();
            body
        };
        let before = exposed(&registry);
        for status in [200, 404, 499, 500] {
            let labels = format!(r#"{{method="GET",endpoint="/things/{{id}}",status="{status}"}} 0"#);
            assert!(before.contains(&labels), "{labels} is missing in {before}");
        }
        assert!(before.contains(r#"{method="POST",endpoint="/things/{id}",status="405"} 0"#));
        assert!(before.contains(r#"duration_seconds_count{method="GET",endpoint="/things/{id}"} 0"#));

        route.record(method_index(&Method::GET), 500, Duration::from_millis(30), None);
        let after = exposed(&registry);
        assert!(after.contains(r#"{method="GET",endpoint="/things/{id}",status="500"} 1"#));
        assert!(after.contains(r#"bucket{le="0.025",method="GET",endpoint="/things/{id}"} 0"#), "{after}");
        assert!(after.contains(r#"bucket{le="0.05",method="GET",endpoint="/things/{id}"} 1"#));
    }
}
