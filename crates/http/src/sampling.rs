//! Jaeger's remote sampling: how often which service should start a trace.
//!
//! Input: `GET /sampling?service=X` (and `/api/sampling`), as Jaeger's samplers ask every few seconds. Output: the service's
//! strategy in Jaeger's JSON. The same for everybody who asks: nothing is learned from traffic, and Jaeger's gRPC form of
//! the same question is not served.

mod strategies;

pub use strategies::SamplingStrategies;

use crate::Shared;
use crate::endpoint::{Takes, endpoint};
use crate::parameters::Parameters;
use crate::reply::text;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/sampling", endpoint(Takes::GetOrPost, strategy))
        .route("/api/sampling", endpoint(Takes::GetOrPost, strategy))
        .fallback(async || crate::reply::not_found())
}

async fn strategy(State(shared): State<Shared>, parameters: Parameters) -> Response {
    let mut services = parameters.all("service");
    let (Some(service), None) = (services.next(), services.next()) else {
        return text(StatusCode::BAD_REQUEST, "'service' parameter must be provided once\n");
    };
    let mut response = Response::new(Body::from(shared.state.sampling.answer(service)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
