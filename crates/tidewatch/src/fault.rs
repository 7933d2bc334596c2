//! `tidewatch fault`: breaks pods of the todo application on demand, for a bounded time, and undoes it.
//!
//! Input: the command's arguments. Output: requests to the pods, found by the Kubernetes API that a running tidewatch serves, and a table of
//! what is active. A pod undoes its faults by itself when their time is over; nothing has to run until then. Whether a pod may be
//! broken at all is decided where it is started (`tidewatch up --enable-faults`), never here.

mod pods;
mod request;

use crate::addresses::Addresses;
use crate::cli::{amount, duration};
use crate::failure::Failure;
use crate::query;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_manifest::Settings;
use tidewatch_model::format_duration;

pub(crate) use pods::Pods;
pub(crate) use request::{Cause, FaultKind};

const DEFAULT_SERVER: &str = "http://127.0.0.1:3000";

/// Settings of `fault`.
#[derive(Args, Debug)]
pub(crate) struct FaultArgs {
    #[command(subcommand)]
    command: FaultCommand,

    /// The server to ask for pods. Default: the one that runs with this data directory, else http://127.0.0.1:3000
    #[arg(long, value_name = "URL", global = true)]
    server: Option<String>,

    /// The data directory whose addresses.json names the server
    #[arg(long, value_name = "DIR", default_value = "tidewatch-data", global = true)]
    data_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum FaultCommand {
    /// Cause a fault in all pods of a workload, or in one pod; it undoes itself
    Start(StartArgs),
    /// Show which faults are active in which pods
    List(ListArgs),
    /// Undo the faults of a workload, of a pod, or of all pods
    Stop(StopArgs),
}

/// Settings of `fault start`.
#[derive(Args, Debug)]
struct StartArgs {
    /// What is to be broken
    kind: FaultKind,

    /// A Deployment or a pod, as NAME or NAMESPACE/NAME
    #[arg(value_name = "TARGET")]
    target: String,

    /// For how long, at most 1h; it undoes itself then
    #[arg(long = "for", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    lasts: Duration,

    /// error-ratio: the share of requests that fail, 0 to 1. Default: 0.2
    #[arg(long, value_name = "SHARE")]
    ratio: Option<f64>,

    /// latency: how long each request waits. Default: 2s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    latency: Option<Duration>,

    /// cpu-burn: how many cores are kept busy. Default: 1
    #[arg(long, value_name = "N")]
    cores: Option<u32>,

    /// memory-leak: how much is taken, such as 100Mi. Default: 64Mi
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    bytes: Option<u64>,

    /// memory-leak: how much is taken each second. Default: 16Mi
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    rate: Option<u64>,
}

/// Settings of `fault list`.
#[derive(Args, Debug)]
struct ListArgs {
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t = ListOutput::Pretty)]
    output: ListOutput,
}

/// How active faults are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListOutput {
    /// A table
    Pretty,
    /// An array with an object for each pod
    Json,
}

/// Settings of `fault stop`.
#[derive(Args, Debug)]
struct StopArgs {
    /// A Deployment or a pod, as NAME or NAMESPACE/NAME. Default: every pod
    #[arg(value_name = "TARGET")]
    target: Option<String>,

    /// Only this fault
    #[arg(long, value_name = "KIND")]
    kind: Option<FaultKind>,
}

/// Lets the pods of all images that `tidewatch.yaml` names cause faults. What the file says itself stays.
pub(crate) fn enable(settings: &mut Settings) {
    for image in settings.images.values_mut() {
        image.env.entry("FAULTS_ENABLED".to_owned()).or_insert_with(|| "true".to_owned());
        // a folder of the pod that outlives its containers, as an emptyDir does
        image.env.entry("FAULTS_STATE_DIR".to_owned()).or_insert_with(|| "{volumes}".to_owned());
    }
}

/// Runs the command.
///
/// # Errors
/// When tidewatch does not answer, there is no such workload or pod, or a pod refuses; the text has the remedy.
pub(crate) async fn run(args: &FaultArgs) -> Result<(), Failure> {
    let pods = Pods::of(&server_of(args))?;
    match &args.command {
        FaultCommand::Start(start) => {
            let cause = start.cause()?;
            let started = pods.start(&start.target, &cause).await?;
            query::show(&format!(
                "{} in {} for {}; tidewatch fault stop {} undoes it\n",
                cause.kind.name(),
                started.join(", "),
                format_duration(start.lasts),
                start.target,
            ))
        }
        FaultCommand::List(list) => show_active(&pods.active().await?, list.output),
        FaultCommand::Stop(stop) => {
            let undone = pods.stop(stop.target.as_deref(), stop.kind).await?;
            if undone.is_empty() {
                return query::show("no fault was active\n");
            }
            let lines = undone.iter().map(|(pod, kinds)| format!("undone in {pod}: {}\n", kinds.join(", ")));
            query::show(&lines.collect::<String>())
        }
    }
}

impl StartArgs {
    fn cause(&self) -> Result<Cause, Failure> {
        let mut cause = Cause::of(self.kind, self.lasts);
        let given = [
            ("--ratio", "ratio", self.ratio),
            ("--latency", "latency_seconds", self.latency.map(|latency| latency.as_secs_f64())),
            ("--cores", "cores", self.cores.map(f64::from)),
            ("--bytes", "bytes", self.bytes.map(|bytes| bytes as f64)),
            ("--rate", "bytes_per_second", self.rate.map(|bytes| bytes as f64)),
        ];
        for (flag, name, value) in given {
            let Some(value) = value else { continue };
            if !self.kind.takes(name) {
                return Err(Failure::new(format!("{} takes no {flag}", self.kind.name()))
                    .hint("tidewatch fault start --help says which flag belongs to which fault"));
            }
            cause = cause.with(name, value);
        }
        Ok(cause)
    }
}

fn server_of(args: &FaultArgs) -> String {
    let running = || Addresses::read(&args.data_dir).map(|found| found.ui.unwrap_or(found.prometheus));
    let server = args.server.clone().or_else(running).unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let server = if server.contains("://") { server } else { format!("http://{server}") };
    server.trim_end_matches('/').to_owned()
}

fn show_active(active: &[(String, Vec<Value>)], output: ListOutput) -> Result<(), Failure> {
    if output == ListOutput::Json {
        let pods: Vec<Value> =
            active.iter().map(|(pod, faults)| serde_json::json!({ "pod": pod, "faults": faults })).collect();
        return query::show(&format!("{:#}\n", Value::Array(pods)));
    }
    query::show(&table(active))
}

fn table(active: &[(String, Vec<Value>)]) -> String {
    let mut rows = vec![["POD", "FAULT", "REMAINING", "PARAMETERS"].map(str::to_owned)];
    for (pod, faults) in active {
        for fault in faults {
            rows.push([pod.clone(), text(&fault["kind"]), remaining(fault), parameters(fault)]);
        }
    }
    if rows.len() == 1 {
        return "no fault is active\n".to_owned();
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (pod, fault, left) = (width(0), width(1), width(2));
    let line = |row: &[String; 4]| {
        let [a, b, c, d] = row;
        format!("{}\n", format!("{a:<pod$}  {b:<fault$}  {c:<left$}  {d}").trim_end())
    };
    rows.iter().map(line).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn remaining(fault: &Value) -> String {
    format_duration(Duration::from_secs(fault["remaining_seconds"].as_f64().unwrap_or(0.0) as u64))
}

fn parameters(fault: &Value) -> String {
    let members = fault.as_object().into_iter().flatten();
    let own =
        members.filter(|(name, _)| !["kind", "for_seconds", "remaining_seconds"].contains(&name.as_str()));
    own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use serde_json::json;
    use std::collections::BTreeMap;
    use tidewatch_manifest::ImageCommand;

    fn check(arguments: &str, expected: &str) {
        let arguments = format!("tidewatch fault start {arguments}");
        let text = match Cli::try_parse_from(arguments.split(' ')) {
            Err(error) => error.to_string(),
            Ok(Cli { command: Command::Fault(FaultArgs { command: FaultCommand::Start(start), .. }) }) => {
                match start.cause() {
                    Ok(cause) => format!("{} {}", cause.kind.name(), cause.body()),
                    Err(failure) => failure.to_string(),
                }
            }
            Ok(_) => unreachable!("it is `fault start`"),
        };
        assert!(text.contains(expected), "{arguments}: {text}");
    }

    #[test]
    fn arguments_become_what_the_pod_is_asked() {
        check("error-ratio todo-backend --ratio 0.2", r#"error-ratio {"for_seconds":300.0,"ratio":0.2}"#);
        check(
            "latency web --latency 1500ms --for 1m",
            r#"latency {"for_seconds":60.0,"latency_seconds":1.5}"#,
        );
        check("memory-leak web --bytes 1Mi", r#""bytes":1048576.0}"#);
        check("crash web", r#"crash {"for_seconds":300.0}"#);
        check("latency web --ratio 0.5", "latency takes no --ratio\n  hint: ");
        check("rain web", "[possible values: error-ratio, latency, crash, cpu-burn");
        check("latency web --for soon", "hint: write e.g. 30s");
        check("memory-leak web --bytes much", "hint: write e.g. 100Mi");
    }

    #[test]
    fn what_is_active_is_a_table() {
        let fault = json!({"kind": "latency", "for_seconds": 300.0, "remaining_seconds": 61.7, "latency_seconds": 2.0});
        let active = [("shop/web-1".to_owned(), vec![fault]), ("shop/web-2".to_owned(), Vec::new())];
        let expected = "POD         FAULT    REMAINING  PARAMETERS\n\
                        shop/web-1  latency  1m1s       latency_seconds=2.0\n";
        assert_eq!(table(&active), expected);
        assert_eq!(table(&active[1..]), "no fault is active\n");
    }

    #[test]
    fn faults_are_enabled_where_the_file_does_not_say_otherwise() {
        let image = |env: &[(&str, &str)]| ImageCommand {
            env: env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            ..ImageCommand::default()
        };
        let images = [("a", image(&[("X", "1")])), ("b", image(&[("FAULTS_ENABLED", "false")]))];
        let images: BTreeMap<String, ImageCommand> =
            images.into_iter().map(|(name, image)| (name.to_owned(), image)).collect();
        let mut settings = Settings { images, ..Settings::default() };
        enable(&mut settings);
        assert_eq!(settings.images["a"].env["FAULTS_ENABLED"], "true");
        assert_eq!(settings.images["a"].env["X"], "1");
        assert_eq!(settings.images["b"].env["FAULTS_ENABLED"], "false");
    }
}
