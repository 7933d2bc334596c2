//! The tidewatch program: reads the command line, runs one command, turns a failure into a message and an exit code.

mod cli;
mod trace_args;
mod scaling_args;
mod alerting_args;
mod prometheus_flags;

mod own_metrics;
mod previous_run;
mod spans;
mod autoscaling;
mod alerting;
mod notifications;
mod simulation;
mod pipeline;
mod serve;
mod up;

mod broker;
mod sidecar;

mod addresses;
mod signals;
mod status;
mod usage;

mod autoscale;
mod simulate;
mod simulate_args;
mod simulate_print;

mod drill;
mod fault;

mod load;
mod load_args;
mod load_print;

mod slo;

mod check;
mod test_rules;

mod plot;
mod query;
mod terminal;

mod failure;

use clap::Parser;
use cli::{Cli, Command, LogArgs, LogFormat};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    match prometheus_flags::filter(std::env::args().collect()).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tidewatch: {failure}");
            failure.exit_code()
        }
    }
}

fn run((arguments, remarks): (Vec<String>, Vec<String>)) -> Result<(), Failure> {
    let command = Cli::parse_from(arguments).command;
    for remark in remarks {
        eprintln!("{remark}");
    }
    match &command {
        // without an async runtime: it waits on a pipe in as little memory as possible
        Command::Guard { instance } => {
            tidewatch_runtime::run_guard(instance);
            Ok(())
        }
        Command::Up(args) => logged(&args.log, up::run(args)),
        Command::Serve(args) => logged(&args.log, serve::run(args)),
        Command::Query(args) => on_runtime(query::run(args)),
        Command::Autoscale(args) => on_runtime(autoscale::run(args)),
        Command::Simulate(args) => on_runtime(simulate::run(args)),
        Command::Load(args) => load::run(args),
        Command::Fault(args) => on_runtime(fault::run(args)),
        Command::Slo(args) => slo::run(args),
        Command::Test(args) => test_rules::run(args),
        Command::Check(args) => check::run(args),
        Command::Drill(args) => on_runtime(drill::run(args)),
        Command::Broker(args) => logged(&args.log, broker::run(args)),
        Command::Sidecar(args) => {
            let format = if args.log_as_json { LogFormat::Json } else { LogFormat::Text };
            let log = LogArgs { level: args.log_level.clone(), format };
            logged(&log, sidecar::run(args))
        }
    }
}

fn logged(log: &LogArgs, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tidewatch_telemetry::return_freed_memory();
    tidewatch_telemetry::init_logging(log.format.into(), &log.level).map_err(|e| Failure::from_error(&e))?;
    on_runtime(work)
}

fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| Failure::from_error(&e))?.block_on(work)
}
