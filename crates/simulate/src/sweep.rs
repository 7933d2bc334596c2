//! The cheapest settings that meet the targets: all combinations of a grid, each simulated over all phases.
//!
//! Input: a request and the values to try. Output: [`SweepReport`]: the combinations by cost, those that meet the targets first, and
//! the best one as a `behavior` for the manifest. Costs are pods times minutes, those that are missing included.

use crate::effort;
use crate::error::within;
use crate::run::Prepared;
use crate::subject::manifests_of;
use crate::{SimulationError, SimulationRequest, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tidewatch_autoscale::{
    Behavior, Hpa, MetricSpec, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy, TargetKind,
};
use tidewatch_manifest::{Manifests, MetricSource};

/// Combinations at most.
const MOST_COMBINATIONS: usize = 5000;

/// A search over settings of an autoscaler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SweepRequest {
    /// The autoscaler, load, model and targets.
    pub simulation: SimulationRequest,
    /// What is tried.
    pub grid: SweepGrid,
    /// What a missing pod costs, in pods; 0 or more. At 0 slow scale-ups are the cheapest. Default 2.
    pub missing_pod_cost: f64,
}

impl Default for SweepRequest {
    fn default() -> Self {
        Self { simulation: SimulationRequest::default(), grid: SweepGrid::default(), missing_pod_cost: 2.0 }
    }
}

/// Values to try of each setting; none of a setting = it stays as the manifest has it. The default tries scale-down windows from 0 to
/// 300 s, three paces each way, and leaves targets and limits alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SweepGrid {
    /// `behavior.scaleUp.stabilizationWindowSeconds`, 0 to 3600.
    pub scale_up_windows: Vec<u32>,
    /// How fast replicas may be added.
    pub scale_up_paces: Vec<Pace>,
    /// `behavior.scaleDown.stabilizationWindowSeconds`, 0 to 3600.
    pub scale_down_windows: Vec<u32>,
    /// How fast replicas may be removed.
    pub scale_down_paces: Vec<Pace>,
    /// Target of the CPU utilization, percent; 1 to 1,000. All are judged by what the load needs at the target as it is.
    pub cpu_targets: Vec<u32>,
    /// `minReplicas`.
    pub min_replicas: Vec<u32>,
}

impl Default for SweepGrid {
    fn default() -> Self {
        let pace = |percent: u32, pods: u32, period_seconds: u32| Pace { percent, pods, period_seconds };
        Self {
            scale_up_windows: vec![0, 30],
            scale_up_paces: vec![pace(100, 4, 15), pace(100, 2, 30), pace(100, 0, 60)],
            scale_down_windows: vec![0, 15, 30, 60, 90, 120, 150, 180, 240, 300],
            scale_down_paces: vec![pace(100, 0, 15), pace(50, 0, 60), pace(0, 1, 60)],
            cpu_targets: Vec::new(),
            min_replicas: Vec::new(),
        }
    }
}

/// How fast replicas may change: the policy that allows more counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Pace {
    /// A policy of so many percent; 0 = none.
    pub percent: u32,
    /// A policy of so many pods; 0 = none.
    pub pods: u32,
    /// The period of both; seconds, 1 to 1800.
    pub period_seconds: u32,
}

/// One combination of settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Seconds, if it was tried.
    pub scale_up_window: Option<u32>,
    /// If it was tried.
    pub scale_up_pace: Option<Pace>,
    /// Seconds, if it was tried.
    pub scale_down_window: Option<u32>,
    /// If it was tried.
    pub scale_down_pace: Option<Pace>,
    /// Percent, if it was tried.
    pub cpu_target: Option<u32>,
    /// If it was tried.
    pub min_replicas: Option<u32>,
}

/// A combination and what it gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The settings.
    pub settings: Settings,
    /// Whether the targets are met in all phases, and what was found.
    pub verdict: Verdict,
    /// Pods times minutes; the middle of the phases.
    pub pod_minutes: f64,
    /// Pods times minutes that were missing; the middle of the phases.
    pub under_provisioned_pod_minutes: f64,
    /// The two together, missing ones at their cost.
    pub cost: f64,
    /// Flaps of the worst phase.
    pub flaps: f64,
    /// Slowest rise of all phases; seconds.
    pub slowest_up_seconds: Option<f64>,
    /// Slowest fall of all phases; seconds.
    pub slowest_down_seconds: Option<f64>,
}

/// The outcome of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// The autoscaler's name.
    pub name: String,
    /// The manifest as it is.
    pub as_is: Candidate,
    /// All combinations: first those that meet the targets, then the others; each by cost, then by flaps.
    pub candidates: Vec<Candidate>,
    /// How many meet the targets.
    pub met: usize,
    /// The first candidate's changes as YAML for the manifest's `spec`; none if none meets the targets.
    pub manifest: Option<String>,
}

/// Tries all combinations.
///
/// # Errors
/// As [`crate::run`], and when there are too many combinations.
pub fn sweep(request: &SweepRequest) -> Result<SweepReport, SimulationError> {
    sweep_manifests(&manifests_of(&request.simulation.hpa)?, request)
}

/// As [`sweep`], for an autoscaler of manifests that are read already.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_manifests(
    manifests: &Manifests,
    request: &SweepRequest,
) -> Result<SweepReport, SimulationError> {
    within("missingPodCost", request.missing_pod_cost, 0.0, 1e6)?;
    let prepared = Prepared::of(manifests, &request.simulation)?;
    let all = combinations(&request.grid)?;
    effort::check(prepared.work() * (all.len() + 1) as f64, effort::MOST_OF_A_SEARCH)?;
    let as_is = try_out(&prepared, Settings::default(), request.missing_pod_cost);
    let own = &prepared.subject.hpa;
    let possible = all.into_iter().filter(|settings| {
        settings.min_replicas.is_none_or(|min| i64::from(min) <= i64::from(own.max_replicas) && min > 0)
    });
    let mut candidates: Vec<Candidate> =
        possible.map(|settings| try_out(&prepared, settings, request.missing_pod_cost)).collect();
    let key = |candidate: &Candidate| (!candidate.verdict.passed, [candidate.cost, candidate.flaps]);
    candidates.sort_by(|a, b| {
        let ((a, costs_a), (b, costs_b)) = (key(a), key(b));
        let costs = costs_a.iter().zip(&costs_b).map(|(a, b)| a.total_cmp(b));
        a.cmp(&b).then(costs.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then))
    });
    let met = candidates.iter().filter(|candidate| candidate.verdict.passed).count();
    let best = candidates.first().filter(|candidate| candidate.verdict.passed);
    let manifest = best.map(|best| yaml(&best.settings.applied(own, &prepared.subject.default_behavior)));
    Ok(SweepReport { name: prepared.subject.name.clone(), as_is, candidates, met, manifest })
}

fn try_out(prepared: &Prepared<'_>, settings: Settings, missing_pod_cost: f64) -> Candidate {
    let outcome = prepared
        .with_hpa(settings.applied(&prepared.subject.hpa, &prepared.subject.default_behavior))
        .outcome();
    Candidate {
        settings,
        cost: outcome.times.pod_minutes.median + missing_pod_cost * outcome.under_provisioned,
        pod_minutes: outcome.times.pod_minutes.median,
        under_provisioned_pod_minutes: outcome.under_provisioned,
        flaps: outcome.times.flaps.max,
        slowest_up_seconds: outcome.times.up_seconds.map(|times| times.max),
        slowest_down_seconds: outcome.times.down_seconds.map(|times| times.max),
        verdict: outcome.verdict,
    }
}

/// Whether each value of the grid can be tried.
fn check(grid: &SweepGrid) -> Result<(), SimulationError> {
    let most = f64::from(i32::MAX);
    for (name, values, least, most) in [
        ("scaleUpWindows", &grid.scale_up_windows, 0.0, 3600.0),
        ("scaleDownWindows", &grid.scale_down_windows, 0.0, 3600.0),
        ("cpuTargets", &grid.cpu_targets, 1.0, 1000.0),
        ("minReplicas", &grid.min_replicas, 0.0, most),
    ] {
        values
            .iter()
            .try_for_each(|value| within(&format!("grid.{name}"), f64::from(*value), least, most))?;
    }
    for (name, paces) in [("scaleUpPaces", &grid.scale_up_paces), ("scaleDownPaces", &grid.scale_down_paces)]
    {
        for pace in paces {
            within(&format!("grid.{name}.percent"), f64::from(pace.percent), 0.0, most)?;
            within(&format!("grid.{name}.pods"), f64::from(pace.pods), 0.0, most)?;
            if (pace.percent == 0 && pace.pods == 0) || !(1..=1800).contains(&pace.period_seconds) {
                return Err(SimulationError::field(
                    format!("grid.{name}"),
                    format!("{pace:?} is no pace"),
                    "give percent or pods, and a period of 1 to 1800 s",
                ));
            }
        }
    }
    Ok(())
}

/// All combinations of the grid's values.
fn combinations(grid: &SweepGrid) -> Result<Vec<Settings>, SimulationError> {
    check(grid)?;
    fn tried<T: Copy>(values: &[T]) -> Vec<Option<T>> {
        if values.is_empty() { vec![None] } else { values.iter().copied().map(Some).collect() }
    }
    let mut all = vec![Settings::default()];
    let mut multiply = |set: &mut dyn FnMut(&Settings) -> Vec<Settings>| {
        all = all.iter().flat_map(&mut *set).collect();
        all.len() <= MOST_COMBINATIONS
    };
    let fits = multiply(&mut |s| {
        tried(&grid.scale_up_windows)
            .into_iter()
            .map(|v| Settings { scale_up_window: v, ..s.clone() })
            .collect()
    }) && multiply(&mut |s| {
        tried(&grid.scale_up_paces).into_iter().map(|v| Settings { scale_up_pace: v, ..s.clone() }).collect()
    }) && multiply(&mut |s| {
        tried(&grid.scale_down_windows)
            .into_iter()
            .map(|v| Settings { scale_down_window: v, ..s.clone() })
            .collect()
    }) && multiply(&mut |s| {
        tried(&grid.scale_down_paces)
            .into_iter()
            .map(|v| Settings { scale_down_pace: v, ..s.clone() })
            .collect()
    }) && multiply(&mut |s| {
        tried(&grid.cpu_targets).into_iter().map(|v| Settings { cpu_target: v, ..s.clone() }).collect()
    }) && multiply(&mut |s| {
        tried(&grid.min_replicas).into_iter().map(|v| Settings { min_replicas: v, ..s.clone() }).collect()
    });
    if fits {
        return Ok(all);
    }
    Err(SimulationError::field(
        "grid",
        format!("has more than {MOST_COMBINATIONS} combinations"),
        "try fewer values",
    ))
}

impl Settings {
    /// An autoscaler with these settings.
    fn applied(&self, hpa: &Hpa, defaults: &Behavior) -> Hpa {
        let mut hpa = hpa.clone();
        if let Some(min) = self.min_replicas {
            hpa.min_replicas = min as i32;
        }
        if let Some(percent) = self.cpu_target {
            hpa.metrics.iter_mut().filter(|metric| is_cpu_utilization(metric)).for_each(|metric| {
                metric.target.average_utilization = Some(percent as i32);
            });
        }
        let moved = [self.scale_up_window, self.scale_down_window].iter().any(Option::is_some)
            || [self.scale_up_pace, self.scale_down_pace].iter().any(Option::is_some);
        if moved {
            let behavior = hpa.behavior.get_or_insert_with(|| defaults.clone());
            set(&mut behavior.scale_up, self.scale_up_window, self.scale_up_pace);
            set(&mut behavior.scale_down, self.scale_down_window, self.scale_down_pace);
        }
        hpa
    }
}

fn is_cpu_utilization(metric: &MetricSpec) -> bool {
    let cpu = matches!(&metric.source, MetricSource::Resource { name } | MetricSource::ContainerResource { name, .. } if name == "cpu");
    cpu && metric.target.kind == TargetKind::Utilization
}

fn set(rules: &mut ScalingRules, window: Option<u32>, pace: Option<Pace>) {
    if let Some(seconds) = window {
        rules.stabilization_window_seconds = Some(seconds as i32);
    }
    let Some(pace) = pace else { return };
    let policy = |kind: PolicyKind, value: u32| {
        (value > 0).then_some(ScalingPolicy {
            kind,
            value: value as i32,
            period_seconds: pace.period_seconds as i32,
        })
    };
    rules.select_policy = SelectPolicy::Max;
    rules.policies = [policy(PolicyKind::Percent, pace.percent), policy(PolicyKind::Pods, pace.pods)]
        .into_iter()
        .flatten()
        .collect();
}

/// The parts of a spec that a search may change.
fn yaml(hpa: &Hpa) -> String {
    let mut text = format!("minReplicas: {}\n", hpa.min_replicas);
    for metric in hpa.metrics.iter().filter(|metric| is_cpu_utilization(metric)) {
        let _ = writeln!(
            text,
            "# cpu averageUtilization: {}",
            metric.target.average_utilization.unwrap_or_default()
        );
    }
    let Some(behavior) = &hpa.behavior else { return text };
    text.push_str("behavior:\n");
    for (name, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
        let _ = writeln!(text, "  {name}:");
        if let Some(window) = rules.stabilization_window_seconds {
            let _ = writeln!(text, "    stabilizationWindowSeconds: {window}");
        }
        let _ = writeln!(text, "    selectPolicy: {:?}\n    policies:", rules.select_policy);
        for policy in &rules.policies {
            let (kind, value, period) = (policy.kind, policy.value, policy.period_seconds);
            let _ = writeln!(text, "      - {{ type: {kind:?}, value: {value}, periodSeconds: {period} }}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Load, Targets};

    const HPA: &str = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  maxReplicas: 10\n  minReplicas: 2\n  scaleTargetRef: {kind: Deployment, name: web}\n";

    fn request(grid: SweepGrid) -> SweepRequest {
        let targets = Targets { up_seconds: Some(120.0), down_seconds: Some(300.0), ..Targets::default() };
        let load = Load::parse("30 for 1m, 300 for 5m, 30 for 10m").unwrap();
        let simulation =
            SimulationRequest { hpa: HPA.into(), load, targets, phases: 3, ..SimulationRequest::default() };
        SweepRequest { simulation, grid, ..SweepRequest::default() }
    }

    #[test]
    fn the_cheapest_that_meets_the_targets_is_first() {
        let grid = SweepGrid {
            scale_down_windows: vec![300, 60, 150],
            scale_up_windows: vec![],
            ..SweepGrid::default()
        };
        let report = sweep(&request(grid)).unwrap();
        assert_eq!(report.candidates.len(), 27);
        let misses = &report.as_is.verdict.checks[1];
        assert!(!misses.passed, "the default window of 300 s cannot be done within 300 s: {misses:?}");
        assert!(report.met > 0 && report.met < 27, "{}", report.met);
        assert!(report.candidates[..report.met].iter().all(|candidate| candidate.verdict.passed));
        assert!(report.candidates[..report.met].is_sorted_by_key(|candidate| candidate.cost));
        assert!(report.candidates[report.met..].iter().all(|candidate| !candidate.verdict.passed));
        let best = &report.candidates[0].settings;
        assert_eq!(best.scale_down_window, Some(60));
        let manifest = report.manifest.unwrap();
        assert!(manifest.contains("  scaleDown:\n    stabilizationWindowSeconds: 60\n    selectPolicy: Max\n    policies:\n      - { type: Percent"), "{manifest}");
    }

    #[test]
    fn all_cpu_targets_are_judged_by_the_same_need() {
        let grid = SweepGrid {
            cpu_targets: vec![80, 1000],
            scale_up_windows: vec![],
            scale_up_paces: vec![],
            scale_down_windows: vec![0],
            scale_down_paces: vec![],
            min_replicas: vec![],
        };
        let report = sweep(&request(grid)).unwrap();
        let of = |percent: u32| {
            report.candidates.iter().find(|candidate| candidate.settings.cpu_target == Some(percent)).unwrap()
        };
        let (own, never) = (of(80), of(1000));
        assert!(never.pod_minutes < own.pod_minutes, "{never:?}");
        assert!(!never.verdict.passed && own.verdict.passed, "{:?} {:?}", never.verdict, own.verdict);
        assert!(
            never.under_provisioned_pod_minutes > 2.0 * own.under_provisioned_pod_minutes
                && never.cost > own.cost,
            "{never:?} {own:?}"
        );
    }

    #[test]
    fn values_that_no_autoscaler_may_have_are_refused() {
        let check = |grid: serde_json::Value, expected: &str| {
            let error = sweep(&request(serde_json::from_value(grid).unwrap())).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("; hint: "), "{error}");
        };
        let json = |text: &str| serde_json::from_str(text).unwrap();
        check(json(r#"{"cpuTargets": [0]}"#), "grid.cpuTargets: 0 is out of range");
        check(json(r#"{"cpuTargets": [1001]}"#), "grid.cpuTargets: 1001 is");
        check(json(r#"{"scaleUpWindows": [3601]}"#), "grid.scaleUpWindows: 3601 is");
        check(json(r#"{"scaleDownWindows": [4000000000]}"#), "grid.scaleDownWindows: 4000000000 is");
        check(json(r#"{"minReplicas": [4000000000]}"#), "grid.minReplicas: 4000000000 is");
        let pace = r#"{"scaleUpPaces": [{"pods": 4000000000, "periodSeconds": 15}]}"#;
        check(json(pace), "grid.scaleUpPaces.pods: 4000000000 is");
    }

    #[test]
    fn too_much_is_refused() {
        let grid = SweepGrid { cpu_targets: (1..100).collect(), ..SweepGrid::default() };
        assert!(sweep(&request(grid)).unwrap_err().to_string().contains("more than 5000 combinations"));
        let grid = SweepGrid { scale_up_paces: vec![Pace::default()], ..SweepGrid::default() };
        assert!(sweep(&request(grid)).unwrap_err().to_string().contains("is no pace"));
    }
}
