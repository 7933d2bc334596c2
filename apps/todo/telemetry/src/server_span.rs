//! The span of a request, as the conventions for HTTP servers describe it.
//!
//! Input: a request's head and the template of its route; later the status of its answer. Output: a SERVER span `{method} {route}`
//! below the caller's. Deliberately without the query, headers and body, and without the path of a request that no route takes: what
//! a person typed has no place in a trace.

use std::time::Instant;

use axum::{
    extract::Request,
    http::{Version, header, uri::Authority},
};

use crate::{Operation, Span, SpanKind, TraceContext, Tracer, http_metrics::METHODS};

/// The operations of one route, one per method.
pub(crate) struct RouteTraces {
    tracer: Tracer,
    /// `None` for paths that no route takes.
    route: Option<&'static str>,
    operations: [Operation; METHODS.len()],
}

impl RouteTraces {
    pub(crate) fn new(tracer: &Tracer, route: Option<&'static str>) -> Self {
        let operations = METHODS.map(|method| {
            let method = if method == "other" { "HTTP" } else { method };
            let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
            tracer.operation(&name, SpanKind::Server)
        });
        Self { tracer: tracer.clone(), route, operations }
    }

    /// `method` is an index of [`METHODS`].
    pub(crate) fn begin(&self, method: usize, request: &Request, now: Instant) -> Span {
        let parent = TraceContext::from_headers(request.headers());
        let mut span = self.tracer.begin_at(&self.operations[method], parent.as_ref(), now);
        if span.is_recording() {
            self.describe(&mut span, method, request);
        }
        span
    }

    fn describe(&self, span: &mut Span, method: usize, request: &Request) {
        let method = match METHODS[method] {
            "other" => "_OTHER",
            known => known,
        };
        span.attribute("http.request.method", method);
        span.attribute("url.scheme", "http");
        if let Some(route) = self.route {
            span.attribute("http.route", route);
            span.attribute("url.path", request.uri().path());
        }
        let version = match request.version() {
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        span.attribute("network.protocol.version", version);
        let host =
            request.headers().get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        if let Some(host) = host {
            span.attribute("server.address", host.host());
            span.attribute("server.port", host.port_u16().unwrap_or(80));
        }
    }
}

/// Notes the status. Only what the server did wrong is an error of its span.
pub(crate) fn describe_answer(span: &mut Span, status: u16) {
    if !span.is_recording() {
        return;
    }
    span.attribute("http.response.status_code", status);
    if status >= 500 {
        span.error(&status.to_string(), "");
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, http::Method, routing::get};
    use prometheus_client::registry::Registry;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        Environment, Lifecycle, Routes, TracePipeline, TraceSettings, health_routes,
        testing::{Collector, ReceivedSpan},
    };

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    struct Bench {
        collector: Collector,
        pipeline: TracePipeline,
        router: Router,
    }

    impl Bench {
        async fn start(sampler: &str) -> Self {
            let collector = Collector::start().await;
            let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str());
            let endpoint = if sampler.is_empty() { ("", "") } else { endpoint };
            let environment = Environment::of([endpoint, ("OTEL_TRACES_SAMPLER", sampler)]);
            let settings = TraceSettings::from_environment(&environment).unwrap();
            let pipeline = TracePipeline::start(&settings, "x", "1", &mut Registry::default()).unwrap();
            let seen = async || {
                let Some(now) = TraceContext::current() else { return "nothing".to_owned() };
                let _child = Span::child("inside", SpanKind::Internal);
                format!("{} {}", now.traceparent(), now.tracestate().unwrap_or("-"))
            };
            let router = Routes::new(None)
                .traced(pipeline.tracer())
                .route("/seen/{id}", get(seen), &[(Method::GET, &[200])])
                .route("/panic", get(async || -> () { panic!("on purpose") }), &[(Method::GET, &[200])])
                .uncounted(health_routes(Lifecycle::new(), None))
                .finish(());
            Self { collector, pipeline, router }
        }

        async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
            let mut request = axum::http::Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        }

        /// The spans, by name.
        async fn spans(self) -> Vec<ReceivedSpan> {
            self.pipeline.close(std::time::Duration::from_secs(5)).await;
            let mut spans = self.collector.spans();
            spans.sort_by(|a, b| a.name.cmp(&b.name));
            spans
        }
    }

    #[tokio::test]
    async fn a_sampled_caller_is_the_parent_and_its_state_travels() {
        let bench = Bench::start("parentbased_always_off").await;
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        let headers = [("traceparent", parent.as_str()), ("tracestate", "a=1"), ("host", "todo:8000")];
        let seen = bench.ask("GET", "/seen/7?q=private", &headers).await;
        let spans = bench.spans().await;
        let [server, inside] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(seen, format!("00-{TRACE}-{}-01 a=1", server.span_id));
        assert_eq!((server.trace_id.as_str(), server.parent_id.as_str()), (TRACE, "b7ad6b7169203331"));
        assert_eq!((server.name.as_str(), server.kind, server.status), ("GET /seen/{id}", 2, 0));
        assert_eq!((server.trace_state.as_str(), server.flags), ("a=1", 0x301));
        let attributes = [
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.route", "/seen/{id}"),
            ("network.protocol.version", "1.1"),
            ("server.address", "todo"),
            ("server.port", "8000"),
            ("url.path", "/seen/7"),
            ("url.scheme", "http"),
        ];
        let found: Vec<_> =
            server.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, attributes);
        assert_eq!((inside.trace_id.as_str(), &inside.parent_id), (TRACE, &server.span_id));
        assert_eq!((inside.kind, inside.flags), (1, 0x101));
    }

    #[tokio::test]
    async fn an_unsampled_trace_goes_on_unsampled() {
        let bench = Bench::start("parentbased_always_on").await;
        let parent = format!("00-{TRACE}-b7ad6b7169203331-00");
        let seen = bench.ask("GET", "/seen/7", &[("traceparent", &parent), ("tracestate", "a=1")]).await;
        assert!(seen.starts_with(&format!("00-{TRACE}-")) && seen.ends_with("-00 a=1"), "{seen}");
        assert!(bench.spans().await.is_empty());
    }

    #[tokio::test]
    async fn a_malformed_caller_makes_no_difference() {
        let bench = Bench::start("always_on").await;
        for header in ["", "00-0-0-01", &format!("00-{TRACE}-0000000000000000-01"), &TRACE.to_uppercase()] {
            let seen = bench.ask("GET", "/seen/7", &[("traceparent", header), ("tracestate", "a=1")]).await;
            assert!(!seen.contains(TRACE) && seen.ends_with("-01 -"), "{header}: {seen}");
        }
        let spans = bench.spans().await;
        let roots: Vec<_> = spans.iter().filter(|span| span.parent_id.is_empty()).collect();
        assert_eq!((spans.len(), roots.len()), (8, 4));
    }

    #[tokio::test]
    async fn without_an_exporter_contexts_pass_as_they_came() {
        let bench = Bench::start("").await;
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        let seen = bench.ask("GET", "/seen/7", &[("traceparent", &parent), ("tracestate", "a=1")]).await;
        assert_eq!(seen, format!("{parent} a=1"));
        assert_eq!(bench.ask("GET", "/seen/7", &[]).await, "nothing");
        assert!(bench.spans().await.is_empty());
    }

    #[tokio::test]
    async fn failures_are_the_servers_own_and_paths_nobody_serves_stay_out() {
        let bench = Bench::start("always_on").await;
        bench.ask("GET", "/panic", &[]).await;
        bench.ask("GET", "/some/private/path", &[]).await;
        bench.ask("BREW", "/panic", &[]).await;
        bench.ask("GET", "/healthz", &[]).await;
        bench.ask("GET", "/readyz", &[]).await;
        let spans = bench.spans().await;
        let seen: Vec<_> = spans
            .iter()
            .map(|span| {
                let of = |key: &str| span.attributes.get(key).map_or("", String::as_str);
                (
                    span.name.as_str(),
                    of("http.response.status_code"),
                    of("error.type"),
                    of("http.request.method"),
                    span.status,
                )
            })
            .collect();
        let expected = [
            ("GET", "404", "", "GET", 0),
            ("GET /panic", "500", "500", "GET", 2),
            ("HTTP /panic", "405", "", "_OTHER", 0),
        ];
        assert_eq!(seen, expected);
        assert!(!format!("{spans:?}").contains("private"), "{spans:?}");
    }

    #[tokio::test]
    async fn a_caller_who_leaves_ends_the_span() {
        let bench = Bench::start("always_on").await;
        let tracer = bench.pipeline.tracer();
        let router: Router = Routes::new(None)
            .traced(tracer)
            .route("/slow", get(std::future::pending::<()>), &[(Method::GET, &[200])])
            .finish(());
        let request = axum::http::Request::get("/slow").body(Body::empty()).unwrap();
        let waiting = router.oneshot(request);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(5), waiting).await.is_err());
        let spans = bench.spans().await;
        assert_eq!(spans[0].attributes["http.response.status_code"], "499");
    }
}
