//! The command line: what can be asked of the program, with its defaults.
//!
//! Input: the process's arguments. Output: plain values for the commands. Nothing is read or started here.

use crate::alerting_args::AlertingArgs;
use crate::autoscale::AutoscaleArgs;
use crate::broker::BrokerArgs;
use crate::check::CheckArgs;
use crate::drill::DrillArgs;
use crate::fault::FaultArgs;
use crate::load_args::LoadArgs;
use crate::scaling_args::ScalingArgs;
use crate::sidecar::SidecarArgs;
use crate::simulate_args::SimulateArgs;
use crate::slo::SloArgs;
use crate::test_rules::TestArgs;
use crate::trace_args::TraceArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_manifest::AlertmanagerConfig;
use tidewatch_manifest::Quantity;
use tidewatch_model::{Labels, TargetGroup, format_duration};
use tidewatch_promql::EngineOptions;
use tidewatch_runtime::EvictionThresholds;

/// Monitoring and autoscaling of a Kubernetes application, on one machine.
#[derive(Debug, Parser)]
#[command(
    name = "tidewatch",
    version,
    about = "Runs a Kubernetes application on this machine and watches it, driven by the files that deploy it",
    after_help = "Examples:\n  \
        tidewatch up                                  run the application of ./tidewatch.yaml and watch it\n  \
        tidewatch up -f k8s/                          the same for your own manifests\n  \
        kustomize build . | tidewatch up -f -         ... from standard input\n  \
        tidewatch serve --config.file prometheus.yml  only the monitoring, in place of Prometheus\n  \
        tidewatch query 'sum(rate(http_requests_total[2m]))' --range 30m\n\n\
        Everything listens on 127.0.0.1 only. Documentation: README.md, ARCHITECTURE.md."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an application's manifests as local processes, scrape, store, query and draw them
    ///
    /// Starts each Deployment's replicas as processes, Services as proxies to them, and watches them as Prometheus,
    /// kube-state-metrics, cAdvisor and Grafana would in a cluster. Runs until Ctrl-C; no process is left behind.
    Up(Box<UpArgs>),
    /// Run only the monitoring from a prometheus.yml, with Prometheus's own flags
    Serve(Box<ServeArgs>),
    /// Ask a running tidewatch (or any Prometheus) a PromQL query
    ///
    /// Prints a table for an instant query and draws a plot for a range.
    Query(QueryArgs),
    /// Say what autoscalers decide and why: in a running tidewatch, or for a scenario in a file
    Autoscale(AutoscaleArgs),
    /// Play a load through the autoscalers of manifests, in virtual time
    ///
    /// Says when which replicas would be there, what requests would wait, and whether stated targets are met. Needs nothing that runs.
    Simulate(Box<SimulateArgs>),
    /// Send requests at given rates, whatever the answers do, and measure these from the moment when they were due
    ///
    /// Constant, ramped or stepped arrival rates on this machine; the report has percentiles, a plot and errors by kind.
    Load(Box<LoadArgs>),
    /// Break pods of the application on demand, for a bounded time: errors, latency, crashes, load, leaks, a stopped consumer
    ///
    /// The stack must have been started with `tidewatch up --enable-faults`. Every fault undoes itself.
    Fault(FaultArgs),
    /// Turn service level objectives into recording rules and burn-rate alerts
    Slo(SloArgs),
    /// Run unit tests of rules, in the format of promtool
    Test(TestArgs),
    /// Check rule files and configurations before they are loaded
    Check(CheckArgs),
    /// Cause what alerts are about, for real, on a stack of its own, and say whether somebody was told
    Drill(DrillArgs),
    /// Run a Kafka-compatible broker
    ///
    /// One node without replication for development and tests: any Kafka client works. `up` runs one for each Kafka object.
    Broker(BrokerArgs),
    /// Run the pub/sub part of a Dapr sidecar, with daprd's own flags
    ///
    /// `up` runs one in every pod with the annotation dapr.io/enabled.
    Sidecar(Box<SidecarArgs>),
    /// Kills process groups when the parent is gone; started by `up` itself
    #[command(hide = true)]
    Guard {
        /// The instance whose processes are its own.
        instance: String,
    },
}

/// Settings of `up`.
#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// A manifest, a folder of manifests, or - for standard input; repeatable. Default: those that the
    /// configuration names
    #[arg(short, long = "file", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,

    /// Which program runs which image, and what is exposed. Default: ./tidewatch.yaml, if there is one
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where samples, logs and addresses.json go
    #[arg(long, value_name = "DIR", default_value = "tidewatch-data")]
    pub(crate) data_dir: PathBuf,

    /// Address of the web page (port 0: any free one)
    #[arg(long = "ui-listen-address", value_name = "IP:PORT", default_value = "127.0.0.1:3000")]
    pub(crate) ui: SocketAddr,

    /// Address of the Prometheus API (port 0: any free one)
    #[arg(long = "web.listen-address", value_name = "IP:PORT", default_value = "127.0.0.1:9090")]
    pub(crate) prometheus: SocketAddr,

    /// Port on 127.0.0.1 that leads to a Service (0: any free one); repeatable, overrides the configuration
    #[arg(long, value_name = "SERVICE=PORT", value_parser = parse_expose)]
    pub(crate) expose: Vec<(String, u16)>,

    /// How long samples are kept
    #[arg(long = "storage.tsdb.retention.time", value_name = "DURATION", default_value = "7d", value_parser = duration)]
    pub(crate) retention: Duration,

    /// How large the volume of the samples is said to be, e.g. 10Gi, for alerts about full storage. Default: as large as the disk
    #[arg(long = "storage.volume-size", value_name = "AMOUNT", value_parser = amount)]
    pub(crate) volume_size: Option<u64>,

    /// Where spans come in, how long they stay, and which.
    #[command(flatten)]
    pub(crate) traces: TraceArgs,

    /// How often targets are scraped that say nothing of it, and the pages that stand for a cluster's
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = scrape_interval)]
    pub(crate) scrape_interval: Duration,

    /// How replicas follow load.
    #[command(flatten)]
    pub(crate) scaling: ScalingArgs,

    /// When rules make alerts, and how these are sent.
    #[command(flatten)]
    pub(crate) alerting: AlertingArgs,

    /// An Alertmanager that alerts are sent to, e.g. http://127.0.0.1:9093; repeatable
    #[arg(long = "alertmanager.url", value_name = "URL", value_parser = alertmanager_url)]
    pub(crate) alertmanagers: Vec<AlertmanagerConfig>,

    /// Which Kafka is watched: HOST:PORT of any of its brokers; repeatable. Default: the one that runs here
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = host_and_port)]
    pub(crate) kafka_bootstrap: Vec<String>,

    /// Let pods cause faults on demand (`tidewatch fault`): sets FAULTS_ENABLED=true in those whose image tidewatch.yaml names
    #[arg(long)]
    pub(crate) enable_faults: bool,

    /// End when the process that started this one ends; for drills
    #[arg(long, hide = true)]
    pub(crate) end_with_parent: bool,

    /// When the node says that it is under pressure, as for the kubelet: memory.available<500Mi,nodefs.available<10%
    #[arg(long, value_name = "SIGNAL<AMOUNT,…", default_value = "memory.available<100Mi,nodefs.available<10%", value_parser = parse_eviction)]
    pub(crate) eviction_hard: EvictionThresholds,

    /// Switches something on by its name in Prometheus: promql-experimental-functions
    #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
    pub(crate) features: Vec<String>,

    /// Limits of queries.
    #[command(flatten)]
    pub(crate) query: QueryLimits,

    /// What is logged.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Settings of `serve`: Prometheus's own flags.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The configuration file
    #[arg(long = "config.file", value_name = "FILE", default_value = "prometheus.yml")]
    pub(crate) config: PathBuf,

    /// The data directory, in Prometheus's own format
    #[arg(long = "storage.tsdb.path", value_name = "DIR", default_value = "data/")]
    pub(crate) data_dir: PathBuf,

    /// How long samples are kept
    #[arg(long = "storage.tsdb.retention.time", value_name = "DURATION", default_value = "15d", value_parser = duration)]
    pub(crate) retention: Duration,

    /// Address of the Prometheus API and the web page (port 0: any free one)
    #[arg(long = "web.listen-address", value_name = "IP:PORT", default_value = "127.0.0.1:9090")]
    pub(crate) prometheus: SocketAddr,

    /// Manifests whose ConfigMaps hold Grafana dashboards to show; repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) dashboards: Vec<PathBuf>,

    /// A folder of pages such as runbooks, served below /user/
    #[arg(long = "web.user-assets", value_name = "DIR")]
    pub(crate) user_assets: Option<PathBuf>,

    /// Allow POST /-/reload and /-/quit
    #[arg(long = "web.enable-lifecycle")]
    pub(crate) lifecycle: bool,

    /// Where spans come in, how long they stay, and which.
    #[command(flatten)]
    pub(crate) traces: TraceArgs,

    /// When rules make alerts, and how these are sent.
    #[command(flatten)]
    pub(crate) alerting: AlertingArgs,

    /// Watch a Kafka: HOST:PORT of any of its brokers; repeatable
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = host_and_port)]
    pub(crate) kafka_bootstrap: Vec<String>,

    /// Switches something on by its name in Prometheus: promql-experimental-functions
    #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
    pub(crate) features: Vec<String>,

    /// Limits of queries.
    #[command(flatten)]
    pub(crate) query: QueryLimits,

    /// What is logged.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Prometheus's name for functions that may still change.
const EXPERIMENTAL_FUNCTIONS: &str = "promql-experimental-functions";

/// Limits of queries, with Prometheus's names and defaults.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct QueryLimits {
    /// How far back an instant selector looks for a sample
    #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) lookback: Duration,

    /// How long a query may take
    #[arg(long = "query.timeout", value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// How many samples a query may hold in memory
    #[arg(long = "query.max-samples", value_name = "N", default_value_t = 50_000_000)]
    pub(crate) max_samples: usize,

    /// How many queries run at once
    #[arg(long = "query.max-concurrency", value_name = "N", default_value_t = 20)]
    pub(crate) max_concurrency: usize,
}

impl QueryLimits {
    /// How queries are evaluated; `default_step` is that of subqueries which name none. Features that are not there are
    /// named on standard error, as in Prometheus.
    pub(crate) fn engine(&self, default_step: Duration, features: &[String]) -> EngineOptions {
        for unknown in features.iter().filter(|name| *name != EXPERIMENTAL_FUNCTIONS) {
            eprintln!(
                "--enable-feature={unknown} is not supported and ignored; there is {EXPERIMENTAL_FUNCTIONS}"
            );
        }
        EngineOptions {
            experimental_functions: features.iter().any(|name| name == EXPERIMENTAL_FUNCTIONS),
            lookback_delta: self.lookback,
            max_samples: self.max_samples,
            timeout: self.timeout,
            default_step,
        }
    }

    /// How many queries run, and how long one may take with its wait.
    pub(crate) fn limits(&self) -> tidewatch_http::QueryLimits {
        tidewatch_http::QueryLimits { max_concurrency: self.max_concurrency, timeout: self.timeout }
    }

    /// By flag name, for the API.
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let mut flags = BTreeMap::new();
        flags.insert("query.lookback-delta".to_owned(), format_duration(self.lookback));
        flags.insert("query.timeout".to_owned(), format_duration(self.timeout));
        flags.insert("query.max-samples".to_owned(), self.max_samples.to_string());
        flags.insert("query.max-concurrency".to_owned(), self.max_concurrency.to_string());
        flags
    }
}

/// What is logged, to standard error.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// debug, info, warn or error
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "warn")]
    pub(crate) level: String,

    /// How a line looks
    #[arg(long = "log.format", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people; Prometheus's name for it is taken too.
    #[value(alias = "logfmt")]
    Text,
    /// One JSON object a line.
    Json,
}

impl From<LogFormat> for tidewatch_telemetry::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

/// Settings of `query`.
#[derive(Args, Debug)]
pub(crate) struct QueryArgs {
    /// The PromQL expression
    pub(crate) expression: String,

    /// The server to ask. Default: the one that runs with this data directory, else http://127.0.0.1:9090
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,

    /// The data directory whose addresses.json names the server
    #[arg(long, value_name = "DIR", default_value = "tidewatch-data")]
    pub(crate) data_dir: PathBuf,

    /// Instant to ask for: Unix seconds or RFC 3339. Default: now
    #[arg(long, value_name = "TIME", conflicts_with_all = ["range", "start", "end"])]
    pub(crate) time: Option<String>,

    /// Draw the last DURATION, e.g. 30m
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with_all = ["start", "end"])]
    pub(crate) range: Option<Duration>,

    /// Start of a range: Unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", requires = "end")]
    pub(crate) start: Option<String>,

    /// End of a range
    #[arg(long, value_name = "TIME", requires = "start")]
    pub(crate) end: Option<String>,

    /// Step of a range. Default: as many points as the plot is wide
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) step: Option<Duration>,

    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t = Output::Pretty)]
    pub(crate) output: Output,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table, or a plot for a range
    Pretty,
    /// The server's answer as it is
    Json,
    /// One line a sample: labels, time, value
    Csv,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    tidewatch_model::parse_duration(text).map_err(|e| e.to_string())
}

pub(crate) fn amount(text: &str) -> Result<u64, String> {
    let read = Quantity::parse(text).map(Quantity::units);
    read.map_err(|error| format!("{error}; hint: write e.g. 100Mi"))
}

pub(crate) fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(format!("{text:?} is not HOST:PORT; hint: write e.g. localhost:9092"));
    }
    Ok(text.to_owned())
}

/// An Alertmanager by its address, as an entry of `alerting.alertmanagers`.
fn alertmanager_url(text: &str) -> Result<AlertmanagerConfig, String> {
    let wrong =
        || format!("{text:?} is no address of an Alertmanager; hint: write e.g. http://127.0.0.1:9093");
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !["http", "https"].contains(&scheme) || host.is_empty() || rest.contains(['@', '?', '#', ' ']) {
        return Err(wrong());
    }
    let targets = vec![Labels::from_pairs([("__address__", host)])];
    Ok(AlertmanagerConfig {
        scheme: scheme.to_owned(),
        path_prefix: path.trim_end_matches('/').to_owned(),
        static_configs: vec![TargetGroup { source: text.to_owned(), targets, ..TargetGroup::default() }],
        ..AlertmanagerConfig::default()
    })
}

fn scrape_interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    match interval.is_zero() {
        true => Err("an interval of 0 never ends; hint: write e.g. 30s".to_owned()),
        false => Ok(interval),
    }
}

fn parse_eviction(text: &str) -> Result<EvictionThresholds, String> {
    text.parse().map_err(|error: tidewatch_runtime::RuntimeError| error.to_string())
}

fn parse_expose(text: &str) -> Result<(String, u16), String> {
    let failed = || {
        format!("{text:?} is not SERVICE=PORT; hint: write e.g. todo-backend=8000, or 0 for any free port")
    };
    let (service, port) = text.split_once('=').ok_or_else(failed)?;
    if service.is_empty() {
        return Err(failed());
    }
    Ok((service.to_owned(), port.parse().map_err(|_| failed())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn prometheus_flags_are_taken() {
        let args = "tidewatch serve --config.file=p.yml --storage.tsdb.path=d --storage.tsdb.retention.time=7d --web.listen-address=127.0.0.1:0";
        let Command::Serve(serve) = Cli::parse_from(args.split(' ')).command else { panic!("not serve") };
        assert_eq!(serve.retention, Duration::from_secs(7 * 86_400));
        assert_eq!(serve.prometheus.port(), 0);
    }

    #[test]
    fn wrong_values_name_the_remedy() {
        let error =
            Cli::try_parse_from(["tidewatch", "up", "--expose", "todo-backend"]).unwrap_err().to_string();
        assert!(error.contains("hint: write e.g. todo-backend=8000"), "{error}");
        let error =
            Cli::try_parse_from(["tidewatch", "up", "--storage.tsdb.retention.time", "7"]).unwrap_err();
        assert!(error.to_string().contains("hint: write e.g. 30s"), "{error}");
    }
}
