//! The way from the browser to the backend and the event service.
//!
//! Input: requests under `/api`. Output: the service's own answer, streamed, or a problem: 502 when it cannot be reached, 504 when
//! it does not answer in time. A GET that meets a connection which just ended is sent once more. What is passed on is a CLIENT span
//! below the request's, and the service behind continues the trace. Deliberately changes nothing in a
//! body and passes on only the routes that exist.

use std::{error::Error, io, time::Duration};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::{LengthLimitError, Limited};
use hyper_util::client::legacy;
use todo_telemetry::{
    BaseUrl, HttpClient, MAX_BODY_BYTES, Problem, Routes, Span, SpanKind, check_declared_length, discard,
    http_client,
};

use crate::FrontendSettings;

/// How long connecting may take: a neighbour answers in milliseconds or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Headers that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// The two services behind this one.
#[derive(Clone)]
pub(crate) struct Proxy {
    client: HttpClient,
    backend: BaseUrl,
    event_service: BaseUrl,
    timeout: Duration,
}

/// Adds the proxied routes. Each lists what the service behind it may answer, and 502 and 504.
pub(crate) fn proxy_routes(routes: Routes<Proxy>) -> Routes<Proxy> {
    const READ: &[u16] = &[200, 400, 404, 502, 503, 504];
    const WRITE: &[u16] = &[200, 400, 404, 408, 413, 415, 422, 502, 503, 504];
    routes
        .route(
            "/api/tasks",
            get(to_backend).post(to_backend),
            &[
                (Method::GET, &[200, 400, 502, 503, 504]),
                (Method::POST, &[201, 400, 408, 413, 415, 422, 502, 503, 504]),
            ],
        )
        .route(
            "/api/tasks/{id}",
            get(to_backend).put(to_backend).patch(to_backend).delete(to_backend),
            &[
                (Method::GET, READ),
                (Method::PUT, WRITE),
                (Method::PATCH, WRITE),
                (Method::DELETE, &[204, 400, 404, 502, 503, 504]),
            ],
        )
        .route("/api/tasks/{id}/complete", post(to_backend), &[(Method::POST, READ)])
        .route("/api/tasks/{id}/reopen", post(to_backend), &[(Method::POST, READ)])
        .route("/api/activity", get(to_event_service), &[(Method::GET, &[200, 400, 502, 503, 504])])
}

async fn to_backend(State(proxy): State<Proxy>, request: Request) -> Response {
    proxy.pass(&proxy.backend, "the backend", request).await
}

async fn to_event_service(State(proxy): State<Proxy>, request: Request) -> Response {
    proxy.pass(&proxy.event_service, "the event service", request).await
}

impl Proxy {
    pub(crate) fn new(settings: &FrontendSettings) -> Self {
        Self {
            client: http_client(CONNECT_TIMEOUT),
            backend: settings.backend.clone(),
            event_service: settings.event_service.clone(),
            timeout: settings.upstream_timeout,
        }
    }

    async fn pass(&self, service: &BaseUrl, name: &'static str, request: Request) -> Response {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let Some(address) = service.join(path) else {
            return Problem::not_found("this path cannot be passed on").into_response();
        };
        let (mut parts, body) = request.into_parts();
        // The service would refuse it too, but in the middle of the body, and its refusal could be lost with the connection.
        if let Err(problem) = check_declared_length(&parts.headers) {
            discard(body);
            return problem.into_response();
        }
        let body = Body::new(Limited::new(body, MAX_BODY_BYTES));
        without_connection_headers(&mut parts.headers);
        let host = HeaderValue::from_str(service.authority()).expect("a checked authority is a header");
        parts.headers.insert(header::HOST, host);
        let mut span = client_span(service, &parts);
        if let Some(context) = span.context() {
            context.inject(&mut parts.headers);
        }
        match tokio::time::timeout(self.timeout, self.send(parts, address, body, &mut span)).await {
            Ok(Ok(response)) => {
                let status = response.status();
                span.attribute("http.response.status_code", status.as_u16());
                if status.is_client_error() || status.is_server_error() {
                    span.error(status.as_str(), "");
                }
                let (mut parts, body) = response.into_parts();
                without_connection_headers(&mut parts.headers);
                Response::from_parts(parts, Body::new(body))
            }
            Ok(Err(error)) if has_cause(&error, |cause| cause.is::<LengthLimitError>()) => {
                span.error("body_too_large", "the caller's body is over the limit");
                Problem::body_too_large().into_response()
            }
            Ok(Err(error)) => {
                let kind = if error.is_connect() { "connect" } else { "connection_broken" };
                span.error(kind, "the service could not be reached");
                unreachable_service(name, &error)
            }
            Err(_) => {
                span.error("timeout", "the service did not answer in time");
                tracing::warn!(service = name, "no answer in time");
                let detail = format!("{name} did not answer within {} ms", self.timeout.as_millis());
                Problem::new(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", "Service too slow", detail)
                    .into_response()
            }
        }
    }

    async fn send(
        &self,
        parts: Parts,
        address: Uri,
        body: Body,
        span: &mut Span,
    ) -> Result<Response<hyper::body::Incoming>, legacy::Error> {
        let request = |body: Body| {
            let mut request = Request::new(body);
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = address.clone();
            *request.headers_mut() = parts.headers.clone();
            request
        };
        if parts.method != Method::GET {
            return self.client.request(request(body)).await;
        }
        match self.client.request(request(Body::empty())).await {
            // A replica that stops, or closes an old connection, may do so just when a request is on its way to it.
            Err(error) if !error.is_connect() && connection_ended(&error) => {
                span.attribute("http.request.resend_count", 1_i64);
                self.client.request(request(Body::empty())).await
            }
            outcome => outcome,
        }
    }
}

/// The span of passing a request on, named by the route it came in on: the services have the same ones.
fn client_span(service: &BaseUrl, request: &Parts) -> Span {
    let route = request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let mut span = Span::child_with(SpanKind::Client, || format!("{} {route}", request.method));
    if span.is_recording() {
        let (host, port) = service.host_and_port();
        span.attribute("http.request.method", request.method.as_str());
        span.attribute("url.template", route);
        // Without the query: it holds what a person searches for.
        span.attribute("url.full", &format!("http://{}{}", service.authority(), request.uri.path()));
        span.attribute("server.address", host);
        span.attribute("server.port", port);
    }
    span
}

/// Removes what concerns the connection, with everything that `Connection` itself names.
fn without_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Whether the peer ended the connection before it answered anything.
fn connection_ended(error: &legacy::Error) -> bool {
    has_cause(error, |cause| {
        let of_http = cause.downcast_ref::<hyper::Error>();
        let of_system = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        of_http.is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed())
            || matches!(of_system, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
    })
}

/// Whether any of the causes of `error` is `wanted`.
fn has_cause(error: &legacy::Error, wanted: impl Fn(&(dyn Error + 'static)) -> bool) -> bool {
    std::iter::successors(error.source(), |cause| (*cause).source()).any(wanted)
}

fn unreachable_service(name: &'static str, error: &legacy::Error) -> Response {
    let reason = if error.is_connect() { "cannot be connected to" } else { "broke the connection off" };
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(service = name, reason, cause, "a request could not be passed on");
    let detail = format!("{name} {reason}; hint: try again in a moment");
    Problem::new(StatusCode::BAD_GATEWAY, "upstream-unreachable", "Service unreachable", detail)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Private-Hop"),
            ("x-private-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("traceparent", "00-1-2-3"),
            ("content-type", "application/json"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        without_connection_headers(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "traceparent"]);
    }
}
