//! What `tidewatch simulate` is asked, and the requests that follow from it.
//!
//! Input: the command's arguments, the scenario file, recorded series that the caller has fetched. Output: a
//! [`SimulationRequest`] for each autoscaler. Nothing is simulated here.

use crate::cli::duration;
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_simulate::{Load, SimulationRequest};

/// Settings of `simulate`.
#[derive(Args, Debug)]
pub(crate) struct SimulateArgs {
    /// A manifest, a folder of manifests, or - for standard input; repeatable. Deployments among them say what their pods request
    #[arg(short, long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Only this HorizontalPodAutoscaler or ScaledObject; repeatable. Default: all
    #[arg(long = "hpa", value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// Loads, service models and anything else by the autoscaler's name, as YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,

    /// What arrives, for all or, as NAME=LOAD, for one: "40 for 2m, 320 for 10m, ramp 320 to 40 for 5m", "spike 40 to 400 for 2m",
    /// "daily 10 to 200 peak 14"; per second
    #[arg(long, value_name = "LOAD")]
    pub(crate) load: Vec<String>,

    /// A recorded load: the JSON of a Prometheus range query with one series, for all or, as NAME=FILE, for one
    #[arg(long, value_name = "FILE", conflicts_with = "load")]
    pub(crate) recorded: Vec<String>,

    /// A recorded load: ask this Prometheus (or tidewatch) instead of a file
    #[arg(long, value_name = "URL", requires = "start", requires = "end")]
    pub(crate) prometheus: Option<String>,

    /// The rate of requests, for all or, as NAME=QUERY, for one
    #[arg(long, value_name = "PROMQL", requires = "prometheus", conflicts_with_all = ["load", "recorded"])]
    pub(crate) query: Vec<String>,

    /// Start of the recorded range: Unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", requires = "prometheus")]
    pub(crate) start: Option<String>,

    /// End of the recorded range
    #[arg(long, value_name = "TIME", requires = "prometheus")]
    pub(crate) end: Option<String>,

    /// Step of the recorded range
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub(crate) step: Duration,

    /// Fit the service model to recorded series: rate=…, cpu=…, replicas=…, running=…, ready=…, memory=…, each a file, or a query with
    /// --prometheus; rate and cpu at least
    #[arg(long, value_name = "SERIES=SOURCE")]
    pub(crate) calibrate: Vec<String>,

    /// A field of the request, e.g. service.readySeconds=20 or metrics.lagSeconds=10; repeatable
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,

    /// What is wanted: "up within 2m", "down within 5m", "p99 within 200ms", "failed below 1%", "flaps at most 0"; repeatable. Missed
    /// ones make the exit code 1
    #[arg(long = "target", value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// How long is simulated. Default: as long as the load
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) duration: Option<Duration>,

    /// How many positions of the load to syncs and measurements are simulated. Default: 1, or the scenario's
    #[arg(long, value_name = "COUNT")]
    pub(crate) phases: Option<u32>,

    /// Seed of the random parts
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Search behaviour settings for the cheapest that meet the targets
    #[arg(long)]
    pub(crate) sweep: bool,

    /// Values that the search tries, as JSON, e.g. {"scaleDownWindows":[30,60],"cpuTargets":[60,70]}
    #[arg(long, value_name = "JSON", requires = "sweep")]
    pub(crate) grid: Option<String>,

    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t = SimulateOutput::Pretty)]
    pub(crate) output: SimulateOutput,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimulateOutput {
    /// Tables and plots
    Pretty,
    /// All reports, as the HTTP API gives them
    Json,
    /// Tables for a document
    Markdown,
}

impl SimulateArgs {
    /// The request for an autoscaler, out of its part of the scenario.
    pub(crate) fn request(
        &self,
        name: &str,
        scenario: SimulationRequest,
    ) -> Result<SimulationRequest, Failure> {
        let mut request = SimulationRequest { name: Some(name.to_owned()), ..scenario };
        for text in &self.targets {
            request.targets.add(text).map_err(|error| Failure::from_error(&error))?;
        }
        if let Some(text) = own(&self.load, name) {
            let load = Load::parse(text).map_err(|error| Failure::from_error(&error))?;
            request.load.segments = load.segments;
        }
        request.duration_seconds = self.duration.map(|time| time.as_secs_f64()).or(request.duration_seconds);
        request.phases = self.phases.unwrap_or(request.phases);
        request.seed = self.seed.unwrap_or(request.seed);
        self.set.iter().try_fold(request, |request, text| set(&request, text))
    }
}

/// Of values that are given for all or as NAME=VALUE, the one for a name; the last one counts.
pub(crate) fn own<'a>(values: &'a [String], name: &str) -> Option<&'a str> {
    let named = |text: &'a String| text.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
    let general = |text: &&'a String| {
        let label = text.split_once('=').map_or("", |(label, _)| label);
        label.is_empty() || !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    let own = values.iter().rev().find_map(named);
    own.or_else(|| values.iter().rev().find(general).map(String::as_str))
}

/// The request with one field set, by its path in the JSON form.
fn set(request: &SimulationRequest, text: &str) -> Result<SimulationRequest, Failure> {
    let wrong = |problem: String| {
        Failure::new(format!("--set {text}: {problem}"))
            .hint("write e.g. service.readySeconds=20; fields as in --output json")
    };
    let (path, value) = text.split_once('=').ok_or_else(|| wrong("is not FIELD=VALUE".to_owned()))?;
    let mut whole = serde_json::to_value(request).map_err(|error| Failure::from_error(&error))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let mut at = &mut whole;
    for part in path.split('.') {
        if at.is_null() {
            *at = Value::Object(serde_json::Map::new());
        }
        let fields = at.as_object_mut().ok_or_else(|| wrong(format!("{part} is below no section")))?;
        at = fields.entry(part).or_insert(Value::Null);
    }
    *at = value;
    serde_json::from_value(whole).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn request(line: &[&str]) -> Result<SimulationRequest, Failure> {
        let args = Line::parse_from([&["simulate", "-f", "x.yaml"], line].concat()).args;
        args.request("web-hpa", SimulationRequest::default())
    }

    #[test]
    fn arguments_become_a_request() {
        let line =
            ["--load", "1 for 1m", "--load", "web-hpa=2 for 1m", "--target", "up within 2m", "--phases", "9"];
        let more =
            ["--set", "service.readySeconds=20", "--set", "service.queue.partitions=3", "--duration", "5m"];
        let request = request(&[&line[..], &more[..]].concat()).unwrap();
        assert_eq!(request.load, Load::parse("2 for 1m").unwrap());
        assert_eq!((request.targets.up_seconds, request.phases), (Some(120.0), 9));
        assert_eq!(request.service.ready_seconds, 20.0);
        assert_eq!(request.service.queue.unwrap().partitions, 3);
        assert_eq!(request.duration_seconds, Some(300.0));
    }

    #[test]
    fn values_for_one_count_before_those_for_all() {
        let values = ["1 for 1m", "a=2 for 1m", "sum(rate(x{a=\"b\"}[1m]))"].map(str::to_owned);
        assert_eq!(own(&values, "a"), Some("2 for 1m"));
        assert_eq!(own(&values, "b"), Some("sum(rate(x{a=\"b\"}[1m]))"));
        assert_eq!(own(&values[1..2], "b"), None);
    }

    #[test]
    fn unknown_fields_are_refused_with_a_remedy() {
        let check = |text: &str, expected: &str| {
            let error = request(&["--set", text]).unwrap_err().to_string();
            assert!(
                error.contains(expected) && error.contains("hint: write e.g. service.readySeconds=20"),
                "{error}"
            );
        };
        check("service.speed=3", "speed");
        check("seed", "is not FIELD=VALUE");
        check("seed.x=1", "is below no section");
        check("service.readySeconds=soon", "soon");
    }
}
