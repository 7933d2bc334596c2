//! What `tidewatch load` is asked, and the load that follows from it.
//!
//! Input: the command's arguments. Output: a [`LoadSpec`] and limits, or what is wrong with a value. Nothing is sent here.

use crate::cli::duration;
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use tidewatch_load::{
    Arrivals, Limits, LoadSpec, RequestTemplate, Schedule, Stage, Target, TaskTarget, TaskWeights, Threshold,
    parse_rate,
};

/// Settings of `load`.
#[derive(Args, Debug)]
pub(crate) struct LoadArgs {
    /// [METHOD ]URL; several are requested in turn. {{sequence}} and {{random}} in path or query become numbers. With --scenario tasks, the
    /// backend, e.g. http://127.0.0.1:8000
    #[arg(value_name = "URL", required = true)]
    urls: Vec<String>,

    /// Requests a second (or /m, /h), evenly for the time of --for
    #[arg(long, value_name = "RATE", requires = "time", conflicts_with = "stages")]
    rate: Option<String>,

    /// How long --rate lasts
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, requires = "rate")]
    time: Option<Duration>,

    /// A part of the schedule, RATE:DURATION or ramp:FROM..TO:DURATION, e.g. 50/s:1m or ramp:50..400/s:30s; repeatable, one after the
    /// other, so several constant ones are steps
    #[arg(long = "stage", value_name = "STAGE", required_unless_present = "rate")]
    stages: Vec<String>,

    /// How requests are spread
    #[arg(long, value_enum, default_value_t = Spread::Uniform)]
    arrivals: Spread,

    /// What users of the todo application do: lists, reads, creates, changes, completes and deletes tasks, of which none is left
    #[arg(long, value_enum, value_name = "NAME")]
    scenario: Option<Scenario>,

    /// How often the scenario does what; actions not named never
    #[arg(
        long,
        value_name = "ACTION=WEIGHT,...",
        requires = "scenario",
        default_value = "list=50,get=20,create=10,update=10,complete=5,delete=5"
    )]
    weights: String,

    /// How many tasks the scenario makes before the load, and about how many there are during it
    #[arg(long = "task-count", value_name = "COUNT", requires = "scenario", default_value_t = 50)]
    tasks: usize,

    /// How many tasks the scenario's lists ask for
    #[arg(long, value_name = "COUNT", requires = "scenario", default_value_t = 20)]
    list_limit: u32,

    /// Method of the URLs that name none
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET", conflicts_with = "scenario")]
    method: String,

    /// A header, e.g. 'Accept: text/plain'; repeatable
    #[arg(short = 'H', long = "header", value_name = "HEADER", conflicts_with = "scenario")]
    headers: Vec<String>,

    /// Body of requests that have one, with {{sequence}} and {{random}}; @FILE reads a file
    #[arg(short = 'd', long, value_name = "TEXT", default_value = "", conflicts_with = "scenario")]
    body: String,

    /// Connections to each host at most
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    connections: usize,

    /// Requests under way or waiting for a connection at most; what is due beyond is counted as missed
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().in_flight)]
    max_in_flight: usize,

    /// How long a request may take from the moment when it is due
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,

    /// After which time a connection is replaced, so that new replicas get their share (0: never)
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    connection_lifetime: Duration,

    /// Seed of everything random
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Load a host that is not this machine
    #[arg(long)]
    allow_remote: bool,

    /// Exit with 1 when this holds, e.g. errors>0, missed>0, error_rate>1%, p99>500ms, ok_rate<190/s; repeatable
    #[arg(long, value_name = "LIMIT")]
    fail_if: Vec<String>,

    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t = LoadOutput::Pretty)]
    pub(crate) output: LoadOutput,

    /// Write the JSON to a file too
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
}

/// How requests are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Spread {
    /// Evenly
    Uniform,
    /// Independently of each other, as many users do
    Poisson,
}

/// A built-in use of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// The todo application's tasks
    Tasks,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoadOutput {
    /// Tables and plots
    Pretty,
    /// Totals and a timeline by the second
    Json,
}

impl LoadArgs {
    /// The load.
    ///
    /// # Errors
    /// When a value cannot be read; the text says which.
    pub(crate) fn spec(&self) -> Result<LoadSpec, Failure> {
        let failed = |error: tidewatch_load::Error| Failure::from_error(&error);
        let stages = match (&self.rate, self.time) {
            (Some(rate), Some(duration)) => {
                let rate = parse_rate(rate).map_err(failed)?;
                vec![Stage { from: rate, to: rate, duration }]
            }
            _ => {
                self.stages.iter().map(|text| Stage::parse(text)).collect::<Result<_, _>>().map_err(failed)?
            }
        };
        Ok(LoadSpec {
            schedule: Schedule::new(stages).map_err(failed)?,
            arrivals: match self.arrivals {
                Spread::Uniform => Arrivals::Uniform,
                Spread::Poisson => Arrivals::Poisson,
            },
            seed: self.seed,
            target: self.target()?,
            limits: self.limits()?,
            allow_remote: self.allow_remote,
        })
    }

    /// The limits that make the run fail.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn thresholds(&self) -> Result<Vec<Threshold>, Failure> {
        let read = self.fail_if.iter().map(|text| Threshold::parse(text));
        read.collect::<Result<_, _>>().map_err(|error| Failure::from_error(&error))
    }

    fn target(&self) -> Result<Target, Failure> {
        if self.scenario == Some(Scenario::Tasks) {
            let [base] = self.urls.as_slice() else {
                return Err(Failure::new("the scenario has one backend").hint("give one URL"));
            };
            let weights = TaskWeights::parse(&self.weights).map_err(|e| Failure::from_error(&e))?;
            let (base, tasks, list_limit) = (base.clone(), self.tasks, self.list_limit);
            return Ok(Target::Tasks(TaskTarget { base, weights, tasks, list_limit }));
        }
        let body = match self.body.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                Failure::new(format!("--body {}: {error}", self.body)).hint("check the path")
            })?,
            None => self.body.clone(),
        };
        let templates =
            self.urls.iter().map(|url| RequestTemplate::parse(url, &self.method, &self.headers, &body));
        templates.collect::<Result<_, _>>().map(Target::Requests).map_err(|error| Failure::from_error(&error))
    }

    fn limits(&self) -> Result<Limits, Failure> {
        for (flag, value) in [("connections", self.connections), ("max-in-flight", self.max_in_flight)] {
            if !(1..=1_000_000).contains(&value) {
                return Err(
                    Failure::new(format!("--{flag} {value} is out of range")).hint("give 1 to 1000000")
                );
            }
        }
        if self.timeout.is_zero() {
            return Err(Failure::new("--timeout 0 leaves no time for an answer").hint("give e.g. 10s"));
        }
        Ok(Limits {
            connections: self.connections,
            in_flight: self.max_in_flight,
            timeout: self.timeout,
            connection_lifetime: self.connection_lifetime,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: LoadArgs,
    }

    fn spec(line: &str) -> Result<LoadSpec, String> {
        let line = ["load"].into_iter().chain(line.split(' '));
        let args = Line::try_parse_from(line).map_err(|error| error.to_string())?.args;
        args.thresholds().and_then(|_| args.spec()).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_become_a_load() {
        let rate = spec("http://127.0.0.1:8000/ --rate 200/s --for 2m --arrivals poisson").unwrap();
        assert_eq!((rate.schedule.requests(), rate.arrivals), (24_000.0, Arrivals::Poisson));
        let stages = "--stage 50/s:1m --stage ramp:50..400/s:30s --connections 7 --timeout 1s --seed 9";
        let stages = spec(&format!("http://127.0.0.1:8000/ {stages}")).unwrap();
        assert_eq!((stages.schedule.stages().len(), stages.seed), (2, 9));
        assert_eq!((stages.limits.connections, stages.limits.timeout), (7, Duration::from_secs(1)));
        let tasks = spec("http://127.0.0.1:8000 --rate 1 --for 1s --scenario tasks --task-count 3").unwrap();
        assert!(matches!(tasks.target, Target::Tasks(TaskTarget { tasks: 3, list_limit: 20, .. })));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let check = |line: &str, expected: &str| {
            let error = spec(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        };
        check("http://127.0.0.1/", "--stage");
        check("http://127.0.0.1/ --rate 5", "--for");
        check("http://127.0.0.1/ --rate 5 --for 1s --stage 1:1s", "cannot be used with");
        check("http://127.0.0.1/ --stage fast:1s", "rate \"fast\": is no number");
        check("https://127.0.0.1/ --stage 1:1s", "https is not supported");
        check("http://127.0.0.1/ --stage 1:1s --connections 0", "--connections 0 is out of range");
        check("http://127.0.0.1/ --stage 1:1s --timeout 0", "leaves no time");
        check("http://127.0.0.1/ --stage 1:1s --fail-if p98>1s", "\"p98\" is none of errors");
        check("http://127.0.0.1/ --stage 1:1s -d @/nowhere/at-all", "check the path");
        check("http://a/ http://b/ --stage 1:1s --scenario tasks", "give one URL");
        check("http://127.0.0.1/ --stage 1:1s --scenario tasks --weights peek=1", "an action is unknown");
    }
}
