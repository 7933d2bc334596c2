//! The metrics of the machine, with the names and labels of node-exporter.
//!
//! Input: `/proc` and the mounted file systems. Output: text exposition: the collectors cpu, loadavg, meminfo,
//! filesystem, diskstats, netdev, stat, time, uname, as far as dashboards and rules use them. The same exclusions hold:
//! pseudo file systems, loop and ram disks.

use std::collections::BTreeSet;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};
use tidewatch_exposition::{MetricKind, TextWriter};

use MetricKind::{Counter, Gauge};

/// File systems that hold no files of users.
const PSEUDO: [&str; 30] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "fuse.lxcfs",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "proc",
    "procfs",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "erofs",
    "sysfs",
    "tracefs",
    "fuse.gvfsd-fuse",
    "fuse.portal",
    "fuse.snapfuse",
];

/// Writes a page.
pub(crate) fn write(out: &mut String) {
    let mut writer = TextWriter::new(out);
    stat(&mut writer);
    load(&mut writer);
    memory(&mut writer);
    filesystems(&mut writer);
    disks(&mut writer);
    network(&mut writer);
    machine(&mut writer);
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn memory_field(name: &str) -> u64 {
    let text = read("/proc/meminfo");
    let value = text.lines().find_map(|line| {
        line.strip_prefix(name)?.strip_prefix(':')?.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    value.unwrap_or(0) << 10
}

/// All memory of the machine, in bytes.
pub(crate) fn total_memory_bytes() -> u64 {
    memory_field("MemTotal")
}

/// Memory that can be had without swapping, in bytes.
pub(crate) fn available_memory_bytes() -> u64 {
    memory_field("MemAvailable")
}

/// CPU seconds that all processors were busy since the machine was started, and the memory in use without files that nobody
/// has read lately, in bytes: what a kubelet says of the root control group.
pub(crate) fn used() -> (f64, u64) {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let text = read("/proc/stat");
    let line = text.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let modes = line.split_ascii_whitespace().map(|field| field.parse::<f64>().unwrap_or(0.0));
    // user, nice, system, then idle and iowait, which are no use, then irq and softirq.
    let busy = modes.enumerate().filter(|(mode, _)| [0, 1, 2, 5, 6].contains(mode)).map(|(_, ticks)| ticks);
    let taken = memory_field("MemTotal").saturating_sub(memory_field("MemFree"));
    (busy.sum::<f64>() / ticks, taken.saturating_sub(memory_field("Inactive(file)")))
}

fn stat(writer: &mut TextWriter<'_>) {
    let text = read("/proc/stat");
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let modes = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
    writer.family("node_cpu_seconds_total", Counter, "Seconds the CPUs spent in each mode.");
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let Some(cpu) =
            fields.next().and_then(|name| name.strip_prefix("cpu")).filter(|number| !number.is_empty())
        else {
            continue;
        };
        for (mode, value) in modes.iter().zip(fields) {
            let seconds = value.parse::<f64>().unwrap_or(0.0) / ticks;
            writer.sample("node_cpu_seconds_total", &[("cpu", cpu), ("mode", mode)], seconds);
        }
    }
    for (field, name, kind, help) in [
        ("ctxt", "node_context_switches_total", Counter, "Total number of context switches."),
        ("intr", "node_intr_total", Counter, "Total number of interrupts serviced."),
        ("btime", "node_boot_time_seconds", Gauge, "Node boot time, in unixtime."),
        ("processes", "node_forks_total", Counter, "Total number of forks."),
        ("procs_running", "node_procs_running", Gauge, "Number of processes in runnable state."),
        (
            "procs_blocked",
            "node_procs_blocked",
            Gauge,
            "Number of processes blocked waiting for I/O to complete.",
        ),
    ] {
        let value = text.lines().find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            (fields.next()? == field).then(|| fields.next()?.parse::<f64>().ok()).flatten()
        });
        if let Some(value) = value {
            writer.family(name, kind, help).sample(name, &[], value);
        }
    }
}

fn load(writer: &mut TextWriter<'_>) {
    let text = read("/proc/loadavg");
    let names = [
        ("node_load1", "1m load average."),
        ("node_load5", "5m load average."),
        ("node_load15", "15m load average."),
    ];
    for ((name, help), value) in names.into_iter().zip(text.split_ascii_whitespace()) {
        writer.family(name, Gauge, help).sample(name, &[], value.parse().unwrap_or(0.0));
    }
}

/// Every field of `/proc/meminfo`, `Active(anon)` as `Active_anon`.
fn memory(writer: &mut TextWriter<'_>) {
    for line in read("/proc/meminfo").lines() {
        let Some((field, rest)) = line.split_once(':') else { continue };
        let mut parts = rest.split_ascii_whitespace();
        let (Some(value), unit) = (parts.next().and_then(|value| value.parse::<f64>().ok()), parts.next())
        else {
            continue;
        };
        let field = field.trim_end_matches(')').replace('(', "_");
        let (name, value) = match unit {
            Some("kB") => (format!("node_memory_{field}_bytes"), value * 1024.0),
            _ => (format!("node_memory_{field}"), value),
        };
        let help = format!("Memory information field {}.", name.trim_start_matches("node_memory_"));
        writer.family(&name, Gauge, &help).sample(&name, &[], value);
    }
}

struct Mount {
    device: String,
    mountpoint: String,
    fstype: String,
    read_only: bool,
}

/// The mounted file systems of users; of several mounts at one place the last, which hides the others. The root is
/// always among them.
fn mounts() -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    let mut mounts: Vec<Mount> = Vec::new();
    for line in read("/proc/self/mounts").lines().rev() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [device, mountpoint, fstype, options, ..] = fields[..] else { continue };
        let mountpoint = mountpoint.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        let system = ["/dev", "/proc", "/sys", "/run/credentials"];
        let inside = |folder: &&str| mountpoint == **folder || mountpoint.starts_with(&format!("{folder}/"));
        let ignored = PSEUDO.contains(&fstype) || system.iter().any(inside);
        if (ignored && mountpoint != "/") || !seen.insert(mountpoint.clone()) {
            continue;
        }
        let read_only = options.split(',').any(|option| option == "ro");
        mounts.push(Mount { device: device.to_owned(), mountpoint, fstype: fstype.to_owned(), read_only });
    }
    mounts.reverse();
    mounts
}

fn filesystems(writer: &mut TextWriter<'_>) {
    let measured: Vec<_> = mounts()
        .into_iter()
        .filter_map(|mount| rustix::fs::statvfs(mount.mountpoint.as_str()).ok().map(|sizes| (mount, sizes)))
        .collect();
    type Value = fn(&Mount, &rustix::fs::StatVfs) -> f64;
    let families: [(&str, &str, Value); 6] = [
        ("node_filesystem_size_bytes", "Filesystem size in bytes.", |_, sizes| {
            (sizes.f_blocks * sizes.f_frsize) as f64
        }),
        (
            "node_filesystem_avail_bytes",
            "Filesystem space available to non-root users in bytes.",
            |_, sizes| (sizes.f_bavail * sizes.f_frsize) as f64,
        ),
        ("node_filesystem_free_bytes", "Filesystem free space in bytes.", |_, sizes| {
            (sizes.f_bfree * sizes.f_frsize) as f64
        }),
        ("node_filesystem_files", "Filesystem total file nodes.", |_, sizes| sizes.f_files as f64),
        ("node_filesystem_files_free", "Filesystem total free file nodes.", |_, sizes| sizes.f_ffree as f64),
        ("node_filesystem_readonly", "Filesystem read-only status.", |mount, _| {
            f64::from(u8::from(mount.read_only))
        }),
    ];
    for (name, help, value) in families {
        writer.family(name, Gauge, help);
        for (mount, sizes) in &measured {
            let labels = [
                ("device", mount.device.as_str()),
                ("fstype", &mount.fstype),
                ("mountpoint", &mount.mountpoint),
                ("device_error", ""),
            ];
            writer.sample(name, &labels, value(mount, sizes));
        }
    }
}

fn disks(writer: &mut TextWriter<'_>) {
    let text = read("/proc/diskstats");
    let rows: Vec<(&str, Vec<f64>)> = text
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let device = *fields.get(2)?;
            let ignored = ["ram", "loop", "fd", "sr", "zram"].iter().any(|start| device.starts_with(start));
            (!ignored)
                .then(|| (device, fields[3..].iter().map(|field| field.parse().unwrap_or(0.0)).collect()))
        })
        .collect();
    let families: [(&str, &str, usize, f64); 7] = [
        ("node_disk_reads_completed_total", "The total number of reads completed successfully.", 0, 1.0),
        ("node_disk_read_bytes_total", "The total number of bytes read successfully.", 2, 512.0),
        ("node_disk_read_time_seconds_total", "The total number of seconds spent by all reads.", 3, 0.001),
        ("node_disk_writes_completed_total", "The total number of writes completed successfully.", 4, 1.0),
        ("node_disk_written_bytes_total", "The total number of bytes written successfully.", 6, 512.0),
        (
            "node_disk_write_time_seconds_total",
            "This is the total number of seconds spent by all writes.",
            7,
            0.001,
        ),
        ("node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", 9, 0.001),
    ];
    for (name, help, at, factor) in families {
        if rows.is_empty() {
            return;
        }
        writer.family(name, Counter, help);
        for (device, values) in &rows {
            if let Some(value) = values.get(at) {
                writer.sample(name, &[("device", device)], value * factor);
            }
        }
    }
}

fn network(writer: &mut TextWriter<'_>) {
    let text = read("/proc/net/dev");
    let rows: Vec<(&str, Vec<f64>)> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(device, values)| {
            (
                device.trim(),
                values.split_ascii_whitespace().map(|value| value.parse().unwrap_or(0.0)).collect(),
            )
        })
        .collect();
    let fields = ["bytes", "packets", "errs", "drop"];
    for (direction, offset) in [("receive", 0), ("transmit", 8)] {
        for (at, field) in fields.iter().enumerate() {
            let name = format!("node_network_{direction}_{field}_total");
            writer.family(&name, Counter, &format!("Network device statistic {direction}_{field}."));
            for (device, values) in &rows {
                if let Some(value) = values.get(offset + at) {
                    writer.sample(&name, &[("device", device)], *value);
                }
            }
        }
    }
}

fn machine(writer: &mut TextWriter<'_>) {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let labels = [
        ("domainname", text(uname.domainname())),
        ("machine", text(uname.machine())),
        ("nodename", text(uname.nodename())),
        ("release", text(uname.release())),
        ("sysname", text(uname.sysname())),
        ("version", text(uname.version())),
    ];
    let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let help = "Labeled system information as provided by the uname system call.";
    writer.family("node_uname_info", Gauge, help).sample("node_uname_info", &labels, 1.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    writer.family("node_time_seconds", Gauge, "System time in seconds since epoch (1970).").sample(
        "node_time_seconds",
        &[],
        now,
    );
}
