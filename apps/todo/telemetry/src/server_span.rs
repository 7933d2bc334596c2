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
