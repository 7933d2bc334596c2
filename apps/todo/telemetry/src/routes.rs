//! Builds a router whose every route is observed.
//!
//! Input: route templates with their handlers and the statuses each may answer. Output: an axum router in which each route holds
//! its own metric handles, so that no request looks anything up. Wrong methods and unmatched paths are answered here, as
//! problems. Deliberately offers no way to add a counted route without declaring what it answers.

use std::sync::Arc;

use axum::{
    Router,
    http::{Method, StatusCode},
    middleware::from_fn_with_state,
    routing::{MethodRouter, any},
};

use crate::{
    Faults, HttpMetrics, Problem, Tracer, fault_routes, http_metrics::RouteMetrics, observe::ObserveLayer,
    server_span::RouteTraces,
};

/// Value of the label `endpoint` for every path that no route has.
const UNMATCHED: &str = "unmatched";

/// A router under construction.
pub struct Routes<S> {
    router: Router<S>,
    metrics: Option<HttpMetrics>,
    tracer: Option<Tracer>,
    faults: Faults,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Starts a router. Without `metrics` its requests are not counted: only benchmarks ask for that.
    pub fn new(metrics: Option<&HttpMetrics>) -> Self {
        Self { router: Router::new(), metrics: metrics.cloned(), tracer: None, faults: Faults::off() }
    }

    /// Has `tracer` begin a span for every request to the routes added from here on.
    pub fn traced(self, tracer: &Tracer) -> Self {
        Self { tracer: Some(tracer.clone()), ..self }
    }

    /// Lets requests to the routes added from here on meet the faults that are active, within what is counted, timed and traced.
    pub fn with_faults(self, faults: &Faults) -> Self {
        Self { faults: faults.clone(), ..self }
    }

    /// Adds a route. `endpoint` is both the path template and the label value; `answers` lists the statuses each method may
    /// answer (499 and 500 are added, other methods answer 405).
    pub fn route(
        mut self,
        endpoint: &'static str,
        handlers: MethodRouter<S>,
        answers: &[(Method, &[u16])],
    ) -> Self {
        let methods: Vec<&str> = answers.iter().map(|(method, _)| method.as_str()).collect();
        let allowed = methods.join(", ");
        let handlers = handlers.fallback(async move |method: Method| {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                format!("{method} is not possible here; hint: use {allowed}"),
            )
        });
        let handlers = if self.faults.enabled() {
            let state = (self.faults.clone(), endpoint);
            handlers.layer(from_fn_with_state(state, fault_routes::meet))
        } else {
            handlers
        };
        let layer = self.layer(endpoint, answers, StatusCode::METHOD_NOT_ALLOWED);
        self.router = self.router.route(endpoint, handlers.layer(layer));
        self
    }

    /// Adds routes that are not counted, such as probes: they would drown what people do.
    pub fn uncounted(mut self, routes: Router<S>) -> Self {
        self.router = self.router.merge(routes);
        self
    }

    /// Answers every other path with 404 under the one endpoint `unmatched`, and gives the handlers their state.
    pub fn finish(self, state: S) -> Router {
        let layer = self.layer(UNMATCHED, &[], StatusCode::NOT_FOUND);
        let unmatched: MethodRouter = any(async || {
            Problem::not_found(
                "there is nothing at this path; hint: the routes are listed in the application's README",
            )
        });
        self.router.fallback_service(unmatched.layer(layer)).with_state(state)
    }

    fn layer(
        &self,
        endpoint: &'static str,
        answers: &[(Method, &[u16])],
        otherwise: StatusCode,
    ) -> ObserveLayer {
        let route = |metrics: &HttpMetrics| -> Arc<RouteMetrics> {
            Arc::new(metrics.route(endpoint, answers, otherwise))
        };
        let matched = (endpoint != UNMATCHED).then_some(endpoint);
        let traces = |tracer: &Tracer| Arc::new(RouteTraces::new(tracer, matched));
        ObserveLayer { route: self.metrics.as_ref().map(route), traces: self.tracer.as_ref().map(traces) }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Request, http::header, response::Response, routing::get};
    use prometheus_client::{encoding::text, registry::Registry};
    use tower::ServiceExt;

    use super::*;

    struct Bench {
        registry: Registry,
        router: Router,
    }

    impl Bench {
        fn new() -> Self {
            let mut registry = Registry::default();
            let metrics = HttpMetrics::register(&mut registry);
            let router = Routes::new(Some(&metrics))
                .route("/slow", get(std::future::pending::<()>), &[(Method::GET, &[200])])
                .route("/panic/{id}", get(async || -> () { panic!("on purpose") }), &[(Method::GET, &[200])])
                .finish(());
            Self { registry, router }
        }

        async fn ask(&self, method: &str, path: &str) -> Response {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            self.router.clone().oneshot(request).await.unwrap()
        }

        fn has(&self, series: &str) {
            let mut body = String::new();
            text::encode(&mut body, &self.registry).unwrap();
            assert!(body.lines().any(|line| line == series), "{series} is missing in {body}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_counted_500() {
        let bench = Bench::new();
        bench.has(r#"http_requests_total{method="GET",endpoint="/panic/{id}",status="500"} 0"#);
        let response = bench.ask("GET", "/panic/7").await;
        assert_eq!(response.status(), 500);
        bench.has(r#"http_requests_total{method="GET",endpoint="/panic/{id}",status="500"} 1"#);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains(r#""instance":"/panic/7""#));
    }

    #[tokio::test]
    async fn unmatched_paths_and_unknown_methods_share_one_value() {
        let bench = Bench::new();
        assert_eq!(bench.ask("GET", "/a").await.status(), 404);
        assert_eq!(bench.ask("GET", "/b/c").await.status(), 404);
        assert_eq!(bench.ask("BREW", "/slow").await.status(), 405);
        bench.has(r#"http_requests_total{method="GET",endpoint="unmatched",status="404"} 2"#);
        bench.has(r#"http_requests_total{method="other",endpoint="/slow",status="405"} 1"#);
        let refused = bench.ask("DELETE", "/slow").await;
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()[header::ALLOW], "GET,HEAD");
        bench.has(r#"http_requests_total{method="DELETE",endpoint="/slow",status="405"} 1"#);
    }

    #[tokio::test]
    async fn a_caller_who_leaves_is_counted() {
        let bench = Bench::new();
        let waiting = bench.ask("GET", "/slow");
        assert!(tokio::time::timeout(std::time::Duration::from_millis(5), waiting).await.is_err());
        bench.has(r#"http_requests_total{method="GET",endpoint="/slow",status="499"} 1"#);
    }
}
