//! A server that a test has for itself, stopped when the test ends.

use crate::doubles::{TwoPools, example};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_dashboard::Catalog;
use tidewatch_http::{
    ApiState, ConfigStatus, ConnectionLimits, HeadStats, ListenerSpec, QueryLimits, Readiness, Server, Serves,
};
use tidewatch_model::{ManualClock, Select};
use tidewatch_promql::EngineOptions;
use tidewatch_telemetry::{BuildInfo, Registry};
use tokio::sync::oneshot;

/// The time of every test: 2023-11-14T22:13:20Z.
pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) cluster_metrics: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) ended: Option<tokio::task::JoinHandle<()>>,
}

impl Served {
    /// Ends the server and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.ended.take().unwrap().await.unwrap();
    }

    /// Ends the server without waiting.
    pub(crate) fn begin_to_stop(&mut self) {
        drop(self.stop.take());
    }
}

/// State over the example store.
pub(crate) fn example_state() -> ApiState {
    state_over(Arc::new(example(NOW)))
}

pub(crate) fn state_over(store: Arc<dyn Select>) -> ApiState {
    let readiness = Arc::new(Readiness::default());
    readiness.set_ready();
    let config = Arc::new(ConfigStatus::default());
    config.loaded("global:\n  scrape_interval: 30s\n".to_owned(), NOW);
    let build = BuildInfo::of_version("0.1.0");
    ApiState {
        store,
        engine: EngineOptions::default(),
        query_limits: QueryLimits { max_concurrency: 4, timeout: Duration::from_secs(20) },
        head: Box::new(|| HeadStats {
            num_series: 3,
            num_label_pairs: 5,
            chunk_count: 3,
            min_time: 1,
            max_time: 2,
        }),
        targets: Some(Arc::new(TwoPools)),
        rules: None,
        alert_targets: None,
        alertmanager: None,
        external_url: String::new(),
        user_pages: BTreeMap::new(),
        workloads: None,
        autoscaling: None,
        resource_metrics: None,
        custom_metrics: None,
        external_metrics: None,
        simulate: None,
        kafka: None,
        traces: None,
        spans: None,
        sampling: Arc::default(),
        dashboards: Arc::new(Catalog::new()),
        registry: Arc::new(Registry::new(build.clone())),
        clock: Arc::new(ManualClock::new(NOW)),
        build,
        flags: BTreeMap::from([("web.listen-address".to_owned(), "127.0.0.1:9090".to_owned())]),
        config,
        storage_retention: "7d".to_owned(),
        start_time: NOW - 5000,
        readiness,
        lifecycle: None,
        allowed_hosts: vec!["monitor.test".to_owned()],
    }
}

pub(crate) fn listener(address: &str, serves: Serves) -> ListenerSpec {
    let flag = "--web.listen-address".to_owned();
    ListenerSpec { address: address.parse().unwrap(), flag, serves }
}

pub(crate) async fn serve(state: ApiState) -> Served {
    serve_within(ConnectionLimits::default(), state).await
}

pub(crate) async fn serve_within(limits: ConnectionLimits, state: ApiState) -> Served {
    let specs =
        [listener("127.0.0.1:0", Serves::Everything), listener("127.0.0.1:0", Serves::ClusterMetrics)];
    let server = Server::bind(&specs).await.unwrap().with_limits(limits);
    let [address, cluster_metrics] = server.addresses().try_into().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = server.serve(state, async {
        let _ = stopped.await;
    });
    let ended = Some(tokio::spawn(serving));
    Served { address, cluster_metrics, stop: Some(stop), ended }
}

/// Asks again until `holds`, for at most ten seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
