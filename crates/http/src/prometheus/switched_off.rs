//! Routes of Prometheus that are refused: some exactly as a Prometheus with default flags refuses them, some because
//! tidewatch does not have what they are about.
//!
//! Input: any call of them. Output: the refusal, naming what is missing.

use crate::Shared;
use crate::endpoint::Takes::{Get, GetOrPost, PostOrPut};
use crate::endpoint::endpoint;
use crate::error::{ApiError, ErrorType};
use axum::Router;

pub(crate) fn routes() -> Router<Shared> {
    let mut routes = Router::new();
    for path in ["delete_series", "clean_tombstones", "snapshot"] {
        let refuse = || async { ApiError::new(ErrorType::Unavailable, "admin APIs disabled") };
        routes = routes.route(&format!("/admin/tsdb/{path}"), endpoint(PostOrPut, refuse));
    }
    for path in ["metric_names", "label_names", "label_values"] {
        let refuse = || async { ApiError::new(ErrorType::Unavailable, "search API disabled") };
        routes = routes.route(&format!("/search/{path}"), endpoint(GetOrPost, refuse));
    }
    for (path, what) in [
        ("/scrape_pools/config", "scrape_pools/config (the configuration of one pool; see status/config)"),
        ("/targets/relabel_steps", "targets/relabel_steps"),
        ("/status/self_metrics", "status/self_metrics (see /metrics)"),
        ("/features", "features"),
        ("/notifications/live", "notifications/live"),
    ] {
        routes = routes.route(path, endpoint(Get, move || async move { ApiError::not_supported(what) }));
    }
    for (path, what) in [
        ("/read", "remote read"),
        ("/write", "the remote write receiver"),
        ("/otlp/v1/metrics", "the OTLP receiver for metrics"),
    ] {
        routes =
            routes.route(path, endpoint(PostOrPut, move || async move { ApiError::not_supported(what) }));
    }
    routes
}
