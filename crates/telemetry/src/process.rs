//! The process's own resources, under the names every Prometheus client library gives them.
//!
//! Input: `/proc/self` and `/proc/stat`. Output: observations at the time of a scrape. What cannot be read is left
//! out rather than reported as zero.

use crate::Observations;
use std::fs;
use std::sync::OnceLock;

/// Adds the process metrics.
pub(crate) fn observe(out: &mut Observations<'_>) {
    if let Some(stat) = Stat::read() {
        let seconds = stat.cpu_ticks as f64 / ticks_per_second();
        out.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", seconds);
        let help = "Resident memory size in bytes.";
        out.gauge("process_resident_memory_bytes", help, stat.resident_bytes as f64);
        let help = "Virtual memory size in bytes.";
        out.gauge("process_virtual_memory_bytes", help, stat.virtual_bytes as f64);
        let help = "Start time of the process since unix epoch in seconds.";
        if let Some(boot) = boot_time() {
            out.gauge(
                "process_start_time_seconds",
                help,
                boot + stat.start_ticks as f64 / ticks_per_second(),
            );
        }
        out.gauge("process_threads", "Number of OS threads of the process.", stat.threads as f64);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The listing itself holds one.
        let open = open.count().saturating_sub(1);
        out.gauge("process_open_fds", "Number of open file descriptors.", open as f64);
    }
    if let Some(most) = max_fds() {
        out.gauge("process_max_fds", "Maximum number of open file descriptors.", most);
    }
}

/// The resident memory of this process in bytes, or `None` where `/proc` does not say.
pub fn resident_bytes() -> Option<u64> {
    Some(Stat::read()?.resident_bytes)
}

/// The processor time this process has used, in seconds, or `None` where `/proc` does not say.
pub fn cpu_seconds() -> Option<f64> {
    Some(Stat::read()?.cpu_ticks as f64 / ticks_per_second())
}

/// The fields of `/proc/self/stat` that are shown (`man 5 proc_pid_stat`).
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?, rustix::param::page_size() as u64)
    }

    /// Reads a line; the command's name stands in parentheses and may hold spaces and parentheses itself.
    fn parse(line: &str, page: u64) -> Option<Self> {
        let (_, rest) = line.rsplit_once(") ")?;
        // Field 3, the state, is the first after the name.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
        })
    }
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// When the machine started, in seconds since the Unix epoch; read once, as the kernel's answer may move with the
/// clock while the start of a process must not.
fn boot_time() -> Option<f64> {
    static BOOT: OnceLock<Option<f64>> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    })
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_command_is_called() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194304 10 0 0 0 250 50 0 0 20 0 9 0 1234 4096000 321 1 2 3";
        let expected = Stat {
            cpu_ticks: 300,
            threads: 9,
            start_ticks: 1234,
            virtual_bytes: 4_096_000,
            resident_bytes: 321 * 4096,
        };
        assert_eq!(Stat::parse(line, 4096), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1", 4096), None);
    }

    #[test]
    fn this_process_is_of_a_plausible_size() {
        let resident = resident_bytes().unwrap();
        assert!((100_000..100_000_000_000).contains(&resident), "{resident}");
    }
}
