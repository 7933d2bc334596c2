//! The load of a drill: the task scenario of `tidewatch load`, until it is stopped.
//!
//! Input: where, how many requests a second, and of which kinds. Output: requests, in an open model, from a thread of its own. What
//! fails is what the drill is about and is not counted here.

use crate::failure::Failure;
use std::time::Duration;
use tidewatch_load::{Arrivals, Limits, LoadSpec, Schedule, Stage, Target, TaskTarget, TaskWeights};
use tokio::sync::watch;

/// Longer than any drill.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Tasks that the scenario begins with.
const TASKS: usize = 20;

/// A load that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    stops: watch::Sender<u32>,
}

impl Traffic {
    /// Starts `rate` requests a second to a service, in the shares of `weights` (`list=50,create=10`).
    ///
    /// # Errors
    /// When the load cannot be described.
    pub(crate) fn start(base: &str, rate: f64, weights: &str) -> Result<Self, Failure> {
        let failed = |error: tidewatch_load::Error| Failure::from_error(&error);
        let stages = vec![Stage { from: rate, to: rate, duration: LONGEST }];
        let spec = LoadSpec {
            schedule: Schedule::new(stages).map_err(failed)?,
            arrivals: Arrivals::Uniform,
            seed: 1,
            target: Target::Tasks(TaskTarget {
                base: base.to_owned(),
                weights: TaskWeights::parse(weights).map_err(failed)?,
                tasks: TASKS,
                list_limit: 10,
            }),
            limits: Limits { connections: 16, in_flight: 256, ..Limits::default() },
            allow_remote: false,
        };
        let (stops, wishes) = watch::channel(0);
        let run = move || run(&spec, &wishes);
        std::thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(run)
            .map_err(|e| Failure::from_error(&e))?;
        Ok(Self { stops })
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        // the second wish gives up on what is under way
        self.stops.send_replace(2);
    }
}

fn run(spec: &LoadSpec, stops: &watch::Receiver<u32>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        // preparations fail while the application is broken: they are tried until it is not
        while *stops.borrow() == 0 {
            if tidewatch_load::run(spec, &mut |_| {}, stops.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
}
