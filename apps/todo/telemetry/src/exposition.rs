//! `/metrics` in the two formats Prometheus asks for.
//!
//! Input: a registry and the scraper's `Accept` header. Output: OpenMetrics 1.0 when it is preferred, else the text format
//! 0.0.4. Deliberately on a listener of its own, so that the Service that carries users never carries metrics.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text, registry::Registry};

use crate::{Faults, Problem, fault_routes::fault_routes, process_metrics::ProcessMetrics};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// An empty registry that already reports the process itself (`process_*`).
pub fn new_registry() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ProcessMetrics::new()));
    registry
}

/// A router with the route `GET /metrics`, and those by which faults are caused.
pub fn metrics_routes(registry: Arc<Registry>, faults: &Faults) -> Router {
    Router::new()
        .route("/metrics", get(exposition))
        .with_state((registry, faults.clone()))
        .merge(fault_routes(faults))
        .fallback(async || Problem::not_found("only /metrics and /faults are served on this port"))
}

async fn exposition(
    State((registry, faults)): State<(Arc<Registry>, Faults)>,
    headers: HeaderMap,
) -> Response {
    if let Some(page) = faults.metrics_page() {
        return ([(header::CONTENT_TYPE, TEXT)], page).into_response();
    }
    let mut body = String::with_capacity(32 * 1024);
    if text::encode(&mut body, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if prefers_openmetrics(accept) {
        ([(header::CONTENT_TYPE, OPENMETRICS)], body).into_response()
    } else {
        ([(header::CONTENT_TYPE, TEXT)], to_text_format(&body)).into_response()
    }
}

/// Whether OpenMetrics has a higher quality value in `accept` than plain text; the first wins a tie.
fn prefers_openmetrics(accept: &str) -> bool {
    let mut best: Option<(f32, bool)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let openmetrics = match parts.next() {
            Some("application/openmetrics-text") => true,
            Some("text/plain" | "text/*" | "*/*") => false,
            _ => continue,
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Some(1.0), |quality| quality.trim().parse::<f32>().ok())
            .unwrap_or(0.0);
        if quality > best.map_or(0.0, |(highest, _)| highest) {
            best = Some((quality, openmetrics));
        }
    }
    best.is_some_and(|(_, openmetrics)| openmetrics)
}

/// Rewrites OpenMetrics as the older text format: a counter's `HELP` and `TYPE` carry the `_total` of its samples, there is no
/// `UNIT`, no `EOF` and no exemplar. The registry holds no timestamp, so the rest of a sample is the same bytes in both.
fn to_text_format(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 512);
    let mut help: Option<(&str, &str)> = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, text_of_help)) = help.take().filter(|(described, _)| *described == name) {
                text.extend(["# HELP ", name, suffix, " ", text_of_help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([without_exemplar(line), "\n"]);
        }
    }
    text
}

/// A sample up to the ` # {` that begins its exemplar. A label's value may hold the same characters, but within quotes.
fn without_exemplar(sample: &str) -> &str {
    if !sample.contains(" # {") {
        return sample;
    }
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample[..index].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

    use super::*;

    #[test]
    fn the_accept_header_chooses_the_format() {
        let check =
            |accept: &str, expected: bool| assert_eq!(prefers_openmetrics(accept), expected, "{accept}");
        check("", false);
        check("*/*", false);
        check("application/openmetrics-text", true);
        check(
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
            true,
        );
        check("application/openmetrics-text;version=1.0.0;q=0.3, text/plain;version=0.0.4;q=0.4", false);
        check("application/openmetrics-text;q=0", false);
        check("application/openmetrics-text;q=high, text/plain;q=0.1", false);
        check("text/html", false);
    }

    #[test]
    fn the_text_format_has_no_exemplars() {
        let check = |sample: &str, expected: &str| assert_eq!(without_exemplar(sample), expected);
        check("up 1", "up 1");
        check(r#"d_bucket{le="1"} 3 # {trace_id="00"} 0.5 17.5"#, r#"d_bucket{le="1"} 3"#);
        check(r#"d{path="/a # {b"} 3"#, r#"d{path="/a # {b"} 3"#);
        check(r#"d{path="\" # {b"} 3 # {a="b"} 1"#, r#"d{path="\" # {b"} 3"#);
    }

    #[test]
    fn the_text_format_names_counters_with_their_suffix() {
        let mut registry = Registry::default();
        let (seen, open) = (Counter::<u64>::default(), Gauge::<i64>::default());
        registry.register("seen", "Things seen", seen.clone());
        registry.register("open", "Things open", open.clone());
        seen.inc_by(3);
        open.set(2);
        let mut body = String::new();
        text::encode(&mut body, &registry).unwrap();
        assert_eq!(
            to_text_format(&body),
            "# HELP seen_total Things seen.\n# TYPE seen_total counter\nseen_total 3\n\
             # HELP open Things open.\n# TYPE open gauge\nopen 2\n"
        );
    }
}
