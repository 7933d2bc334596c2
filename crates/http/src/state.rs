//! What the server answers from: handles to the other stages, put together by the pipeline.
//!
//! Input: the pipeline's handles. Output: shared state for every route. The stages behind [`Targets`] and [`Workloads`]
//! may be absent, as in `tidewatch serve`, which runs no pods: what needs them then says so.

use crate::gate::QueryLimits;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use tidewatch_broker::Exporter;
use tidewatch_dashboard::Catalog;
use tidewatch_model::{Clock, Select};
use tidewatch_notify::Alertmanager;
use tidewatch_promql::EngineOptions;
use tidewatch_telemetry::{BuildInfo, Registry};
use tidewatch_traces::TraceStore;
use tokio::sync::{mpsc, oneshot};

use crate::alerting_sources::{AlertTargets, RuleGroups};
use crate::otlp::SpanReception;
use crate::sampling::SamplingStrategies;
use crate::scaling_sources::{Autoscaling, CustomMetrics, ExternalMetrics, ResourceMetrics, Simulate};
use crate::sources::{Targets, Workloads};

/// Everything the APIs answer from.
pub struct ApiState {
    /// Where samples are read.
    pub store: Arc<dyn Select>,
    /// How queries are evaluated; a call may shorten the look-back and the time-out.
    pub engine: EngineOptions,
    /// How many queries run at once, and how long.
    pub query_limits: QueryLimits,
    /// What the store says of its head, asked for `status/tsdb`.
    pub head: Box<dyn Fn() -> HeadStats + Send + Sync>,
    /// The scraper's targets.
    pub targets: Option<Arc<dyn Targets>>,
    /// The rules, if any are evaluated.
    pub rules: Option<Arc<dyn RuleGroups>>,
    /// Where their alerts are sent, beside the Alertmanager that runs here.
    pub alert_targets: Option<Arc<dyn AlertTargets>>,
    /// The Alertmanager that runs here.
    pub alertmanager: Option<Arc<Alertmanager>>,
    /// Under which address this server is reached, for links; without a slash at the end.
    pub external_url: String,
    /// Pages below `/user/`, such as runbooks, by name.
    pub user_pages: BTreeMap<String, String>,
    /// The pods and their metrics.
    pub workloads: Option<Arc<dyn Workloads>>,
    /// The autoscalers.
    pub autoscaling: Option<Arc<dyn Autoscaling>>,
    /// What pods and nodes use.
    pub resource_metrics: Option<Arc<dyn ResourceMetrics>>,
    /// Metrics of pods and other objects.
    pub custom_metrics: Option<Arc<dyn CustomMetrics>>,
    /// Metrics of things outside.
    pub external_metrics: Option<Arc<dyn ExternalMetrics>>,
    /// Runs simulations of autoscaling.
    pub simulate: Option<Arc<Simulate>>,
    /// What asks Kafka for its metrics.
    pub kafka: Option<Arc<Exporter>>,
    /// Where traces are read; without it Jaeger's APIs say that there are none.
    pub traces: Option<Arc<TraceStore>>,
    /// Where spans that come in over OTLP go; without it they are refused.
    pub spans: Option<SpanReception>,
    /// What remote samplers are told.
    pub sampling: Arc<SamplingStrategies>,
    /// The dashboards.
    pub dashboards: Arc<Catalog>,
    /// tidewatch's own metrics, served at `/metrics`; the server adds its own.
    pub registry: Arc<Registry>,
    /// The current time.
    pub clock: Arc<dyn Clock>,
    /// Which build this is.
    pub build: BuildInfo,
    /// The flags in force, by name without dashes.
    pub flags: BTreeMap<String, String>,
    /// The configuration in force.
    pub config: Arc<ConfigStatus>,
    /// How long samples are kept, as text, e.g. `7d`.
    pub storage_retention: String,
    /// When the program started, in milliseconds since the Unix epoch.
    pub start_time: i64,
    /// Whether calls are answered yet.
    pub readiness: Arc<Readiness>,
    /// Where `POST /-/reload` and `/-/quit` go; `None` refuses them (`--web.enable-lifecycle` is off).
    pub lifecycle: Option<mpsc::Sender<LifecycleRequest>>,
    /// Names that a request's `Host` may have besides loopback names and addresses.
    pub allowed_hosts: Vec<String>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("build", &self.build).finish_non_exhaustive()
    }
}

/// The head of the store, for `status/tsdb`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadStats {
    /// Series in memory.
    pub num_series: u64,
    /// Distinct label pairs in memory.
    pub num_label_pairs: u64,
    /// Chunks in memory.
    pub chunk_count: u64,
    /// The oldest sample, in milliseconds since the Unix epoch.
    pub min_time: i64,
    /// The newest sample, in milliseconds since the Unix epoch.
    pub max_time: i64,
}

/// The configuration that is in force, and whether the last attempt to replace it worked.
#[derive(Debug, Default)]
pub struct ConfigStatus(RwLock<ConfigState>);

#[derive(Clone, Debug, Default)]
struct ConfigState {
    yaml: String,
    loaded_at: i64,
    failed: bool,
}

impl ConfigStatus {
    /// Notes that `yaml` is in force since `at`, in milliseconds since the Unix epoch.
    pub fn loaded(&self, yaml: String, at: i64) {
        *self.lock() = ConfigState { yaml, loaded_at: at, failed: false };
    }

    /// Notes that the last attempt to load a configuration failed; the one before stays in force.
    pub fn failed(&self) {
        self.lock().failed = true;
    }

    pub(crate) fn yaml(&self) -> String {
        self.lock().yaml.clone()
    }

    /// Whether the last attempt worked, and when the configuration in force was loaded, in milliseconds since the Unix
    /// epoch.
    pub fn last_load(&self) -> (bool, i64) {
        let state = self.lock();
        (!state.failed, state.loaded_at)
    }

    fn lock(&self) -> std::sync::RwLockWriteGuard<'_, ConfigState> {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether the server answers calls: not before the store is open, and not while it stops.
#[derive(Debug, Default)]
pub struct Readiness {
    ready: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// From now on, calls are answered.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::SeqCst);
    }

    /// From now on, new calls are refused.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether calls are answered.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::SeqCst) && !self.is_stopping()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// What a client of the management API asks the program to do.
#[derive(Debug)]
pub enum LifecycleRequest {
    /// Read the configuration again and answer with the reason if it cannot be used.
    Reload(oneshot::Sender<Result<(), String>>),
    /// End the program in order.
    Quit,
}
