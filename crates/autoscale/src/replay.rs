//! Plays a scenario through a controller.
//!
//! Input: a [`Scenario`]. Output: a decision for each tick, and the line that `tidewatch autoscale replay` prints for it.
//! Reading the file and printing are the caller's.

use crate::scenario::{Scenario, Tick};
use crate::{Decision, HpaController, ScaleView, ScalingEvent, Step};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What was decided at one tick of a scenario.
#[derive(Clone, Debug)]
pub struct ReplayedTick {
    /// The tick's time in seconds, as the scenario has it.
    t: Value,
    /// The decision.
    pub decision: Decision,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    t: &'a Value,
    current_replicas: i32,
    desired_replicas: i32,
    conditions: BTreeMap<&'static str, String>,
    scaled: bool,
    #[serde(flatten)]
    explanation: Option<Explanation<'a>>,
}

#[derive(Serialize)]
struct Explanation<'a> {
    sentence: String,
    steps: &'a [Step],
    events: &'a [ScalingEvent],
}

impl ReplayedTick {
    /// The tick as one line of JSON; with `explain` also its sentence, steps and events.
    pub fn line(&self, explain: bool) -> String {
        let decision = &self.decision;
        let conditions = decision.conditions.iter().map(|condition| {
            (condition.kind.name(), format!("{}/{}", condition.status_text(), condition.reason))
        });
        let line = Line {
            t: &self.t,
            current_replicas: decision.current_replicas,
            desired_replicas: decision.desired_replicas,
            conditions: conditions.collect(),
            scaled: decision.scaled,
            explanation: explain.then(|| Explanation {
                sentence: decision.sentence(),
                steps: &decision.steps,
                events: &decision.events,
            }),
        };
        serde_json::to_string(&line).expect("numbers, texts and maps by text are always JSON")
    }
}

impl Scenario {
    /// Decides at each tick, in order.
    pub fn replay(&self) -> impl Iterator<Item = ReplayedTick> {
        let mut controller = HpaController::new(self.hpa.clone(), self.options);
        let mut replicas = 0;
        self.ticks.iter().map(move |tick| replay_tick(&mut controller, &mut replicas, tick))
    }
}

fn replay_tick(controller: &mut HpaController, replicas: &mut i32, tick: &Tick) -> ReplayedTick {
    *replicas = tick.replicas.unwrap_or(*replicas);
    let mut observed = tick.observed.clone();
    observed.scale = match &tick.scale_get_error {
        Some(error) => Err(error.clone()),
        None => Ok(ScaleView {
            spec_replicas: *replicas,
            status_replicas: tick.status_replicas.unwrap_or(*replicas),
        }),
    };
    let mut update = |wanted: i32| match &tick.scale_update_error {
        Some(error) => Err(error.clone()),
        None => {
            *replicas = wanted;
            Ok(())
        }
    };
    let decision = controller.sync(tick.time_ms, &observed, &mut update);
    ReplayedTick { t: tick.t.clone(), decision }
}
