//! The flow, wired in the order in which data takes it: runtime → discovery → scrape → store → queries → rules → servers.
//!
//! Input: the specification of a run. Output: running stages behind one handle, which stops them in the opposite order.
//! No decision is taken here: each stage knows only the traits and channels that it is given.

use crate::alerting::{Alerting, AlertingSpec, RuleSpec};
use crate::autoscaling::Autoscalers;
use crate::failure::Failure;
use crate::scaling_args::ScalingSpec;
use crate::trace_args::TRACE_LISTENERS;
use crate::{own_metrics, previous_run, simulation, spans};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_broker::{Exporter, ExporterOptions};
use tidewatch_config::{
    PlatformAddresses, SCRAPE_INTERVAL, controller_job, kafka_exporter_job, platform_jobs,
};
use tidewatch_dashboard::Catalog;
use tidewatch_discovery::{Discovery, FollowOptions, MonitorJob, follow};
use tidewatch_http::{
    ApiState, ConfigStatus, HeadStats, LifecycleRequest, ListenerSpec, OtlpLimits, QueryLimits, Readiness,
    SamplingStrategies, Server, Serves, SpanReception,
};
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Append, Clock, Select, SystemClock, format_duration};
use tidewatch_otlp::{Recorder, RecorderOptions};
use tidewatch_promql::EngineOptions;
use tidewatch_runtime::{ExternalService, Runtime, RuntimeSpec};
use tidewatch_scrape::{ScrapeOptions, Scraper};
use tidewatch_telemetry::{BuildInfo, Registry};
use tidewatch_traces::StoreOptions;
use tidewatch_tsdb::{Tsdb, TsdbOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How often retention and the size of the log are seen to.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(60);
/// How long something may take before it is said what is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is to run.
pub(crate) struct PipelineSpec {
    /// Where samples are stored.
    pub(crate) store_folder: PathBuf,
    /// How long samples are kept.
    pub(crate) retention: Duration,
    /// Where the page and all APIs are served; the first is tidewatch's own target.
    pub(crate) listeners: Vec<ListenerSpec>,
    /// Spans.
    pub(crate) traces: TraceSpec,
    /// A Kafka that is watched instead of the one that runs here.
    pub(crate) kafka_bootstrap: Vec<String>,
    /// The pods to run, if any.
    pub(crate) runtime: Option<RuntimeSpec>,
    /// How their replicas follow load; without it they stay as they start.
    pub(crate) scaling: Option<ScalingSpec>,
    /// The rules, and where their alerts go.
    pub(crate) alerting: AlertingSpec,
    /// How often the pages that stand for a cluster's are scraped.
    pub(crate) scrape_interval: Duration,
    /// Jobs of a prometheus.yml.
    pub(crate) scrape_configs: Vec<ScrapeConfig>,
    /// Jobs of ServiceMonitors.
    pub(crate) monitors: Vec<MonitorJob>,
    /// The dashboards.
    pub(crate) dashboards: Catalog,
    /// Pages such as runbooks, by name.
    pub(crate) user_pages: BTreeMap<String, String>,
    /// How queries are evaluated.
    pub(crate) engine: EngineOptions,
    /// How many queries run at once.
    pub(crate) query_limits: QueryLimits,
    /// The flags in force, for the API.
    pub(crate) flags: BTreeMap<String, String>,
    /// The configuration in force, for the API.
    pub(crate) config_text: String,
    /// Where requests to reload or quit go, if they are allowed.
    pub(crate) lifecycle: Option<mpsc::Sender<LifecycleRequest>>,
}

/// How spans are taken and kept.
pub(crate) struct TraceSpec {
    /// OTLP over gRPC, OTLP over HTTP, Jaeger's query API, remote sampling.
    pub(crate) listeners: [ListenerSpec; TRACE_LISTENERS],
    /// Where they are stored.
    pub(crate) folder: PathBuf,
    /// The bounds of the store.
    pub(crate) store: StoreOptions,
    /// What is counted and kept.
    pub(crate) recorder: RecorderOptions,
    /// What samplers are told.
    pub(crate) sampling: SamplingStrategies,
}

/// Running stages.
pub(crate) struct Pipeline {
    pub(crate) runtime: Option<Arc<Runtime>>,
    pub(crate) scraper: Arc<Scraper>,
    pub(crate) store: Arc<Tsdb>,
    pub(crate) config: Arc<ConfigStatus>,
    pub(crate) recorder: Arc<Recorder>,
    /// What is wrong with autoscalers, each with its remedy.
    pub(crate) scaling_problems: Vec<String>,
    /// The addresses of the listeners, in the order of the specification.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The addresses of the listeners of traces, in the order of the specification.
    pub(crate) trace_addresses: Vec<SocketAddr>,
    /// The address of Alertmanager's API, if one runs here.
    pub(crate) alertmanager_address: Option<SocketAddr>,
    /// Jobs that no configuration names.
    platform: Vec<ScrapeConfig>,
    autoscalers: Option<Autoscalers>,
    pub(crate) alerting: Alerting,
    feeding: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    span_upkeep: JoinHandle<()>,
    clock: Arc<dyn Clock>,
    serving: JoinHandle<()>,
    stop_serving: oneshot::Sender<()>,
}

impl Pipeline {
    /// Starts every stage.
    ///
    /// # Errors
    /// When a listener, the store or the runtime cannot be had; nothing is left running then.
    pub(crate) async fn start(spec: PipelineSpec) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let start_time = clock.now();
        let registry = Arc::new(Registry::new(BuildInfo::of_version(env!("CARGO_PKG_VERSION"))));

        // listeners first: an address in use is the commonest mistake, and the cheapest to find out
        let mut listeners = spec.listeners.clone();
        listeners.extend(spec.traces.listeners);
        listeners.extend(spec.alerting.alertmanager.iter().map(|alertmanager| alertmanager.listener.clone()));
        if spec.runtime.is_some() || !spec.kafka_bootstrap.is_empty() {
            listeners.push(cluster_listener());
        }
        let server = Server::bind(&listeners).await.map_err(|e| Failure::from_error(&e))?;
        let bound = server.addresses().to_vec();
        let (addresses, rest) = bound.split_at(spec.listeners.len());
        let (trace_addresses, rest) = rest.split_at(TRACE_LISTENERS);
        let (alertmanager, cluster) = rest.split_at(usize::from(spec.alerting.alertmanager.is_some()));
        let alertmanager = alertmanager.first().copied();

        let store = open_store(spec.store_folder.clone(), spec.retention).await?;
        own_metrics::observe_store(&registry, &store);
        if spec.runtime.is_some() {
            end_previous_run(&store, start_time, spec.engine.lookback_delta).await?;
        }

        let TraceSpec { folder, store: bounds, recorder, sampling, .. } = spec.traces;
        let recorder = spans::open(folder, bounds, recorder, &clock).await?;
        own_metrics::observe_spans(&registry, &recorder);

        let manifests = spec.runtime.as_ref().map(|runtime| Arc::clone(&runtime.manifests));
        let runtime = match spec.runtime {
            Some(mut runtime) => {
                runtime.external.push(collector(trace_addresses));
                Some(Arc::new(Runtime::start(runtime).map_err(|e| Failure::from_error(&e))?))
            }
            None => None,
        };
        let kafka = Kafka::of(spec.kafka_bootstrap, runtime.as_deref());
        let mut platform = Vec::new();
        if let ([own, ..], [cluster]) = (addresses, cluster) {
            let node = runtime.as_ref().map_or("localhost", |runtime| runtime.node_name()).to_owned();
            let served = PlatformAddresses { cluster: *cluster, own: *own, node };
            platform.extend(runtime.iter().flat_map(|_| platform_jobs(&served)));
            platform.extend(spec.scaling.iter().map(|_| controller_job(&served)));
            platform.extend(kafka.iter().map(|kafka| kafka_exporter_job(&served, &kafka.namespace)));
            platform.iter_mut().for_each(|job| at_pace(job, spec.scrape_interval));
        }
        let configs = [spec.scrape_configs, platform.clone()].concat();
        let endpoints = runtime.as_ref().map(|runtime| runtime.endpoints());
        let discovery = follow(configs, spec.monitors, endpoints, FollowOptions::default());

        let append: Arc<dyn Append> = Arc::clone(&store) as _;
        let scraper = Arc::new(Scraper::start(append, Arc::clone(&clock), ScrapeOptions::default()));
        own_metrics::observe_scraper(&registry, &scraper);
        let feeding = tokio::spawn(feed(discovery, Arc::clone(&scraper)));

        // the one place where the loop of scaling closes: samples of pods → decisions → replicas
        let read: Arc<dyn Select> = Arc::clone(&store) as _;
        let autoscalers = spec.scaling.zip(manifests).zip(runtime.as_ref());
        let autoscalers = autoscalers.map(|((scaling, manifests), runtime)| {
            Autoscalers::start(&scaling, &manifests, runtime, read, spec.engine, &clock)
        });
        let autoscaling = autoscalers.as_ref().map(|autoscalers| &autoscalers.autoscaling);
        let metrics = autoscalers.as_ref().map(|autoscalers| &autoscalers.metrics);

        // the page is served at the last of the addresses
        let page = addresses.last().map(|address| format!("http://{address}")).unwrap_or_default();
        let alerting =
            Alerting::start(spec.alerting, &store, spec.engine, &clock, &registry, page, alertmanager)?;

        let (config, readiness) = (Arc::new(ConfigStatus::default()), Arc::new(Readiness::default()));
        config.loaded(spec.config_text, start_time);
        own_metrics::observe_config(&registry, &config);
        let head = Arc::clone(&store);
        let state = ApiState {
            store: Arc::clone(&store) as _,
            engine: spec.engine,
            query_limits: spec.query_limits,
            head: Box::new(move || head_stats(&head)),
            targets: Some(Arc::clone(&scraper) as _),
            rules: Some(Arc::clone(&alerting.rules) as _),
            alert_targets: Some(Arc::clone(&alerting.targets) as _),
            alertmanager: alerting.alertmanager.clone(),
            external_url: alerting.external_url.clone(),
            user_pages: spec.user_pages,
            workloads: runtime.clone().map(|runtime| runtime as _),
            autoscaling: autoscaling.map(|autoscaling| Arc::new(autoscaling.clone()) as _),
            resource_metrics: metrics.map(|metrics| Arc::clone(metrics) as _),
            custom_metrics: metrics.map(|metrics| Arc::clone(metrics) as _),
            external_metrics: metrics.map(|metrics| Arc::clone(metrics) as _),
            simulate: Some(Arc::new(simulation::answer)),
            kafka: kafka.map(|kafka| kafka.exporter),
            traces: Some(Arc::clone(recorder.store())),
            spans: Some(SpanReception {
                intake: Arc::new(spans::Intake::new(Arc::clone(&recorder), Arc::clone(&clock))),
                limits: OtlpLimits::default(),
            }),
            sampling: Arc::new(sampling),
            dashboards: Arc::new(spec.dashboards),
            registry,
            clock: Arc::clone(&clock),
            build: BuildInfo::of_version(env!("CARGO_PKG_VERSION")),
            flags: spec.flags,
            config: Arc::clone(&config),
            storage_retention: format_duration(spec.retention),
            start_time,
            readiness: Arc::clone(&readiness),
            lifecycle: spec.lifecycle,
            allowed_hosts: Vec::new(),
        };
        let (stop_serving, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(state, async {
            // an abandoned handle ends the server just as a sent word does
            let _ = stopped.await;
        }));
        readiness.set_ready();
        let samples: Arc<dyn Append> = Arc::clone(&store) as _;
        let span_upkeep = tokio::spawn(spans::upkeep(Arc::clone(&recorder), samples, Arc::clone(&clock)));
        let upkeep = tokio::spawn(upkeep(Arc::clone(&store), Arc::clone(&clock)));
        let (addresses, trace_addresses) = (addresses.to_vec(), trace_addresses.to_vec());
        Ok(Self {
            runtime,
            scraper,
            store,
            config,
            recorder,
            scaling_problems: autoscalers.as_ref().map(|a| a.problems.clone()).unwrap_or_default(),
            addresses,
            trace_addresses,
            alertmanager_address: alertmanager,
            platform,
            autoscalers,
            alerting,
            feeding,
            upkeep,
            span_upkeep,
            clock,
            serving,
            stop_serving,
        })
    }

    /// Replaces the jobs and rules of the prometheus.yml.
    ///
    /// # Errors
    /// When two groups of rules have the same file and name; nothing is changed then.
    pub(crate) async fn reload(
        &mut self,
        configs: Vec<ScrapeConfig>,
        rules: RuleSpec,
    ) -> Result<(), Failure> {
        self.alerting.reload(rules).await?;
        self.feeding.abort();
        // until it has ended, it may still be about to apply the jobs of before
        let _ = (&mut self.feeding).await;
        let configs = [configs, self.platform.clone()].concat();
        let discovery = follow(configs, Vec::new(), None, FollowOptions::default());
        self.feeding = tokio::spawn(feed(discovery, Arc::clone(&self.scraper)));
        Ok(())
    }

    /// Stops every stage, the sources first, and closes the store.
    ///
    /// # Errors
    /// When the store could not be closed in order; what was accepted is in its log nevertheless.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.feeding.abort();
        self.scraper.shutdown().await;
        self.autoscalers.iter().for_each(Autoscalers::stop);
        self.alerting.stop().await;
        if let Some(runtime) = &self.runtime {
            runtime.shutdown().await;
        }
        // the receiver is gone only when the server has ended already
        let _ = self.stop_serving.send(());
        let _ = self.serving.await;
        self.span_upkeep.abort();
        let spans = spans::close(self.recorder, self.clock).await;
        self.upkeep.abort();
        let store = self.store;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        closed.map_err(|e| Failure::from_error(&e))?.map_err(|e| Failure::from_error(&e))?;
        spans
    }
}

/// A Kafka that is watched.
struct Kafka {
    /// Where its object is, if it has one.
    namespace: String,
    exporter: Arc<Exporter>,
}

impl Kafka {
    /// The given one, or the one that runs here, if any does. A foreign one's throughput is taken from its offsets: here is no page
    /// of its brokers.
    fn of(given: Vec<String>, runtime: Option<&Runtime>) -> Option<Self> {
        let exporter = |bootstrap, throughput| {
            let options = ExporterOptions { throughput, ..ExporterOptions::default() };
            Arc::new(Exporter::new(bootstrap, options))
        };
        if !given.is_empty() {
            return Some(Self { namespace: String::new(), exporter: exporter(given, true) });
        }
        let own = runtime?.kafka_bootstrap().into_iter().next()?;
        Some(Self { namespace: own.namespace, exporter: exporter(vec![own.address.to_string()], false) })
    }
}

/// The collector of a cluster, as the files name it: this process.
fn collector(trace_addresses: &[SocketAddr]) -> ExternalService {
    let ports =
        [4317, 4318, 16686, 5778].into_iter().zip(trace_addresses.iter().map(SocketAddr::port)).collect();
    let ip = trace_addresses.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), SocketAddr::ip);
    ExternalService { namespace: "monitoring".to_owned(), name: "jaeger".to_owned(), ip, ports }
}

/// Scrapes a job as many times as often as the usual interval is longer than the one asked for.
fn at_pace(job: &mut ScrapeConfig, interval: Duration) {
    let pace = interval.div_duration_f64(SCRAPE_INTERVAL);
    job.scrape_interval = job.scrape_interval.mul_f64(pace);
    job.scrape_timeout = job.scrape_timeout.min(job.scrape_interval);
}

/// The pages of kube-state-metrics, cAdvisor and node-exporter have a listener of their own, at any free port.
fn cluster_listener() -> ListenerSpec {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    ListenerSpec { address, flag: String::new(), serves: Serves::ClusterMetrics }
}

/// Opens the store; says so where that takes a while, as after days of samples.
async fn open_store(folder: PathBuf, retention: Duration) -> Result<Arc<Tsdb>, Failure> {
    let options = TsdbOptions { retention, ..TsdbOptions::default() };
    let shown = folder.display().to_string();
    let mut opening = tokio::task::spawn_blocking(move || Tsdb::open(folder, options));
    let opened = loop {
        tokio::select! {
            opened = &mut opening => break opened,
            () = tokio::time::sleep(PATIENCE) => eprintln!("reading the samples in {shown} ..."),
        }
    };
    let store = opened.map_err(|e| Failure::from_error(&e))?.map_err(|e| Failure::from_error(&e))?;
    for notice in store.notices() {
        tracing::warn!("{notice}");
    }
    Ok(Arc::new(store))
}

async fn end_previous_run(store: &Arc<Tsdb>, now: i64, lookback: Duration) -> Result<(), Failure> {
    let store = Arc::clone(store);
    let ended = tokio::task::spawn_blocking(move || previous_run::end_series(&*store, now, lookback)).await;
    let ended = ended.map_err(|e| Failure::from_error(&e))??;
    tracing::info!(series = ended, "ended the series of the previous run");
    Ok(())
}

fn head_stats(store: &Tsdb) -> HeadStats {
    let stats = store.stats();
    HeadStats {
        num_series: stats.series as u64,
        num_label_pairs: stats.label_pairs as u64,
        chunk_count: stats.chunks as u64,
        min_time: stats.min_time.unwrap_or_default(),
        max_time: stats.max_time.unwrap_or_default(),
    }
}

/// Hands what discovery finds to the scraper.
async fn feed(mut discovery: Discovery, scraper: Arc<Scraper>) {
    while let Some(jobs) = discovery.changed().await {
        for failure in scraper.apply(jobs.to_vec()) {
            tracing::warn!("target not scraped: {failure}");
        }
    }
}

/// Retention, checkpoints: the store's own doing, when it is told that time has passed.
async fn upkeep(store: Arc<Tsdb>, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (store, now) = (Arc::clone(&store), clock.now());
        match tokio::task::spawn_blocking(move || store.maintain(now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!("upkeep of the store failed, it is tried again in a minute: {error}");
            }
            Err(_) => return,
        }
    }
}
