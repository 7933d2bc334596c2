//! `tidewatch up`: the application's pods and their monitoring, until someone stops it.
//!
//! Input: the command's arguments. Output: running stages, a table of addresses, a line that stays current, and
//! `addresses.json` for scripts.

use crate::addresses::{Addresses, TraceAddresses};
use crate::alerting::RuleSpec;
use crate::cli::UpArgs;
use crate::failure::Failure;
use crate::fault;
use crate::notifications::{config_of, read_config};
use crate::pipeline::{Pipeline, PipelineSpec, TraceSpec};
use crate::signals::{Signals, Wish};
use crate::status::{Snapshot, StatusLine, table};
use crate::usage::Usage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidewatch_config::{UpInput, UpSpec, up_spec};
use tidewatch_discovery::{MonitorDefaults, diagnose, monitor_jobs, not_scraped};
use tidewatch_http::{ListenerSpec, Serves};
use tidewatch_manifest::{ConfigMap, Secret};
use tidewatch_notify::Config;
use tidewatch_runtime::{GuardCommand, RuntimeEvent, RuntimeSpec, VolumeClaim};
use tidewatch_scrape::TargetHealth;

/// How often the status line is drawn.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the command until a signal ends it.
///
/// # Errors
/// When nothing can be started; the text names the thing and the remedy.
pub(crate) async fn run(args: &UpArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let mut signals = Signals::new()?;
    if args.end_with_parent {
        let signal = Some(rustix::process::Signal::TERM);
        rustix::process::set_parent_process_death_signal(signal).map_err(|e| Failure::from_error(&e))?;
    }
    let input =
        UpInput { files: args.files.clone(), settings: args.config.clone(), expose: args.expose.clone() };
    let spec = up_spec(&input).map_err(|e| Failure::from_error(&e))?;
    for complaint in spec.errors.iter().chain(&spec.warnings) {
        eprintln!("{complaint}");
    }
    for diagnosis in not_scraped(&spec.manifests.others) {
        eprintln!("{diagnosis}");
    }
    let monitors = spec.manifests.service_monitors.clone();
    let pipeline = Pipeline::start(pipeline_spec(args, spec)?).await?;
    let addresses = announce(args, &pipeline)?;
    let mut line = StatusLine::new();
    line.message(&addresses_table(&addresses, args));
    let mut watch = Watch { started, usage: Usage::default(), told: false, warned: BTreeSet::new() };
    let mut ticks = tokio::time::interval(STATUS_INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => watch.show(&pipeline, &mut line, &monitors),
            // a terminal that is closed sends SIGHUP: nothing must go on behind it
            _ = signals.next() => break,
        }
    }
    stop(args, pipeline, signals, &mut line).await
}

async fn stop(
    args: &UpArgs,
    pipeline: Pipeline,
    mut signals: Signals,
    line: &mut StatusLine,
) -> Result<(), Failure> {
    let pods = pipeline.runtime.as_ref().map_or(0, |runtime| runtime.pods().len());
    line.message(&format!("stopping {pods} pod(s) in order; Ctrl-C again ends them at once ..."));
    Addresses::remove(&args.data_dir);
    tokio::select! {
        stopped = pipeline.stop() => stopped,
        // dropping the pipeline kills what still runs; the store's log holds every accepted sample
        () = another_stop(&mut signals) => Err(Failure::new("stopped at once, as asked by a second signal")),
    }
}

async fn another_stop(signals: &mut Signals) {
    while signals.next().await != Wish::Stop {}
}

fn pipeline_spec(args: &UpArgs, mut spec: UpSpec) -> Result<PipelineSpec, Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::from_error(&e))?;
    let defaults = MonitorDefaults { interval: args.scrape_interval, ..MonitorDefaults::default() };
    let (monitors, refused) = monitor_jobs(&spec.manifests.service_monitors, defaults);
    for error in refused {
        eprintln!("{error}");
    }
    if args.enable_faults {
        fault::enable(&mut spec.settings);
    }
    let engine = args.query.engine(args.scrape_interval, &args.features);
    let (mut rules, refused) =
        RuleSpec::of_manifests(&spec.manifests.prometheus_rules, args.scrape_interval, &engine);
    for error in refused {
        eprintln!("{error}");
    }
    rules.alertmanagers.alertmanagers.clone_from(&args.alertmanagers);
    let notifications = notifications(args, &spec.manifests.secrets)?;
    let user_pages = pages_of(&spec.manifests.config_maps);
    let runtime = RuntimeSpec {
        expose: spec.exposed().clone(),
        manifests: Arc::new(spec.manifests),
        settings: spec.settings,
        settings_folder: spec.settings_dir,
        bin_folder: program.parent().unwrap_or(Path::new("/")).to_path_buf(),
        data_folder: args.data_dir.clone(),
        program: program.clone(),
        external: Vec::new(),
        node_name: String::new(),
        eviction: args.eviction_hard,
        claims: vec![samples_volume(args)],
        guard: Some(GuardCommand { program, args: vec!["guard".to_owned()] }),
    };
    let everything =
        |address, flag: &str| ListenerSpec { address, flag: flag.to_owned(), serves: Serves::Everything };
    Ok(PipelineSpec {
        store_folder: store_folder(&args.data_dir),
        retention: args.retention,
        listeners: vec![
            everything(args.prometheus, "--web.listen-address"),
            everything(args.ui, "--ui-listen-address"),
        ],
        kafka_bootstrap: args.kafka_bootstrap.clone(),
        traces: TraceSpec {
            listeners: args.traces.listeners(),
            folder: args.data_dir.join("traces"),
            store: args.traces.store(),
            recorder: args.traces.recorder(),
            sampling: args.traces.strategies()?,
        },
        runtime: Some(runtime),
        scaling: args.scaling.spec(),
        scrape_interval: args.scrape_interval,
        scrape_configs: Vec::new(),
        monitors,
        dashboards: spec.dashboards,
        user_pages,
        alerting: args.alerting.spec(rules, notifications, &args.data_dir),
        engine,
        query_limits: args.query.limits(),
        flags: flags(args),
        config_text: String::new(),
        lifecycle: None,
    })
}

/// Who is told of alerts: what the file says, else the Secret. One that is wrong is left out like other manifests.
fn notifications(args: &UpArgs, secrets: &[Secret]) -> Result<Option<Config>, Failure> {
    if let Some(file) = &args.alerting.config_file {
        return read_config(file).map(Some);
    }
    Ok(config_of(secrets).unwrap_or_else(|failure| {
        eprintln!("{failure}\nnobody is told of alerts: no Alertmanager runs");
        None
    }))
}

/// The pages of ConfigMaps that hold nothing else, such as runbooks.
fn pages_of(config_maps: &[ConfigMap]) -> BTreeMap<String, String> {
    let is_page = |name: &String| name.ends_with(".md");
    let pages = config_maps.iter().filter(|map| map.data.keys().all(is_page));
    pages.flat_map(|map| map.data.clone()).collect()
}

/// Samples lie beside the pods' logs.
fn store_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("metrics")
}

/// The volume that the samples would have in a cluster, by the name that the operator gives it.
fn samples_volume(args: &UpArgs) -> VolumeClaim {
    VolumeClaim {
        namespace: "monitoring".to_owned(),
        name: "prometheus-tidewatch-db-prometheus-tidewatch-0".to_owned(),
        folder: store_folder(&args.data_dir),
        size_bytes: args.volume_size,
    }
}

fn flags(args: &UpArgs) -> BTreeMap<String, String> {
    let mut flags = args.query.flags();
    flags.extend(args.traces.flags());
    flags.extend(args.scaling.flags());
    flags.extend(args.alerting.flags());
    flags.insert("storage.tsdb.path".to_owned(), store_folder(&args.data_dir).display().to_string());
    flags.insert("storage.tsdb.retention.time".to_owned(), tidewatch_model::format_duration(args.retention));
    flags.insert("web.listen-address".to_owned(), args.prometheus.to_string());
    flags.insert("ui-listen-address".to_owned(), args.ui.to_string());
    flags
}

/// Writes addresses.json.
fn announce(args: &UpArgs, pipeline: &Pipeline) -> Result<Addresses, Failure> {
    let url = |at: usize| pipeline.addresses.get(at).map(|address| format!("http://{address}"));
    let runtime = pipeline.runtime.as_ref();
    let exposed = runtime.map(|runtime| runtime.exposed()).unwrap_or_default();
    for problem in runtime.map(|runtime| runtime.problems()).unwrap_or_default() {
        eprintln!("{problem}");
    }
    for problem in &pipeline.scaling_problems {
        eprintln!("{problem}");
    }
    let addresses = Addresses {
        ui: url(1),
        prometheus: url(0).unwrap_or_default(),
        traces: TraceAddresses::of(&pipeline.trace_addresses),
        alertmanager: pipeline.alertmanager_address.map(|address| format!("http://{address}")),
        services: exposed.iter().map(|e| (e.name.clone(), format!("http://{}", e.address))).collect(),
        pid: std::process::id(),
    };
    addresses.write(&args.data_dir).map_err(|e| {
        Failure::new(format!("cannot write addresses.json into {}: {e}", args.data_dir.display()))
            .hint("check the folder's permissions and free space, or choose another with --data-dir")
    })?;
    Ok(addresses)
}

fn addresses_table(addresses: &Addresses, args: &UpArgs) -> String {
    let mut rows = Vec::new();
    rows.extend(addresses.ui.clone().map(|ui| ("page".to_owned(), ui)));
    rows.push(("Prometheus API".to_owned(), addresses.prometheus.clone()));
    rows.extend(addresses.alertmanager.clone().map(|url| ("Alertmanager API".to_owned(), url)));
    rows.extend(addresses.traces.rows());
    rows.extend(addresses.services.iter().map(|(name, url)| (name.clone(), url.clone())));
    rows.push(("data, logs".to_owned(), args.data_dir.display().to_string()));
    table("tidewatch is up. Ctrl-C ends everything.", &rows)
}

/// What the container that fails again and again wrote last.
fn last_words(pipeline: &Pipeline, event: &RuntimeEvent) -> String {
    let container = event.message.split(" container ").nth(1).and_then(|rest| rest.split(' ').next());
    let log = pipeline
        .runtime
        .as_ref()
        .and_then(|runtime| runtime.log(&event.namespace, &event.name, container, Some(LAST_WORDS)).ok())
        .unwrap_or_default();
    let lines = String::from_utf8_lossy(&log);
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("\n    {line}")).collect()
}

/// How many of its lines are shown.
const LAST_WORDS: usize = 3;

/// What is looked at once a second.
struct Watch {
    started: Instant,
    usage: Usage,
    told: bool,
    /// Warnings that have been told: the object's name and the reason.
    warned: BTreeSet<(String, String)>,
}

/// A probe fails now and then while a pod starts; so often it is worth a line.
const UNHEALTHY_TOLD_FROM: u32 = 5;

impl Watch {
    fn show(
        &mut self,
        pipeline: &Pipeline,
        line: &mut StatusLine,
        monitors: &[tidewatch_manifest::ServiceMonitor],
    ) {
        let snapshot = self.snapshot(pipeline);
        self.warn(pipeline, line);
        line.show(&snapshot);
        if !self.told && snapshot.is_settled() {
            self.told = true;
            line.message(&format!(
                "every pod ready and every target up after {:.1} s",
                self.started.elapsed().as_secs_f64()
            ));
            let endpoints =
                pipeline.runtime.as_ref().map(|r| r.endpoints().borrow().clone()).unwrap_or_default();
            for diagnosis in diagnose(monitors, &endpoints) {
                line.message(&diagnosis.to_string());
            }
        }
    }

    /// Tells why pods are not as they should be, once each.
    fn warn(&mut self, pipeline: &Pipeline, line: &mut StatusLine) {
        let events = pipeline.runtime.as_ref().map(|runtime| runtime.events()).unwrap_or_default();
        for event in events.into_iter().filter(|event| event.warning) {
            if event.reason == "Unhealthy" && event.count < UNHEALTHY_TOLD_FROM {
                continue;
            }
            let mut text = format!(
                "{} {}/{}: {}: {}",
                event.kind, event.namespace, event.name, event.reason, event.message
            );
            if event.reason == "BackOff" {
                text.push_str(&last_words(pipeline, &event));
            }
            if self.warned.insert((event.name, event.reason)) {
                line.message(&text);
            }
        }
    }

    fn snapshot(&mut self, pipeline: &Pipeline) -> Snapshot {
        let pods = pipeline.runtime.as_ref().map(|runtime| runtime.pods()).unwrap_or_default();
        let targets = pipeline.scraper.targets();
        let (resident_bytes, cpu_percent) = self.usage.sample();
        Snapshot {
            pods: (pods.iter().filter(|pod| pod.ready).count(), pods.len()),
            targets: (targets.iter().filter(|t| t.health == TargetHealth::Up).count(), targets.len()),
            series: pipeline.store.series_count(),
            resident_bytes,
            cpu_percent,
            uptime: self.started.elapsed(),
        }
    }
}
