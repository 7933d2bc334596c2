//! The process's own resources, under the names every Prometheus client library gives them, and what the kernel says of
//! any process.
//!
//! Input: `/proc/self`, `/proc/<pid>/stat` and `/proc/stat`. Output: observations at the time of a scrape;
//! [`ProcessStat`]. What cannot be read is left out rather than reported as zero.

use crate::Observations;
use std::fs;
use std::sync::OnceLock;

/// Adds the process metrics.
pub(crate) fn observe(out: &mut Observations<'_>) {
    if let Some(stat) = ProcessStat::own() {
        let help = "Total user and system CPU time spent in seconds.";
        out.counter("process_cpu_seconds_total", help, stat.cpu_seconds());
        let help = "Resident memory size in bytes.";
        out.gauge("process_resident_memory_bytes", help, stat.resident_bytes as f64);
        let help = "Virtual memory size in bytes.";
        out.gauge("process_virtual_memory_bytes", help, stat.virtual_bytes as f64);
        let help = "Start time of the process since unix epoch in seconds.";
        if let Some(boot) = boot_time() {
            out.gauge("process_start_time_seconds", help, boot + stat.started_seconds);
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
    Some(ProcessStat::own()?.resident_bytes)
}

/// The processor time this process has used, in seconds, or `None` where `/proc` does not say.
pub fn cpu_seconds() -> Option<f64> {
    Some(ProcessStat::own()?.cpu_seconds())
}

/// What `/proc/<pid>/stat` says of a process (`man 5 proc_pid_stat`).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProcessStat {
    /// The number of its process group.
    pub group: u32,
    /// Processor time in user mode, in seconds.
    pub user_seconds: f64,
    /// Processor time in kernel mode, in seconds.
    pub system_seconds: f64,
    /// Processor time in user mode of children it waited for, in seconds.
    pub reaped_user_seconds: f64,
    /// Processor time in kernel mode of children it waited for, in seconds.
    pub reaped_system_seconds: f64,
    /// Its threads.
    pub threads: u64,
    /// When it was started, in seconds since the machine was.
    pub started_seconds: f64,
    /// Its address space in bytes.
    pub virtual_bytes: u64,
    /// Its memory in bytes.
    pub resident_bytes: u64,
}

impl ProcessStat {
    /// What is said of the process with this number, or `None` when there is none.
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(&format!("/proc/{pid}/stat"))
    }

    /// What is said of this process, or `None` where `/proc` is not there.
    pub fn own() -> Option<Self> {
        Self::read("/proc/self/stat")
    }

    fn read(path: &str) -> Option<Self> {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Self::parse(&fs::read_to_string(path).ok()?, rustix::param::page_size() as u64, ticks)
    }

    /// Reads a line; the command's name stands in parentheses and may hold spaces and parentheses itself.
    fn parse(line: &str, page: u64, ticks_per_second: f64) -> Option<Self> {
        let (_, rest) = line.rsplit_once(") ")?;
        // Field 3, the state, is the first after the name.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |number| Some(field(number)? as f64 / ticks_per_second);
        Some(Self {
            group: field(5)?.try_into().ok()?,
            user_seconds: seconds(14)?,
            system_seconds: seconds(15)?,
            reaped_user_seconds: seconds(16)?,
            reaped_system_seconds: seconds(17)?,
            threads: field(20)?,
            started_seconds: seconds(22)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
        })
    }

    fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
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
        let line = "7 (a) b (c) S 1 6 5 0 -1 4194304 10 0 0 0 250 50 30 20 20 0 9 0 1234 4096000 321 1 2 3";
        let expected = ProcessStat {
            group: 6,
            user_seconds: 2.5,
            system_seconds: 0.5,
            reaped_user_seconds: 0.3,
            reaped_system_seconds: 0.2,
            threads: 9,
            started_seconds: 12.34,
            virtual_bytes: 4_096_000,
            resident_bytes: 321 * 4096,
        };
        assert_eq!(ProcessStat::parse(line, 4096, 100.0), Some(expected));
        assert_eq!(ProcessStat::parse("7 (a) S 1", 4096, 100.0), None);
    }

    #[test]
    fn this_process_is_of_a_plausible_size() {
        let resident = resident_bytes().unwrap();
        assert!((100_000..100_000_000_000).contains(&resident), "{resident}");
    }
}
