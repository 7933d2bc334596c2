//! What every request passes: where it may come from, what is counted, what its answer forbids.
//!
//! Input: requests before routing. Output: refusals, or the route's answer with security headers. A page of another site
//! cannot read any answer, as no CORS header is ever sent, and cannot reach the server under a name of its own (DNS
//! rebinding), as `Host` must be an address, a loopback name or a configured one. Prometheus allows both by default.

use crate::Shared;
use crate::endpoint::RoutePattern;
use crate::reply::text;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::time::Instant;

/// What stands in for the route of a request that none took, in metrics.
const NO_ROUTE: &str = "/*path";

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Checks, counts and times a request, and finishes its answer.
pub(crate) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let mut response = match refused_host(&shared, &request) {
        Some(host) => {
            shared.metrics.rejected("host");
            let refusal =
                format!("the host {host:?} is not this server's\nhint: use its address or localhost\n");
            text(StatusCode::FORBIDDEN, refusal)
        }
        None => next.run(request).await,
    };
    let pattern = response.extensions_mut().remove::<RoutePattern>();
    let handler = pattern.as_ref().map_or(NO_ROUTE, |pattern| &*pattern.0);
    shared.metrics.request(handler, response.status().as_u16(), started.elapsed().as_secs_f64());
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The host that was asked for, if it is none of ours. HTTP/1.0 may name none.
fn refused_host(shared: &Shared, request: &Request) -> Option<String> {
    let header = request.headers().get(header::HOST);
    let host = match (header, request.uri().host()) {
        (Some(value), _) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        (None, Some(host)) => host.to_owned(),
        (None, None) => return None,
    };
    (!is_own_host(&host, &shared.state.allowed_hosts)).then_some(host)
}

fn is_own_host(host: &str, allowed: &[String]) -> bool {
    let name = without_port(host);
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_loopback = name == "localhost" || name.ends_with(".localhost");
    is_address || is_loopback || allowed.iter().any(|own| own.eq_ignore_ascii_case(&name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Whether a browser says that the request comes from a page of another origin.
pub(crate) fn is_foreign_origin(headers: &HeaderMap) -> bool {
    let value = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
    let Some(origin) = value(header::ORIGIN) else {
        return matches!(
            headers.get("sec-fetch-site").map(HeaderValue::as_bytes),
            Some(b"cross-site" | b"same-site")
        );
    };
    let own = value(header::HOST).unwrap_or_default();
    origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://")) != Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_and_addresses_are_hosts() {
        let check = |host: &str, expected: bool| {
            assert_eq!(is_own_host(host, &["Monitor.lan".to_owned()]), expected, "{host}");
        };
        check("localhost:3000", true);
        check("LOCALHOST.", true);
        check("grafana.localhost:3000", true);
        check("127.0.0.1:9090", true);
        check("[::1]:9090", true);
        check("[::1]", true);
        check("192.168.1.4", true);
        check("monitor.lan:9090", true);
        check("evil.example", false);
        check("evil.example:9090", false);
        check("localhost.evil.example", false);
        check("127.0.0.1.evil.example", false);
        check("notlocalhost", false);
        check("", false);
    }

    #[test]
    fn origins_are_compared_with_the_host() {
        let check = |pairs: &[(&'static str, &'static str)], expected: bool| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(is_foreign_origin(&headers.collect()), expected, "{pairs:?}");
        };
        check(&[("host", "localhost:3000")], false);
        check(&[("host", "localhost:3000"), ("origin", "http://localhost:3000")], false);
        check(&[("host", "localhost:3000"), ("origin", "http://localhost:8080")], true);
        check(&[("host", "localhost:3000"), ("origin", "null")], true);
        check(&[("host", "localhost:3000"), ("sec-fetch-site", "cross-site")], true);
        check(&[("host", "localhost:3000"), ("sec-fetch-site", "same-origin")], false);
    }
}
