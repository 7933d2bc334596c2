//! The layer around one route: counts, times and traces it, contains its panics, and gives its refusals their `instance`.
//!
//! Input: a request, with the handles of the route it was matched to. Output: the handler's response, or a problem when it
//! panicked. A request whose caller leaves is counted when it is dropped. The handler runs in the request's span. Deliberately allocates nothing for a request that
//! succeeds.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    extract::Request,
    http::Uri,
    response::{IntoResponse, Response},
};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{
    Problem, Span, TraceContext,
    current_context::Entered,
    http_metrics::{CLIENT_CLOSED_REQUEST, RouteMetrics, method_index},
    server_span::{RouteTraces, describe_answer},
};

/// Wraps the handlers of one route; without metrics and traces only panics and problems are handled.
#[derive(Clone)]
pub(crate) struct ObserveLayer {
    pub(crate) route: Option<Arc<RouteMetrics>>,
    pub(crate) traces: Option<Arc<RouteTraces>>,
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, layer: self.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
}

impl<S> Service<Request> for Observe<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let ObserveLayer { route, traces } = &self.layer;
        let mut context = None;
        let observation = (route.is_some() || traces.is_some()).then(|| {
            let (method, started) = (method_index(request.method()), Instant::now());
            let span =
                traces.as_ref().map_or_else(Span::none, |traces| traces.begin(method, &request, started));
            context = span.context().cloned();
            Observation { method, route: route.clone(), started, span, answered: false }
        });
        let uri = request.uri().clone();
        ObserveFuture { inner: self.inner.call(request), uri, context, observation }
    }
}

pin_project! {
    pub(crate) struct ObserveFuture<F> {
        #[pin]
        inner: F,
        uri: Uri,
        context: Option<TraceContext>,
        observation: Option<Observation>,
    }
}

impl<F, R> Future for ObserveFuture<F>
where
    F: Future<Output = Result<R, Infallible>>,
    R: IntoResponse,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = Entered::new(this.context);
        let response = match catch_unwind(AssertUnwindSafe(|| this.inner.poll(context))) {
            Ok(poll) => with_instance(ready!(poll).into_response(), this.uri),
            Err(_) => Problem::internal().respond(Some(this.uri.path())),
        };
        if let Some(mut observation) = this.observation.take() {
            observation.answer(response.status().as_u16());
        }
        Poll::Ready(Ok(response))
    }
}

/// Gives a refusal the path it refused. Headers set by an inner layer (`Allow`) are kept.
fn with_instance(mut response: Response, uri: &Uri) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = problem.respond(Some(uri.path())).into_body();
        response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
    }
    response
}

struct Observation {
    route: Option<Arc<RouteMetrics>>,
    method: usize,
    started: Instant,
    span: Span,
    answered: bool,
}

impl Observation {
    fn answer(&mut self, status: u16) {
        self.answered = true;
        if let Some(route) = &self.route {
            route.record(self.method, status, self.started.elapsed(), self.span.context());
        }
        describe_answer(&mut self.span, status);
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if !self.answered {
            self.answer(CLIENT_CLOSED_REQUEST);
        }
    }
}
