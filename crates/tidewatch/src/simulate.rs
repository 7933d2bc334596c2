//! `tidewatch simulate`: plays a load through the autoscalers of manifests, in virtual time.
//!
//! Input: the command's arguments, manifests, a scenario file, and recorded series from files or a Prometheus. Output: a report for each
//! autoscaler on standard output; a failure when a target is missed. It starts nothing and needs nothing that runs.

use crate::failure::Failure;
use crate::query;
use crate::simulate_args::{SimulateArgs, SimulateOutput, own};
use crate::simulate_print as print;
use std::collections::BTreeMap;
use std::path::Path;
use tidewatch_manifest::{ManifestError, Manifests};
use tidewatch_model::{format_timestamp, parse_timestamp};
use tidewatch_simulate::{
    Calibration, CalibrationInput, Recording, SimulationReport, SimulationRequest, SweepGrid, SweepReport,
    SweepRequest, autoscaler_names, calibrate, read_scenario, run_manifests, sweep_manifests,
};

/// Runs the command.
///
/// # Errors
/// When the input cannot be used, and when a target is missed.
pub(crate) async fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let manifests = tidewatch_manifest::load(&args.files).map_err(|errors| all(&errors))?;
    let names = chosen(args, &manifests)?;
    let scenario = match &args.scenario {
        Some(path) => {
            read_scenario(&path.display().to_string(), &read(path)?).map_err(|e| Failure::from_error(&e))?
        }
        None => BTreeMap::new(),
    };
    if let Some(unknown) = scenario.keys().find(|name| !autoscaler_names(&manifests).contains(name)) {
        let known = autoscaler_names(&manifests).join(", ");
        return Err(Failure::new(format!(
            "the scenario names {unknown:?}, which is no autoscaler of the manifests"
        ))
        .hint(format!("there is {known}")));
    }
    let calibration = calibration(args).await?;
    let mut requests = Vec::new();
    for name in &names {
        let mut request = scenario.get(name).cloned().unwrap_or_default();
        if let Some(calibration) = &calibration {
            calibration.apply(&mut request.service);
        }
        if let Some(recording) = recorded_load(args, name).await? {
            request.load.segments = recording.load().segments;
        }
        requests.push(args.request(name, request)?);
    }
    if args.sweep {
        return search(args, &manifests, requests);
    }
    let reports = requests.iter().map(|request| run_manifests(&manifests, request));
    let mut reports: Vec<SimulationReport> =
        reports.collect::<Result<_, _>>().map_err(|e| Failure::from_error(&e))?;
    for report in &mut reports {
        report.warnings.extend(calibration.iter().flat_map(|found| found.warnings.iter().cloned()));
    }
    query::show(&match args.output {
        SimulateOutput::Json => print::json(&reports)?,
        SimulateOutput::Markdown => print::markdown(&reports),
        SimulateOutput::Pretty => print::pretty(&reports, calibration.as_ref()),
    })?;
    judged(reports.iter().map(|report| (report.autoscaler.name.as_str(), report.verdict.passed)))
}

fn search(
    args: &SimulateArgs,
    manifests: &Manifests,
    requests: Vec<SimulationRequest>,
) -> Result<(), Failure> {
    let grid: SweepGrid = match &args.grid {
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Failure::new(format!("--grid: {error}"))
                .hint("write e.g. {\"scaleDownWindows\":[30,60],\"cpuTargets\":[60,70]}")
        })?,
        None => SweepGrid::default(),
    };
    let searches = requests.into_iter().map(|simulation| {
        sweep_manifests(
            manifests,
            &SweepRequest { simulation, grid: grid.clone(), ..SweepRequest::default() },
        )
    });
    let reports: Vec<SweepReport> =
        searches.collect::<Result<_, _>>().map_err(|e| Failure::from_error(&e))?;
    query::show(&match args.output {
        SimulateOutput::Json => print::json(&reports)?,
        SimulateOutput::Markdown => print::sweep_markdown(&reports),
        SimulateOutput::Pretty => print::sweep_pretty(&reports),
    })?;
    judged(reports.iter().map(|report| (report.name.as_str(), report.met > 0)))
}

fn judged<'a>(verdicts: impl Iterator<Item = (&'a str, bool)>) -> Result<(), Failure> {
    let missed: Vec<&str> = verdicts.filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("targets are missed by {}", missed.join(", ")))
        .hint("--sweep searches settings that meet them; those that are not judged need a longer load or --duration"))
}

/// The autoscalers that are asked for, or all.
fn chosen(args: &SimulateArgs, manifests: &Manifests) -> Result<Vec<String>, Failure> {
    let known = autoscaler_names(manifests);
    let listed = known.join(", ");
    if known.is_empty() {
        return Err(Failure::new("the manifests hold no HorizontalPodAutoscaler and no ScaledObject")
            .hint("name the file that holds one with -f"));
    }
    if let Some(unknown) = args.names.iter().find(|name| !known.contains(name)) {
        return Err(
            Failure::new(format!("--hpa {unknown}: no such autoscaler")).hint(format!("there is {listed}"))
        );
    }
    Ok(if args.names.is_empty() { known } else { args.names.clone() })
}

fn all(errors: &[ManifestError]) -> Failure {
    Failure::new(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())).hint("check the path"))
}

async fn recorded_load(args: &SimulateArgs, name: &str) -> Result<Option<Recording>, Failure> {
    match (own(&args.recorded, name), own(&args.query, name)) {
        (Some(file), _) => parsed(file, &read(Path::new(file))?).map(Some),
        (None, Some(query)) => asked(args, query).await.map(Some),
        (None, None) => Ok(None),
    }
}

fn parsed(name: &str, text: &str) -> Result<Recording, Failure> {
    Recording::parse(name, text).map_err(|error| Failure::from_error(&error))
}

/// The answer of the Prometheus to a range query.
async fn asked(args: &SimulateArgs, expression: &str) -> Result<Recording, Failure> {
    let (Some(server), Some(start), Some(end)) = (&args.prometheus, &args.start, &args.end) else {
        return Err(Failure::new(format!("{expression}: which range of which server?"))
            .hint("add --prometheus, --start and --end"));
    };
    let time = |name: &str, text: &str| {
        parse_timestamp(text).map_err(|error| {
            Failure::new(format!("--{name}: {error}")).hint("write Unix seconds or e.g. 2026-01-31T12:00:00Z")
        })
    };
    let (start, end) = (time("start", start)?, time("end", end)?);
    let parameters = [
        ("query", expression.to_owned()),
        ("start", format_timestamp(start)),
        ("end", format_timestamp(end)),
        ("step", args.step.as_secs_f64().to_string()),
    ];
    let body = query::ask(server.trim_end_matches('/'), "/api/v1/query_range", &parameters).await?;
    parsed(expression, &body)
}

async fn calibration(args: &SimulateArgs) -> Result<Option<Calibration>, Failure> {
    if args.calibrate.is_empty() {
        return Ok(None);
    }
    let mut series = BTreeMap::new();
    for text in &args.calibrate {
        let names = ["rate", "cpu", "replicas", "running", "ready", "memory"];
        let (name, source) =
            text.split_once('=').filter(|(name, _)| names.contains(name)).ok_or_else(|| {
                Failure::new(format!("--calibrate {text:?} is not SERIES=SOURCE"))
                    .hint(format!("a series is {}", names.join(", ")))
            })?;
        let recording = match &args.prometheus {
            Some(_) => asked(args, source).await?,
            None => parsed(source, &read(Path::new(source))?)?,
        };
        series.insert(name, recording);
    }
    let mut required = |name: &str| {
        series.remove(name).ok_or_else(|| {
            Failure::new(format!("--calibrate needs {name}=…")).hint("give rate and cpu at least")
        })
    };
    let input = CalibrationInput {
        request_rate: required("rate")?,
        cpu_cores: required("cpu")?,
        memory_bytes: series.remove("memory"),
        replicas: series.remove("replicas"),
        running_replicas: series.remove("running"),
        ready_replicas: series.remove("ready"),
    };
    calibrate(&input).map(Some).map_err(|error| Failure::from_error(&error))
}
