//! `tidewatch load`: sends requests at a schedule, whatever the answers do, and says what became of them.
//!
//! Input: the command's arguments, signals. Output: a line on standard error that stays current, the report on standard output,
//! and a failure when a limit was crossed. It ends by itself.

use crate::failure::Failure;
use crate::load_args::{LoadArgs, LoadOutput};
use crate::load_print;
use crate::query;
use crate::signals::Signals;
use std::io::{IsTerminal, Write};
use tidewatch_load::{LoadReport, Progress};
use tokio::sync::watch;

/// Runs the command. The generator and all its connections share one thread: a second one would cost the machine
/// that is measured more than it gives.
///
/// # Errors
/// When the load cannot be run, and when a limit is crossed.
pub(crate) fn run(args: &LoadArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::from_error(&e))?.block_on(load(args))
}

async fn load(args: &LoadArgs) -> Result<(), Failure> {
    let (spec, thresholds) = (args.spec()?, args.thresholds()?);
    let mut signals = Signals::new()?;
    let (stop, stops) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            signals.next().await;
            stop.send_modify(|wishes| *wishes += 1);
        }
    });
    let terminal = std::io::stderr().is_terminal();
    let mut shown = false;
    let mut observe = |progress: &Progress| {
        if terminal {
            shown = true;
            // a terminal that is gone is no reason to stop
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", load_print::progress(progress));
        }
    };
    let report = tidewatch_load::run(&spec, &mut observe, stops).await;
    if shown {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let mut report = report.map_err(|error| Failure::from_error(&error))?;
    let passed = report.judge(&thresholds);
    print(args, &report)?;
    if passed { Ok(()) } else { Err(crossed(&report)) }
}

fn print(args: &LoadArgs, report: &LoadReport) -> Result<(), Failure> {
    let json =
        || serde_json::to_string_pretty(report).map(|text| text + "\n").map_err(|e| Failure::from_error(&e));
    if let Some(path) = &args.save {
        std::fs::write(path, json()?).map_err(|error| {
            Failure::new(format!("--save {}: {error}", path.display())).hint("choose a folder that exists")
        })?;
    }
    query::show(&match args.output {
        LoadOutput::Pretty => load_print::pretty(report),
        LoadOutput::Json => json()?,
    })
}

fn crossed(report: &LoadReport) -> Failure {
    let limits: Vec<&str> =
        report.checks.iter().filter(|check| check.failed).map(|check| check.fail_if.as_str()).collect();
    Failure::new(format!("the load crossed {}", limits.join(", ")))
}
