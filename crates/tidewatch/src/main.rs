//! The tidewatch program: reads the command line, runs one command, turns a failure into a message and an exit code.

mod addresses;
mod cli;
mod failure;
mod plot;
mod query;
mod status;
mod terminal;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Query(args) => query::run(args).await,
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tidewatch: {failure}");
            ExitCode::FAILURE
        }
    }
}
