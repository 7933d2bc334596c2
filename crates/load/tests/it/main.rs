//! Loads against servers in this process.

#![allow(clippy::unwrap_used)] // a helper that panics fails its test, as it should

mod server;

mod endings;
mod stall;
mod tasks;

use std::time::Duration;
use tidewatch_load::{
    Arrivals, Error, Limits, LoadReport, LoadSpec, Progress, RequestTemplate, Schedule, Stage, Target, run,
};
use tokio::sync::watch;

/// A load of GET requests to one URL, for the tests to change.
fn load(url: &str, stage: &str) -> LoadSpec {
    LoadSpec {
        schedule: Schedule::new(vec![Stage::parse(stage).unwrap()]).unwrap(),
        arrivals: Arrivals::Uniform,
        seed: 1,
        target: Target::Requests(vec![RequestTemplate::parse(url, "GET", &[], "").unwrap()]),
        limits: Limits { connection_lifetime: Duration::ZERO, ..Limits::default() },
        allow_remote: false,
    }
}

/// Runs a load to its end.
async fn report(spec: &LoadSpec) -> Result<LoadReport, Error> {
    let (_stop, stops) = watch::channel(0);
    run(spec, &mut |_: &Progress| {}, stops).await
}
