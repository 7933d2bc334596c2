//! What exporters of a cluster would say of this machine's pods: targets for tidewatch's own scraper.
//!
//! Input: the runtime, the autoscalers, and an exporter that asks Kafka. Output: text 0.0.4 at one path for each of kube-state-metrics,
//! cAdvisor, node-exporter, kafka_exporter and kube-controller-manager, on a listener of its own, so that they are scraped like any other target. The
//! text itself is theirs.

use crate::Shared;
use crate::endpoint::{Takes, endpoint};
use crate::reply::{EncodedBody, Encoding, on_blocking_thread, text};
use crate::sources::Workloads;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tidewatch_telemetry::Exposition;

/// Where kube-state-metrics are served.
pub const KUBE_STATE_METRICS_PATH: &str = "/metrics/kube-state";
/// Where cAdvisor's metrics are served, as by a kubelet.
pub const CADVISOR_METRICS_PATH: &str = "/metrics/cadvisor";
/// Where node-exporter's metrics are served.
pub const NODE_METRICS_PATH: &str = "/metrics/node";

/// Where kafka_exporter's metrics are served.
pub const KAFKA_METRICS_PATH: &str = "/metrics/kafka";

/// Where kube-controller-manager's metrics of autoscaling are served.
pub const CONTROLLER_METRICS_PATH: &str = "/metrics/controller-manager";

type Write = fn(&dyn Workloads, &mut String);

pub(crate) fn routes() -> Router<Shared> {
    let sources: [(&str, Write); 3] = [
        (KUBE_STATE_METRICS_PATH, |workloads, out| workloads.kube_state_metrics(out)),
        (CADVISOR_METRICS_PATH, |workloads, out| workloads.cadvisor_metrics(out)),
        (NODE_METRICS_PATH, |workloads, out| workloads.node_metrics(out)),
    ];
    let routes = Router::new()
        .route(KAFKA_METRICS_PATH, endpoint(Takes::GetOrHead, kafka))
        .route(CONTROLLER_METRICS_PATH, endpoint(Takes::GetOrHead, controller));
    sources.into_iter().fold(routes, |routes, (path, write)| {
        let serve =
            move |State(shared): State<Shared>, headers: HeaderMap| exposition(shared, headers, write);
        routes.route(path, endpoint(Takes::GetOrHead, serve))
    })
}

async fn kafka(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let Some(exporter) = &shared.state.kafka else {
        let hint =
            "no Kafka is watched here: run one with `tidewatch up`, or name one with --kafka-bootstrap\n";
        return text(StatusCode::NOT_FOUND, hint);
    };
    let mut out = String::with_capacity(16 * 1024);
    exporter.page(&mut out).await;
    let encoding = Encoding::accepted_by(&headers);
    EncodedBody::new(out.into_bytes(), encoding).into_response(Exposition::Text.content_type())
}

async fn controller(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let Some(autoscaling) = &shared.state.autoscaling else {
        let hint = "no autoscalers run here: they do with `tidewatch up`, without --no-autoscaling\n";
        return text(StatusCode::NOT_FOUND, hint);
    };
    let mut out = String::with_capacity(4096);
    autoscaling.write_metrics(&mut out);
    let encoding = Encoding::accepted_by(&headers);
    EncodedBody::new(out.into_bytes(), encoding).into_response(Exposition::Text.content_type())
}

async fn exposition(shared: Shared, headers: HeaderMap, write: Write) -> Response {
    let Some(workloads) = shared.state.workloads.clone() else {
        return text(
            StatusCode::NOT_FOUND,
            "no pods are run here: these metrics exist with `tidewatch up` only\n",
        );
    };
    let encoding = Encoding::accepted_by(&headers);
    // Reads files below /proc for every process.
    on_blocking_thread(move || {
        let mut out = String::with_capacity(64 * 1024);
        write(&*workloads, &mut out);
        EncodedBody::new(out.into_bytes(), encoding).into_response(Exposition::Text.content_type())
    })
    .await
}
