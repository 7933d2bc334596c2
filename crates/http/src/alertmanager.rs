//! Alertmanager's API v2, as Alertmanager 0.34 answers it: paths, statuses, texts, order of fields.
//!
//! Input: calls of amtool, of Prometheus, of Grafana and of the page. Output: what the [`Alertmanager`] of this program knows, and what it is
//! told. In reading order: [`source`] lets a call in, `asked` and `body` read what is asked and sent (`postable` with `date_time` and
//! `generator_url` are the objects of bodies), `status`, `alerts` and `silences` answer, and `reply` is the form of answers and refusals.
//!
//! Deliberately not here: clusters of Alertmanagers, API v1, CORS, and the specification as a file.
//!
//! [`Alertmanager`]: tidewatch_notify::Alertmanager

mod alerts;
mod asked;
mod body;
mod date_time;
mod generator_url;
mod postable;
mod reply;
mod silences;
mod source;
mod status;

use crate::Shared;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any};
use axum::{Extension, Router};
use reply::Refusal;
use source::Reads;

const ROOT: &str = "/api/v2";

/// The routes below `/api/v2`.
pub(crate) fn routes() -> Router<Shared> {
    let get_or_post = [MethodFilter::POST, MethodFilter::GET];
    let table = [
        ("/status", one(MethodFilter::GET, status::status, "GET")),
        ("/receivers", one(MethodFilter::GET, status::receivers, "GET")),
        ("/alerts", two(get_or_post, alerts::take, alerts::list, "POST,GET")),
        ("/alerts/groups", one(MethodFilter::GET, alerts::groups, "GET")),
        ("/silences", two(get_or_post, silences::set, silences::list, "POST,GET")),
        (
            "/silence/{id}",
            two([MethodFilter::DELETE, MethodFilter::GET], silences::expire, silences::one, "DELETE,GET"),
        ),
    ];
    let served = table.into_iter().fold(Router::new(), |routes, (path, methods)| {
        // with a slash at the end it is the same
        routes.route(&format!("{ROOT}{path}"), methods.clone()).route(&format!("{ROOT}{path}/"), methods)
    });
    served
        .layer(Extension(Reads::default()))
        .route(ROOT, any(unknown))
        .route(&format!("{ROOT}/"), any(unknown))
        .route(&format!("{ROOT}/{{*path}}"), any(unknown))
        .layer(map_response(not_stored))
}

fn one<H, T>(method: MethodFilter, handler: H, allow: &'static str) -> MethodRouter<Shared>
where
    H: Handler<T, Shared>,
    T: 'static,
{
    let refuse = async move |method: Method| Refusal::MethodNotAllowed(method, allow);
    // what reads would answer to HEAD too
    MethodRouter::new().on(method, handler).on(MethodFilter::HEAD, refuse).fallback(refuse)
}

fn two<H1, T1, H2, T2>(
    methods: [MethodFilter; 2],
    first: H1,
    second: H2,
    allow: &'static str,
) -> MethodRouter<Shared>
where
    H1: Handler<T1, Shared>,
    T1: 'static,
    H2: Handler<T2, Shared>,
    T2: 'static,
{
    one(methods[0], first, allow).on(methods[1], second)
}

async fn unknown(uri: Uri) -> Refusal {
    Refusal::coded(404, format!("path {} was not found", uri.path()))
}

async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
