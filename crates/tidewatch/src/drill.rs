//! `tidewatch drill`: causes what alerts are about, for real, and says whether somebody was told.
//!
//! Input: the command's arguments and the files that deploy the application. Output: a private stack that is started, broken, mended and
//! ended again; a table of when each alert went pending, fired, was delivered and resolved; a failure when one did not. It knows the
//! stack only by its public APIs. Shortened windows are stated for each alert; thresholds are never changed.

mod capture;
mod certificate;
mod copies;
mod exercise;
mod machine;
mod registry;
mod report;
mod shipped;
mod shorten;
mod stack;
mod step;
mod traffic;
mod watch;

use crate::failure::Failure;
use crate::fault::Pods;
use crate::query;
use crate::signals::Signals;
use capture::Capture;
use clap::{Args, Subcommand};
use exercise::{Expected, Ground, Outcome, exercise};
use registry::{Cause, ENTRIES, Entry};
use shipped::Shipped;
use shorten::Shortening;
use stack::Stack;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use step::{Place, UsualTraffic};
use tokio::task::JoinSet;
use watch::AlertWatch;

/// Settings of `drill`.
#[derive(Args, Debug)]
pub(crate) struct DrillArgs {
    #[command(subcommand)]
    command: DrillCommand,
}

#[derive(Debug, Subcommand)]
enum DrillCommand {
    /// Cause alerts for real on a stack of its own, and report when each fired, was delivered and was resolved
    ///
    /// The stack runs beside yours, on free ports, and ends with the drill. Exit code 1 when an alert did not do as it should.
    Alert(AlertArgs),
    /// The process of a pod of a drill that has a certificate
    #[command(hide = true)]
    Certificate {
        /// Where it listens.
        ip: IpAddr,
    },
}

/// Settings of `drill alert`.
#[derive(Args, Debug)]
struct AlertArgs {
    /// The alerts, by name. Default: all that the manifests ship
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// How many times shorter the windows are: `for`, ranges, intervals of scraping and evaluation, waits of notifications
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = factor)]
    factor: f64,

    /// Do not shorten anything: takes hours
    #[arg(long, conflicts_with = "factor")]
    real_time: bool,

    /// Say what would be caused, and end
    #[arg(long)]
    list: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Which program runs which image, and where the manifests are
    #[arg(long, value_name = "FILE", default_value = "tidewatch.yaml")]
    config: PathBuf,

    /// Keep the drill's files here: manifests, samples, logs. Default: a temporary folder that is removed
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn factor(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|factor| (1.0..=30.0).contains(factor))
        .ok_or_else(|| format!("{text:?} is not a number from 1 to 30; hint: write e.g. 10"))
}

/// Runs the command.
///
/// # Errors
/// When a stack cannot be run, an alert is unknown, or one did not do as it should.
pub(crate) async fn run(args: &DrillArgs) -> Result<(), Failure> {
    let args = match &args.command {
        DrillCommand::Alert(args) => args,
        DrillCommand::Certificate { ip } => return certificate::run(*ip).await,
    };
    let shipped = Shipped::of(&args.config)?;
    let entries = chosen(&shipped, &args.names)?;
    if args.list {
        return query::show(&report::list(entries.into_iter()));
    }
    let mut signals = Signals::new()?;
    let outcomes = tokio::select! {
        outcomes = drill(args, &shipped, &entries) => outcomes?,
        // dropping the stacks ends all they started
        _ = signals.next() => return Err(Failure::new("the drill was ended by a signal")),
    };
    if args.json {
        query::show(&format!("{:#}\n", report::json(&outcomes)))?;
    } else {
        query::show(&report::table(&outcomes))?;
    }
    match report::passed(&outcomes) {
        true => Ok(()),
        false => Err(Failure::new("not every alert did as it should")
            .hint("--keep DIR keeps the stack's log and samples; name one alert to drill only that")),
    }
}

/// The entries of the alerts that were named, or of all that are shipped.
fn chosen(shipped: &Shipped, names: &[String]) -> Result<Vec<&'static Entry>, Failure> {
    let known: BTreeSet<&str> = shipped.rules.iter().map(|rule| rule.alert.as_str()).collect();
    for name in names {
        let problem = if !known.contains(name.as_str()) {
            "the manifests have no alert"
        } else if !ENTRIES.iter().any(|entry| entry.alert == name) {
            "no cause is known for the alert"
        } else {
            continue;
        };
        let known: Vec<&str> = known.into_iter().collect();
        return Err(Failure::new(format!("{problem} {name}")).hint(format!("there are {}", known.join(", "))));
    }
    let wanted = |entry: &&Entry| {
        shipped.rule(entry).is_some() && (names.is_empty() || names.iter().any(|name| name == entry.alert))
    };
    Ok(ENTRIES.iter().filter(wanted).collect())
}

/// Drills on one stack for each pace, one after the other: two at once would disturb each other.
async fn drill(
    args: &AlertArgs,
    shipped: &Shipped,
    entries: &[&'static Entry],
) -> Result<Vec<Outcome>, Failure> {
    let temporary = tempfile::Builder::new().prefix("tidewatch-drill-").tempdir();
    let temporary = temporary.map_err(|error| Failure::new(format!("no folder for the drill: {error}")))?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let paces: BTreeSet<u32> =
        entries.iter().map(|entry| if args.real_time { 1 } else { entry.cause.haste }).collect();
    let mut outcomes = Vec::new();
    for pace in paces {
        let shortening =
            if args.real_time { Shortening::by(1.0) } else { Shortening::by(args.factor * f64::from(pace)) };
        let of_pace: Vec<&'static Entry> =
            entries.iter().copied().filter(|entry| args.real_time || entry.cause.haste == pace).collect();
        let folder = folder.join(format!("factor-{}", shortening.factor()));
        outcomes.extend(on_one_stack(args, shipped, &of_pace, &folder, shortening).await?);
    }
    Ok(outcomes)
}

async fn on_one_stack(
    args: &AlertArgs,
    shipped: &Shipped,
    entries: &[&'static Entry],
    folder: &Path,
    shortening: Shortening,
) -> Result<Vec<Outcome>, Failure> {
    let capture = Arc::new(Capture::start().await?);
    let settings = copies::write(&args.config, folder, shortening, &capture.url())?;
    eprintln!(
        "starting a stack with windows {} times shorter in {} ...",
        shortening.factor(),
        folder.display()
    );
    let started = Instant::now();
    let stack = Arc::new(Stack::start(&settings, folder, shortening).await?);
    eprintln!("every pod ready and every target up after {:.1} s", started.elapsed().as_secs_f64());
    let usual = UsualTraffic::default();
    usual.start(&stack)?;
    let pods = Pods::of(stack.page())?;
    let alerts = Arc::new(AlertWatch::start(stack.prometheus()));
    let ground = Ground {
        place: Place { stack: Arc::clone(&stack), pods, usual },
        capture,
        alerts,
        shortening,
        started,
    };
    let outcomes = all_causes(&ground, shipped, entries).await;
    drop(ground);
    if let Some(stack) = Arc::into_inner(stack) {
        stack.stop().await;
    }
    outcomes
}

/// Runs every cause, those side by side that touch nothing in common.
async fn all_causes(
    ground: &Ground,
    shipped: &Shipped,
    entries: &[&'static Entry],
) -> Result<Vec<Outcome>, Failure> {
    let mut waiting = causes_of(entries);
    let mut touched: BTreeSet<&'static str> = BTreeSet::new();
    let mut running = JoinSet::new();
    let mut outcomes = Vec::new();
    loop {
        let mut left = Vec::new();
        for cause in waiting {
            if cause.touches.iter().any(|touch| touched.contains(touch)) {
                left.push(cause);
                continue;
            }
            touched.extend(cause.touches);
            let of_it = entries.iter().filter(|entry| std::ptr::eq(entry.cause, cause));
            let expected = of_it
                .filter_map(|entry| Some(Expected { entry, rule: shipped.rule(entry)?.clone() }))
                .collect();
            let ground = ground.clone();
            running.spawn(async move { (cause, exercise(ground, cause, expected).await) });
        }
        waiting = left;
        let Some(done) = running.join_next().await else { break };
        let (cause, done) = done.map_err(|error| Failure::from_error(&error))?;
        outcomes.extend(done);
        touched.retain(|touch| !cause.touches.contains(touch));
    }
    let place = |outcome: &Outcome| ENTRIES.iter().position(|entry| std::ptr::eq(entry, outcome.entry));
    outcomes.sort_by_key(place);
    Ok(outcomes)
}

/// The causes of entries, each once, in the order of the registry.
fn causes_of(entries: &[&'static Entry]) -> Vec<&'static Cause> {
    let mut causes: Vec<&'static Cause> = Vec::new();
    for entry in entries {
        if !causes.iter().any(|cause| std::ptr::eq(*cause, entry.cause)) {
            causes.push(entry.cause);
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_alerts_are_answered_with_those_that_exist() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let shipped = Shipped::of(&repository.join("tidewatch.yaml")).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let found = chosen(&shipped, &names(&["HighErrorRate", "ErrorBudgetBurnFast"])).unwrap();
        assert!(found.len() > 2 && found.iter().all(|entry| entry.alert != "Watchdog"));
        assert_eq!(chosen(&shipped, &[]).unwrap().len(), ENTRIES.len());
        let unknown = chosen(&shipped, &names(&["Rain"])).unwrap_err().to_string();
        assert!(
            unknown.contains("no alert Rain\n  hint: there are ") && unknown.contains("HighErrorRate"),
            "{unknown}"
        );
    }

    #[test]
    fn alerts_of_one_cause_are_drilled_together() {
        let of = |alert: &str| ENTRIES.iter().find(|entry| entry.alert == alert).unwrap();
        let entries = [of("ReplicasUnavailable"), of("HighErrorRate"), of("HPAUnableToScale")];
        let causes = causes_of(&entries);
        assert_eq!(causes.len(), 2);
        assert!(std::ptr::eq(causes[0], of("HPAUnableToScale").cause));
    }

    #[test]
    fn factors_are_bounded() {
        assert_eq!(factor("10"), Ok(10.0));
        for wrong in ["0.5", "31", "ten", "NaN"] {
            assert!(factor(wrong).unwrap_err().contains("hint: write e.g. 10"), "{wrong}");
        }
    }
}
