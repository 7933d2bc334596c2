//! Routes as tables: an address, the methods it takes, and what every call of it shares.
//!
//! Input: a handler. Output: a route that refuses other methods the way Prometheus does, and, for APIs that need the
//! store, answers 503 until it is there. Axum's own defaults differ in both.

use crate::Shared;
use crate::reply::text;
use axum::extract::{MatchedPath, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use std::sync::Arc;

/// The methods a route takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// Reads.
    Get,
    /// Reads whose parameters may also come as a form.
    GetOrPost,
    /// Reads of plain pages, HEAD included.
    GetOrHead,
    /// Changes.
    PostOrPut,
    /// Questions that are too long for an address.
    Post,
}

impl Takes {
    fn methods(self) -> &'static [MethodFilter] {
        match self {
            Self::Get => &[MethodFilter::GET],
            Self::GetOrPost => &[MethodFilter::GET, MethodFilter::POST],
            Self::GetOrHead => &[MethodFilter::GET, MethodFilter::HEAD],
            Self::PostOrPut => &[MethodFilter::POST, MethodFilter::PUT],
            Self::Post => &[MethodFilter::POST],
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, OPTIONS",
            Self::GetOrPost => "GET, OPTIONS, POST",
            Self::GetOrHead => "GET, HEAD, OPTIONS",
            Self::PostOrPut => "OPTIONS, POST, PUT",
            Self::Post => "OPTIONS, POST",
        }
    }
}

/// A route for a handler. HEAD is refused unless named: what GET would answer may be costly to find out.
#[expect(clippy::needless_pass_by_value, reason = "routes are made of handlers, as in axum")]
pub(crate) fn endpoint<H, T>(takes: Takes, handler: H) -> MethodRouter<Shared>
where
    H: Handler<T, Shared>,
    T: 'static,
{
    let mut routes = MethodRouter::new().on(MethodFilter::OPTIONS, options);
    for method in takes.methods() {
        routes = routes.on(*method, handler.clone());
    }
    let refuse = move || async move { method_not_allowed(takes.allow()) };
    if matches!(takes, Takes::Get | Takes::GetOrPost) {
        routes = routes.on(MethodFilter::HEAD, refuse);
    }
    routes.fallback(refuse)
}

async fn options() -> StatusCode {
    StatusCode::NO_CONTENT
}

fn method_not_allowed(allow: &'static str) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Answers 503 instead of calling the route, before the store is open and while the server stops.
pub(crate) async fn when_ready(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let readiness = &shared.state.readiness;
    if readiness.is_ready() {
        return next.run(request).await;
    }
    not_ready(readiness.is_stopping())
}

/// The answer while calls are not answered.
pub(crate) fn not_ready(stopping: bool) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    let stopping = HeaderValue::from_static(if stopping { "true" } else { "false" });
    response.headers_mut().insert("x-prometheus-stopping", stopping);
    response
}

/// Tells clients and caches of the Prometheus API that an answer depends on who asks.
pub(crate) async fn vary_by_origin(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}

/// The pattern of the route that answered, on its way to the metrics.
#[derive(Clone, Debug)]
pub(crate) struct RoutePattern(pub(crate) Arc<str>);

/// Notes which route answers. Laid around the routes, not the fallback, so that unknown paths stay out of the labels.
pub(crate) async fn note_route(request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let pattern = matched.map(|path| RoutePattern(path.as_str().replace('{', ":").replace('}', "").into()));
    let mut response = next.run(request).await.into_response();
    if let Some(pattern) = pattern {
        response.extensions_mut().insert(pattern);
    }
    response
}
