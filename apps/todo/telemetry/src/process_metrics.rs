//! `process_*`: what the operating system says about this process.
//!
//! Input: `/proc/self` and resource limits, read at each scrape. Output: the metrics every Prometheus client library exposes.
//! Where there is no `/proc` they are left out. Deliberately keeps no history.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet},
    metrics::MetricType,
};
use rustix::{param, process};

/// Reads `/proc/self` when it is collected.
#[derive(Debug)]
pub(crate) struct ProcessMetrics {
    start_seconds: Option<f64>,
}

/// The fields of `/proc/self/stat` that are exposed.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl ProcessMetrics {
    pub(crate) fn new() -> Self {
        Self { start_seconds: start_seconds() }
    }
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(parse_stat) {
            let cpu = stat.cpu_ticks as f64 / param::clock_ticks_per_second() as f64;
            counter(
                &mut encoder,
                "process_cpu_seconds",
                "Total user and system CPU time spent in seconds",
                &cpu,
            )?;
            let resident = stat.resident_pages * param::page_size() as u64;
            gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory size in bytes", &resident)?;
            let virtual_bytes = stat.virtual_bytes;
            gauge(
                &mut encoder,
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes",
                &virtual_bytes,
            )?;
            gauge(&mut encoder, "process_threads", "Number of operating system threads", &stat.threads)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Reading the folder holds one descriptor of its own.
            let open = (open.count() as u64).saturating_sub(1);
            gauge(&mut encoder, "process_open_fds", "Number of open file descriptors", &open)?;
        }
        if let Some(limit) = process::getrlimit(process::Resource::Nofile).current {
            gauge(&mut encoder, "process_max_fds", "Maximum number of open file descriptors", &limit)?;
        }
        if let Some(start) = self.start_seconds {
            let help = "Start time of the process since unix epoch in seconds";
            gauge(&mut encoder, "process_start_time_seconds", help, &start)?;
        }
        Ok(())
    }
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeCounterValue,
) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, _, f64>(value, None)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)
}

/// Reads the line of proc(5) `/proc/[pid]/stat`. The command's name is in parentheses and may itself hold any character.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, fields) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // Field numbers of proc(5) start at 1; `state`, the first after the name, is number 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu_ticks: field(14)? + field(15)?,
        threads: field(20)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

fn start_seconds() -> Option<f64> {
    let stat = parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + stat.start_ticks as f64 / param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a ) b) S 1 1 1 0 -1 4194560 100 0 0 0 70 30 0 0 20 0 5 0 900 1048576 25 184467 1 1";
        let expected = Stat {
            cpu_ticks: 100,
            threads: 5,
            start_ticks: 900,
            virtual_bytes: 1_048_576,
            resident_pages: 25,
        };
        assert_eq!(parse_stat(line), Some(expected));
        assert_eq!(parse_stat("42 (short) S 1"), None);
    }

    #[test]
    fn this_process_reports_itself() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessMetrics::new()));
        let mut body = String::new();
        text::encode(&mut body, &registry).unwrap();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_threads",
            "process_open_fds",
            "process_max_fds",
            "process_start_time_seconds",
        ] {
            assert!(body.contains(&format!("\n{name} ")), "{name} is missing in {body}");
        }
    }
}
