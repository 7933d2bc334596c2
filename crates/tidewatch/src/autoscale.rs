//! `tidewatch autoscale`: what autoscalers decide, played from a file or told by a running tidewatch.
//!
//! Input: the command's arguments. Output: JSON lines of decisions, or an explanation for people. Deciding is the crate
//! `autoscale`'s business; nothing is scaled here.

mod explain;

use crate::failure::Failure;
use clap::{Args, Subcommand, ValueEnum};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use tidewatch_autoscale::Scenario;

/// Settings of `autoscale`.
#[derive(Args, Debug)]
pub(crate) struct AutoscaleArgs {
    #[command(subcommand)]
    command: AutoscaleCommand,
}

#[derive(Debug, Subcommand)]
enum AutoscaleCommand {
    /// Decide at each tick of a scenario, as kube-controller-manager of Kubernetes 1.34 would, and print a JSON line each
    Replay(ReplayArgs),
    /// Say what the autoscalers of a running tidewatch decide, and why
    Explain(ExplainArgs),
}

/// Settings of `autoscale replay`.
#[derive(Args, Debug)]
struct ReplayArgs {
    /// The scenario: a JSON file with an autoscaler and what it sees at each tick; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Add the sentence, the steps and the events of each decision
    #[arg(long)]
    explain: bool,
}

/// Settings of `autoscale explain`.
#[derive(Args, Debug)]
struct ExplainArgs {
    /// The autoscaler, as NAME or NAMESPACE/NAME. Default: all
    #[arg(value_name = "HPA")]
    name: Option<String>,

    /// The server to ask. Default: the one that runs with this data directory, else http://127.0.0.1:3000
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// The data directory whose addresses.json names the server
    #[arg(long, value_name = "DIR", default_value = "tidewatch-data")]
    data_dir: PathBuf,

    /// How many decisions are looked back
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,

    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t = ExplainOutput::Pretty)]
    output: ExplainOutput,
}

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExplainOutput {
    /// For people
    Pretty,
    /// The autoscalers as the server gives them, each with its decisions
    Json,
}

/// Runs the command.
///
/// # Errors
/// When a scenario cannot be read or is wrong, or the server does not answer; the text has the remedy.
pub(crate) async fn run(args: &AutoscaleArgs) -> Result<(), Failure> {
    match &args.command {
        AutoscaleCommand::Replay(args) => replay(args),
        AutoscaleCommand::Explain(args) => explain::run(args).await,
    }
}

fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    let text = read(&args.file)?;
    let scenario =
        Scenario::parse(&text).map_err(|error| Failure::new(format!("{}: {error}", args.file.display())))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let printed = scenario
        .replay()
        .try_for_each(|tick| writeln!(out, "{}", tick.line(args.explain)))
        .and_then(|()| out.flush());
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::from_error(&error)),
        _ => Ok(()),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| {
        Failure::new(format!("{}: {error}", file.display()))
            .hint("give a scenario as a JSON file, or - for standard input")
    })
}
