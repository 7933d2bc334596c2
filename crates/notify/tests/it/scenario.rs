//! Alertmanager in virtual time, told as lines: what is posted when, and what is told when.
//!
//! Input: a configuration and steps. Output: lines such as `+30s webhook[0] first notification: A`, with `-` before alerts that are over.

use std::path::Path;
use std::time::Duration;
use tidewatch_model::{Alert, Labels, format_duration};
use tidewatch_notify::{AlertStatus, Config, Silence, SimulatedAttempt, Simulation, parse_matchers};

/// When scenarios begin.
pub(crate) const BEGIN: i64 = 1_767_225_600_000;

/// A configuration with one webhook `r` whose route has these settings.
pub(crate) fn config(route: &str) -> Config {
    full_config(&format!(
        "route: {{receiver: r, {route}}}\nreceivers: [{{name: r, webhook_configs: [{{url: 'http://x'}}]}}]"
    ))
}

/// A configuration from its text.
pub(crate) fn full_config(text: &str) -> Config {
    Config::parse(Path::new("am.yml"), text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

pub(crate) struct Scenario {
    pub(crate) simulation: Simulation,
    shown: usize,
}

impl Scenario {
    pub(crate) fn new(config: Config) -> Self {
        Self::of(Simulation::new(config, BEGIN))
    }

    pub(crate) fn of(simulation: Simulation) -> Self {
        Self { simulation, shown: 0 }
    }

    /// Until so many seconds after the beginning.
    pub(crate) fn at(&mut self, seconds: i64) -> &mut Self {
        self.simulation.advance_to(BEGIN + seconds * 1000);
        self
    }

    /// Alerts fire, as their source says now; `A` has the label `alertname`, `A,x=1` others too.
    pub(crate) fn fire(&mut self, alerts: &[&str]) -> &mut Self {
        let now = self.simulation.now();
        self.post(alerts, now, 0)
    }

    /// Alerts are over since now.
    pub(crate) fn resolve(&mut self, alerts: &[&str]) -> &mut Self {
        let now = self.simulation.now();
        self.post(alerts, now - 1, now)
    }

    /// Alerts with their start and end.
    pub(crate) fn post(&mut self, alerts: &[&str], starts_at: i64, ends_at: i64) -> &mut Self {
        let alert = |text: &&str| Alert { labels: labels(text), starts_at, ends_at, ..Alert::default() };
        let problems = self.simulation.put_alerts(alerts.iter().map(alert));
        assert_eq!(problems, []);
        self
    }

    /// Silences what matches until so many seconds after the beginning.
    pub(crate) fn silence(&mut self, matchers: &str, until: i64) -> String {
        let matchers = parse_matchers(matchers).unwrap();
        let silence = Silence { matchers, ends_at: BEGIN + until * 1000, ..Silence::default() };
        self.simulation.set_silence(silence).unwrap()
    }

    /// What was told since the last look.
    #[track_caller]
    pub(crate) fn told(&mut self, expected: &[&str]) -> &mut Self {
        let found: Vec<String> = self.simulation.attempts()[self.shown..].iter().map(line).collect();
        self.shown = self.simulation.attempts().len();
        assert_eq!(found, expected);
        self
    }
}

pub(crate) fn labels(text: &str) -> Labels {
    let mut pairs = text.split(',');
    let name = pairs.next().unwrap_or_default();
    let further = pairs.map(|pair| pair.split_once('=').expect("a pair"));
    Labels::from_pairs([("alertname", name)].into_iter().chain(further))
}

fn line(attempt: &SimulatedAttempt) -> String {
    let since = u64::try_from(attempt.time - BEGIN).expect("after the beginning");
    let alerts = attempt.notification.alerts.iter().map(|alert| {
        let sign = if alert.status == AlertStatus::Resolved { "-" } else { "" };
        let further = alert.labels.iter().filter(|(name, _)| *name != "alertname");
        let further: String = further.map(|(name, value)| format!(",{name}={value}")).collect();
        format!("{sign}{}{further}", alert.labels.get("alertname").unwrap_or_default())
    });
    let alerts: Vec<String> = alerts.collect();
    let reason = attempt.notification.reason.as_str();
    let failed = attempt.error.as_ref().map(|error| format!(" failed: {error}")).unwrap_or_default();
    let since = format_duration(Duration::from_millis(since));
    format!("+{since} {} {reason}: {}{failed}", attempt.integration, alerts.join(" "))
}
