//! Plays what happened to an Alertmanager in virtual time, to lay it beside what a real one told.
//!
//! Input: a configuration file, and on standard input one JSON object a line, in the order of their times: `{"at": ms}` with one of
//! `"alerts": [{"labels": {..}, "startsAt": ms, "endsAt": ms}]`, `"silence": {"matchers": "..", "endsAt": ms}`, `"expire": "silence-1"`,
//! `"reload": "file"`, `"restart": true`, or nothing. Times count from the beginning; those that are left out are not said. Output: one
//! JSON object for each notification that was taken.

use serde_json::{Value, json};
use std::io::BufRead;
use std::path::Path;
use tidewatch_model::{Alert, Labels};
use tidewatch_notify::{Config, Silence, SimulatedAttempt, Simulation, parse_matchers};

/// When the simulation begins, in milliseconds since the Unix epoch.
const BEGIN: i64 = 1_767_225_600_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let file = std::env::args().nth(1).ok_or("usage: replay CONFIG < EVENTS")?;
    let mut simulation = Simulation::new(config(&file)?, BEGIN);
    for line in std::io::stdin().lock().lines() {
        play(&mut simulation, &serde_json::from_str(&line?)?)?;
    }
    for attempt in simulation.delivered() {
        println!("{}", told(attempt));
    }
    Ok(())
}

fn config(file: &str) -> Result<Config, Failure> {
    Ok(Config::parse(Path::new(file), &std::fs::read_to_string(file)?)?)
}

fn time(value: &Value) -> i64 {
    value.as_i64().map_or(0, |milliseconds| BEGIN + milliseconds)
}

fn play(simulation: &mut Simulation, event: &Value) -> Result<(), Failure> {
    simulation.advance_to(time(&event["at"]));
    if let Some(alerts) = event["alerts"].as_array() {
        for problem in simulation.put_alerts(alerts.iter().map(alert)) {
            eprintln!("alert {}: {}", problem.index, problem.message);
        }
    }
    if let Some(matchers) = event["silence"]["matchers"].as_str() {
        let ends_at = time(&event["silence"]["endsAt"]);
        simulation.set_silence(Silence {
            matchers: parse_matchers(matchers)?,
            ends_at,
            ..Silence::default()
        })?;
    }
    if let Some(id) = event["expire"].as_str() {
        simulation.expire_silence(id)?;
    }
    if let Some(file) = event["reload"].as_str() {
        simulation.reload(config(file)?);
    }
    if event["restart"] == true {
        simulation.restart();
    }
    Ok(())
}

fn alert(value: &Value) -> Alert {
    let pairs = |value: &Value| {
        let pairs = value.as_object().into_iter().flatten();
        Labels::from_pairs(
            pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())),
        )
    };
    Alert {
        labels: pairs(&value["labels"]),
        annotations: pairs(&value["annotations"]),
        starts_at: time(&value["startsAt"]),
        ends_at: time(&value["endsAt"]),
        ..Alert::default()
    }
}

fn told(attempt: &SimulatedAttempt) -> Value {
    let notification = &attempt.notification;
    let alerts = notification
        .alerts
        .iter()
        .map(|alert| json!({"labels": alert.labels, "status": alert.status.as_str()}));
    json!({
        "at": attempt.time - BEGIN,
        "receiver": notification.receiver,
        "integration": attempt.integration,
        "groupKey": notification.group_key,
        "reason": notification.reason.as_str(),
        "alerts": alerts.collect::<Vec<_>>(),
    })
}
