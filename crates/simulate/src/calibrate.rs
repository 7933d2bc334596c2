//! A service model out of recorded series.
//!
//! Input: recorded request rate and CPU usage, and, where they were recorded, replicas. Output: [`Calibration`]: what a request costs, what an
//! idle pod uses (least squares of `cpu = replicas * idle + rate * cost`), and how long pods take to become ready. Without replicas nothing
//! can be said of one pod: only the cost is found then.

use crate::{Recording, ServiceModel, SimulationError};
use serde::Serialize;

/// Samples without which nothing is fitted.
const LEAST_SAMPLES: usize = 3;
const WITHOUT_PODS: &str = "calibrated without replicas: only the cost of a request is fitted, idle CPU and memory of a pod are the \
                            model's; hint: add replicas=… or ready=…";

/// What was recorded, over the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationInput {
    /// Requests (or events) per second, of all pods together.
    pub request_rate: Recording,
    /// CPU usage of all pods together; cores. Averaged over the same window as the rate.
    pub cpu_cores: Recording,
    /// Memory of all pods together; bytes.
    pub memory_bytes: Option<Recording>,
    /// Replicas asked for (`kube_deployment_spec_replicas`).
    pub replicas: Option<Recording>,
    /// Pods that run (`kube_deployment_status_replicas`, or pods in phase Running).
    pub running_replicas: Option<Recording>,
    /// Pods that are ready (`kube_deployment_status_replicas_ready`).
    pub ready_replicas: Option<Recording>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calibration {
    /// CPU of a request; core-seconds.
    pub cpu_seconds_per_request: f64,
    /// CPU of a pod without requests; cores. None without replicas.
    pub idle_cpu_cores: Option<f64>,
    /// Share of the variation of the CPU usage that this explains, at most 1.
    pub r_squared: f64,
    /// Samples that were used.
    pub samples: usize,
    /// Memory of a pod, the mean; bytes. None without replicas.
    pub memory_base_bytes: Option<f64>,
    /// From the scaling until a pod runs, the median; seconds. As exact as the recording's step.
    pub start_seconds: Option<f64>,
    /// From running until ready, the median; seconds. From the scaling on where running pods were not recorded.
    pub ready_seconds: Option<f64>,
    /// What could not be found.
    pub warnings: Vec<String>,
}

impl Calibration {
    /// Puts what was found into a model.
    pub fn apply(&self, service: &mut ServiceModel) {
        service.cpu_seconds_per_request = self.cpu_seconds_per_request;
        if let Some(idle) = self.idle_cpu_cores {
            service.idle_cpu_cores = idle;
        }
        if let Some(memory) = self.memory_base_bytes {
            service.memory_base_bytes = memory;
        }
        match (self.start_seconds, self.ready_seconds) {
            (Some(start), Some(ready)) => (service.start_seconds, service.ready_seconds) = (start, ready),
            (None, Some(both)) => {
                service.start_seconds = service.start_seconds.min(both);
                service.ready_seconds = both - service.start_seconds;
            }
            _ => {}
        }
    }
}

/// Fits a service model.
///
/// # Errors
/// When the series share less than three samples, or CPU usage does not rise with the rate.
pub fn calibrate(input: &CalibrationInput) -> Result<Calibration, SimulationError> {
    let pods = input.ready_replicas.as_ref().or(input.replicas.as_ref());
    let rows: Vec<Row> = input
        .cpu_cores
        .samples
        .iter()
        .filter_map(|(at, cpu)| {
            // without replicas what all pods use together beside the requests is taken for constant
            let pods = pods.map_or(Some(1.0), |pods| pods.last_at(*at))?;
            Some(Row { pods, rate: input.request_rate.at(*at)?, cpu: *cpu })
        })
        .collect();
    if rows.len() < LEAST_SAMPLES {
        return Err(SimulationError::field(
            "calibration",
            format!("the recorded series share {} samples", rows.len()),
            "record all of them over the same time",
        ));
    }
    let (idle, cost) = fit(&rows);
    if cost <= 0.0 || !cost.is_finite() {
        return Err(SimulationError::field(
            "calibration",
            format!("CPU usage does not rise with the rate ({cost} core-seconds per request)"),
            "record a time in which the load changes, with the same window for both series",
        ));
    }
    let delays =
        |to: Option<&Recording>| input.replicas.as_ref().zip(to).and_then(|(from, to)| delay(from, to));
    let (start, ready) = (delays(input.running_replicas.as_ref()), delays(input.ready_replicas.as_ref()));
    Ok(Calibration {
        cpu_seconds_per_request: cost,
        idle_cpu_cores: pods.map(|_| idle),
        r_squared: explained(&rows, idle, cost),
        samples: rows.len(),
        memory_base_bytes: input
            .memory_bytes
            .as_ref()
            .zip(pods)
            .and_then(|(memory, pods)| mean_share(memory, pods)),
        start_seconds: start.zip(ready).map(|(start, _)| start),
        ready_seconds: ready.map(|ready| (ready - start.unwrap_or(0.0)).max(0.0)),
        warnings: if pods.is_none() { vec![WITHOUT_PODS.to_owned()] } else { Vec::new() },
    })
}

struct Row {
    pods: f64,
    rate: f64,
    cpu: f64,
}

/// Idle and cost, neither negative.
fn fit(rows: &[Row]) -> (f64, f64) {
    let sum = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).sum::<f64>();
    let (pods2, rate2, both) =
        (sum(&|r| r.pods * r.pods), sum(&|r| r.rate * r.rate), sum(&|r| r.pods * r.rate));
    let (pods_cpu, rate_cpu) = (sum(&|r| r.pods * r.cpu), sum(&|r| r.rate * r.cpu));
    let determinant = pods2 * rate2 - both * both;
    // series that rise and fall together cannot be told apart
    if determinant > 1e-9 * pods2 * rate2 {
        let idle = (pods_cpu * rate2 - rate_cpu * both) / determinant;
        if idle >= 0.0 {
            return (idle, (rate_cpu * pods2 - pods_cpu * both) / determinant);
        }
    }
    (0.0, rate_cpu / rate2)
}

fn explained(rows: &[Row], idle: f64, cost: f64) -> f64 {
    let mean = rows.iter().map(|row| row.cpu).sum::<f64>() / rows.len() as f64;
    let left: f64 = rows.iter().map(|row| (row.cpu - idle * row.pods - cost * row.rate).powi(2)).sum();
    let all: f64 = rows.iter().map(|row| (row.cpu - mean).powi(2)).sum();
    if all > 0.0 { 1.0 - left / all } else { 1.0 }
}

fn mean_share(memory: &Recording, pods: &Recording) -> Option<f64> {
    let shares = memory.samples.iter().filter_map(|(at, bytes)| {
        let pods = pods.last_at(*at).filter(|pods| *pods > 0.0)?;
        Some(bytes / pods)
    });
    let shares: Vec<f64> = shares.collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// The median time from a rise of one count until the other has followed, of rises that were not taken back before.
fn delay(from: &Recording, to: &Recording) -> Option<f64> {
    let mut delays: Vec<f64> = from
        .samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[1].1 > pair[0].1)
        .filter_map(|(index, pair)| {
            let (at, level) = pair[1];
            let until = from.samples[index + 1..]
                .iter()
                .find(|(_, count)| *count < level)
                .map_or(f64::INFINITY, |(at, _)| *at);
            let followed = to.samples.iter().find(|(moment, count)| *moment >= at && *count >= level)?;
            (followed.0 < until).then_some(followed.0 - at)
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    delays.get(delays.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(samples: &[(f64, f64)]) -> Recording {
        Recording { samples: samples.to_vec() }
    }

    fn input(rates: &[f64], cpu: impl Fn(f64, f64) -> f64, pods: &[f64]) -> CalibrationInput {
        let at = |index: usize| index as f64 * 15.0;
        let series = |values: &mut dyn Iterator<Item = f64>| {
            recording(&values.enumerate().map(|(index, value)| (at(index), value)).collect::<Vec<_>>())
        };
        CalibrationInput {
            request_rate: series(&mut rates.iter().copied()),
            cpu_cores: series(&mut rates.iter().zip(pods).map(|(rate, pods)| cpu(*rate, *pods))),
            memory_bytes: None,
            replicas: None,
            running_replicas: None,
            ready_replicas: Some(series(&mut pods.iter().copied())),
        }
    }

    #[test]
    fn cost_and_idle_are_found_again() {
        let found = calibrate(&input(
            &[10.0, 80.0, 40.0, 5.0, 60.0],
            |rate, pods| 0.004 * rate + 0.01 * pods,
            &[2.0, 2.0, 4.0, 4.0, 2.0],
        ));
        let found = found.unwrap();
        assert!((found.cpu_seconds_per_request - 0.004).abs() < 1e-9, "{found:?}");
        assert!(
            (found.idle_cpu_cores.unwrap() - 0.01).abs() < 1e-9 && found.r_squared > 0.999_999,
            "{found:?}"
        );
    }

    #[test]
    fn without_replicas_only_the_cost_is_found() {
        let pods = [4.0, 4.0, 4.0, 4.0];
        let mut input = input(&[10.0, 80.0, 40.0, 5.0], |rate, pods| 0.004 * rate + 0.01 * pods, &pods);
        input.memory_bytes = Some(recording(&[(0.0, 4e8), (15.0, 4e8), (30.0, 4e8)]));
        let applied = |input: &CalibrationInput| {
            let found = calibrate(input).unwrap();
            let mut service =
                ServiceModel { idle_cpu_cores: 0.5, memory_base_bytes: 7.0, ..ServiceModel::default() };
            found.apply(&mut service);
            assert!((service.cpu_seconds_per_request - 0.004).abs() < 1e-9, "{found:?}");
            (service.idle_cpu_cores, service.memory_base_bytes, found.warnings.len())
        };
        let (idle, memory, warnings) = applied(&input);
        assert!((memory - 1e8).abs() < 1.0 && warnings == 0 && idle < 0.5, "{idle} {memory} {warnings}");
        input.ready_replicas = None;
        assert_eq!(applied(&input), (0.5, 7.0, 1));
        assert!(calibrate(&input).unwrap().warnings[0].contains("without replicas"));
    }

    #[test]
    fn idle_is_never_negative() {
        let found =
            calibrate(&input(&[10.0, 20.0, 40.0], |rate, _| 0.004 * (rate - 5.0), &[2.0, 2.0, 2.0])).unwrap();
        assert_eq!(found.idle_cpu_cores, Some(0.0));
        assert!(found.cpu_seconds_per_request > 0.0);
    }

    #[test]
    fn cpu_that_does_not_follow_the_rate_is_refused() {
        let error = calibrate(&input(&[10.0, 20.0, 40.0], |_, _| 0.0, &[1.0, 1.0, 1.0])).unwrap_err();
        assert!(error.to_string().contains("does not rise with the rate"), "{error}");
        let error = calibrate(&input(&[10.0], |rate, _| rate, &[1.0])).unwrap_err();
        assert!(error.to_string().contains("share 1 samples"), "{error}");
    }

    #[test]
    fn delays_are_those_of_rises_that_stayed() {
        let mut input = input(&[10.0, 20.0, 40.0], |rate, _| rate * 0.01, &[1.0, 1.0, 1.0]);
        let ready = [(0.0, 2.0), (25.0, 4.0), (40.0, 4.0), (75.0, 8.0)];
        input.replicas = Some(recording(&[(0.0, 2.0), (10.0, 4.0), (40.0, 8.0), (90.0, 9.0), (95.0, 2.0)]));
        input.ready_replicas = Some(recording(&ready));
        assert_eq!(calibrate(&input).unwrap().ready_seconds, Some(35.0));
        input.running_replicas = Some(recording(&[(0.0, 2.0), (12.0, 4.0), (45.0, 8.0)]));
        let found = calibrate(&input).unwrap();
        assert_eq!((found.start_seconds, found.ready_seconds), (Some(5.0), Some(30.0)));
        let mut service = ServiceModel::default();
        found.apply(&mut service);
        assert_eq!((service.start_seconds, service.ready_seconds), (5.0, 30.0));
    }
}
