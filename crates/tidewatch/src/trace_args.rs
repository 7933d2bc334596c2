//! Flags of traces, the same for `up` and `serve`.
//!
//! Input: the process's arguments. Output: addresses, bounds and policies for the stages. Defaults are Jaeger's ports and the
//! stages' own bounds.

use crate::failure::Failure;
use clap::Args;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_http::{ListenerSpec, SamplingStrategies, Serves};
use tidewatch_model::format_duration;
use tidewatch_otlp::RecorderOptions;
use tidewatch_traces::{StoreOptions, TailPolicy};

/// Where spans come in, how long they stay, and which.
#[derive(Args, Clone, Debug)]
pub(crate) struct TraceArgs {
    /// Address that takes OTLP over gRPC (port 0: any free one)
    #[arg(long = "otlp.grpc.listen-address", value_name = "IP:PORT", default_value = "127.0.0.1:4317")]
    grpc: SocketAddr,

    /// Address that takes OTLP over HTTP (port 0: any free one)
    #[arg(long = "otlp.http.listen-address", value_name = "IP:PORT", default_value = "127.0.0.1:4318")]
    http: SocketAddr,

    /// Address of Jaeger's query API and the page (port 0: any free one)
    #[arg(long = "jaeger.web.listen-address", value_name = "IP:PORT", default_value = "127.0.0.1:16686")]
    jaeger: SocketAddr,

    /// Address that tells Jaeger's remote samplers how much to sample (port 0: any free one)
    #[arg(long = "jaeger.sampling.listen-address", value_name = "IP:PORT", default_value = "127.0.0.1:5778")]
    sampling: SocketAddr,

    /// Jaeger's file of sampling strategies. Default: 10 %, and at least a trace a second of every operation
    #[arg(long = "jaeger.sampling.strategies-file", value_name = "FILE")]
    strategies: Option<PathBuf>,

    /// How long spans are kept
    #[arg(long = "traces.retention.time", value_name = "DURATION", default_value = "48h", value_parser = retention)]
    trace_retention: Duration,

    /// How much memory spans may take; the oldest leave
    #[arg(long = "traces.max-memory", value_name = "SIZE", default_value = "256MB", value_parser = size)]
    max_memory: u64,

    /// How much disk spans may take; the oldest leave
    #[arg(long = "traces.max-disk", value_name = "SIZE", default_value = "1GB", value_parser = size)]
    max_disk: u64,

    /// Keep only some traces, decided when they are complete: always those with errors, those that are slow, some a
    /// second of every service, and a share of the rest
    #[arg(long = "traces.tail-sampling")]
    tail_sampling: bool,

    /// With tail sampling: keep every trace with a span that takes at least this long
    #[arg(long = "traces.tail-sampling.latency", requires = "tail_sampling", value_name = "DURATION", default_value = "500ms", value_parser = crate::cli::duration)]
    slow: Duration,

    /// With tail sampling: keep so many traces a second of every service
    #[arg(long = "traces.tail-sampling.rate", requires = "tail_sampling", value_name = "N", default_value_t = 1.0, value_parser = rate)]
    rate: f64,

    /// With tail sampling: keep this share of the rest, 0 to 1
    #[arg(long = "traces.tail-sampling.probability", requires = "tail_sampling", value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    probability: f64,

    /// With tail sampling: how long after its first span a trace is decided
    #[arg(long = "traces.tail-sampling.decision-wait", requires = "tail_sampling", value_name = "DURATION", default_value = "5s", value_parser = crate::cli::duration)]
    decision_wait: Duration,
}

/// How many listeners [`TraceArgs::listeners`] gives.
pub(crate) const TRACE_LISTENERS: usize = 4;

impl TraceArgs {
    /// The listeners: OTLP over gRPC, OTLP over HTTP, Jaeger's query API, remote sampling.
    pub(crate) fn listeners(&self) -> [ListenerSpec; TRACE_LISTENERS] {
        let listener = |address, flag: &str, serves| ListenerSpec { address, flag: flag.to_owned(), serves };
        [
            listener(self.grpc, "--otlp.grpc.listen-address", Serves::OtlpGrpc),
            listener(self.http, "--otlp.http.listen-address", Serves::Otlp),
            listener(self.jaeger, "--jaeger.web.listen-address", Serves::Everything),
            listener(self.sampling, "--jaeger.sampling.listen-address", Serves::Sampling),
        ]
    }

    /// The bounds of the store.
    pub(crate) fn store(&self) -> StoreOptions {
        let mut options = StoreOptions::default();
        options.retention = self.trace_retention;
        options.max_memory_bytes = self.max_memory;
        options.max_disk_bytes = self.max_disk;
        options
    }

    /// What is counted and kept.
    pub(crate) fn recorder(&self) -> RecorderOptions {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let tail_sampling = self.tail_sampling.then(|| TailPolicy {
            slow_ns: Some(nanoseconds(self.slow)),
            per_service_rate: self.rate,
            probability: self.probability,
            decision_wait_ns: nanoseconds(self.decision_wait),
            ..TailPolicy::default()
        });
        RecorderOptions { tail_sampling, ..RecorderOptions::default() }
    }

    /// What samplers are told.
    ///
    /// # Errors
    /// When the file of strategies cannot be read or has mistakes.
    pub(crate) fn strategies(&self) -> Result<SamplingStrategies, Failure> {
        let Some(path) = &self.strategies else { return Ok(SamplingStrategies::default()) };
        let text = std::fs::read_to_string(path).map_err(|e| {
            Failure::new(format!("{} cannot be read: {e}", path.display()))
                .hint("check the path after --jaeger.sampling.strategies-file")
        })?;
        SamplingStrategies::from_json(&path.display().to_string(), &text).map_err(|e| Failure::from_error(&e))
    }

    /// By flag name, for the API.
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let strategies = self.strategies.as_deref().unwrap_or(Path::new("")).display().to_string();
        let mut flags = BTreeMap::from([
            ("jaeger.sampling.strategies-file".to_owned(), strategies),
            ("traces.retention.time".to_owned(), format_duration(self.trace_retention)),
            ("traces.max-memory".to_owned(), format!("{}B", self.max_memory)),
            ("traces.max-disk".to_owned(), format!("{}B", self.max_disk)),
            ("traces.tail-sampling".to_owned(), self.tail_sampling.to_string()),
            ("traces.tail-sampling.latency".to_owned(), format_duration(self.slow)),
            ("traces.tail-sampling.rate".to_owned(), self.rate.to_string()),
            ("traces.tail-sampling.probability".to_owned(), self.probability.to_string()),
            ("traces.tail-sampling.decision-wait".to_owned(), format_duration(self.decision_wait)),
        ]);
        let addresses =
            self.listeners().map(|l| (l.flag.trim_start_matches('-').to_owned(), l.address.to_string()));
        flags.extend(addresses);
        flags
    }
}

fn size(text: &str) -> Result<u64, String> {
    tidewatch_manifest::parse_bytes(text)
        .filter(|bytes| *bytes >= 1 << 20)
        .ok_or_else(|| format!("{text:?} is no size of at least 1MB\nhint: write e.g. 64MB or 2GB"))
}

fn retention(text: &str) -> Result<Duration, String> {
    let parsed = crate::cli::duration(text)?;
    if parsed.is_zero() {
        return Err("spans cannot be kept for no time at all\nhint: write e.g. 48h".to_owned());
    }
    Ok(parsed)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok().filter(|rate| (0.0..=1e6).contains(rate));
    rate.ok_or_else(|| {
        format!("{text:?} is no rate\nhint: write a number of traces a second, e.g. 0.5 or 10")
    })
}

fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| {
        format!("{text:?} is no share\nhint: write a number from 0 to 1, e.g. 0.1 for a tenth")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Result<TraceArgs, String> {
        let arguments = std::iter::once("tidewatch").chain(line.split_whitespace());
        match Cli::try_parse_from(arguments).map_err(|e| e.to_string())?.command {
            Command::Serve(serve) => Ok(serve.traces),
            command => panic!("{command:?}"),
        }
    }

    #[test]
    fn ports_and_bounds_are_those_given() {
        let traces = parsed("serve --otlp.http.listen-address=127.0.0.1:1 --traces.max-memory 64MB").unwrap();
        assert_eq!(traces.listeners().map(|l| l.address.port()), [4317, 1, 16686, 5778]);
        assert_eq!((traces.store().max_memory_bytes, traces.recorder().tail_sampling), (64 << 20, None));
        let traces = parsed("serve --traces.tail-sampling --traces.tail-sampling.latency=1s").unwrap();
        let policy = traces.recorder().tail_sampling.unwrap();
        assert_eq!((policy.slow_ns, policy.probability), (Some(1_000_000_000), 0.1));
    }

    #[test]
    fn wrong_values_name_the_remedy() {
        let check = |line: &str, part: &str| {
            let error = parsed(&format!("serve {line}")).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        };
        check("--traces.max-memory 64", "hint: write e.g. 64MB");
        check("--traces.max-disk 1KB", "at least 1MB");
        check(
            "--traces.tail-sampling --traces.tail-sampling.probability 10",
            "hint: write a number from 0 to 1",
        );
        check(
            "--traces.tail-sampling --traces.tail-sampling.rate=-1",
            "hint: write a number of traces a second",
        );
        check("--traces.tail-sampling.rate=1", "--traces.tail-sampling");
        check("--traces.retention.time 0", "hint: write e.g. 48h");
        check("--kafka-bootstrap here", "hint: write e.g. localhost:9092");
    }

    #[test]
    fn a_missing_file_of_strategies_is_named() {
        let traces = parsed("serve --jaeger.sampling.strategies-file /nowhere.json").unwrap();
        let failure = traces.strategies().unwrap_err().to_string();
        assert!(failure.contains("/nowhere.json") && failure.contains("hint:"), "{failure}");
    }
}
