//! Reads `/proc`: process groups, memory, CPU time, sockets.
//!
//! Input: pids. Output: plain numbers in bytes and seconds. What has gone away meanwhile is left out, never an error.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;

/// One process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProcessUsage {
    /// Bytes of memory mapped in, files included.
    pub(crate) resident: u64,
    /// Bytes of that which are files or shared.
    pub(crate) shared: u64,
    /// CPU seconds in user mode, of reaped children too.
    pub(crate) user_seconds: f64,
    /// CPU seconds in kernel mode, of reaped children too.
    pub(crate) system_seconds: f64,
    /// Threads.
    pub(crate) threads: u64,
}

/// The fields of `/proc/<pid>/stat` behind the command's name, which may hold spaces and brackets.
fn stat_fields(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

/// The process group of a process.
pub(crate) fn group_of(pid: u32) -> Option<u32> {
    // Fields from the third on: state, parent, group, …
    stat_fields(pid)?.get(2).and_then(|group| u32::try_from(*group).ok())
}

/// Memory only: one file to read.
pub(crate) fn resident_bytes(pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    let size = rustix::param::page_size() as u64;
    Some((pages.next()? * size, pages.next()? * size))
}

/// Memory in which a page shared by several processes counts in parts. Dear: the kernel walks all page tables.
pub(crate) fn proportional_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Memory, CPU and threads of a process.
pub(crate) fn usage(pid: u32) -> Option<ProcessUsage> {
    let fields = stat_fields(pid)?;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let seconds = |own: usize, reaped: usize| Some((*fields.get(own)? + *fields.get(reaped)?) as f64 / ticks);
    let (resident, shared) = resident_bytes(pid)?;
    Some(ProcessUsage {
        resident,
        shared,
        user_seconds: seconds(11, 13)?,
        system_seconds: seconds(12, 14)?,
        threads: *fields.get(17)?,
    })
}

/// Bytes read from and written to block devices by a process and its reaped children.
pub(crate) fn disk_bytes(pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse::<u64>().ok())
    };
    Some((field("read_bytes")?, field("write_bytes")?))
}

/// How many files a process has open, and how many of them are sockets.
pub(crate) fn open_files(pid: u32) -> (u64, u64) {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return (0, 0) };
    let is_socket = |entry: &fs::DirEntry| {
        fs::read_link(entry.path())
            .is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"socket:"))
    };
    entries
        .filter_map(Result::ok)
        .fold((0, 0), |(files, sockets), entry| (files + 1, sockets + u64::from(is_socket(&entry))))
}

/// All processes by their group, kept between looks: the group of a process is read once, when it is first seen.
#[derive(Debug, Default)]
pub(crate) struct ProcessGroups {
    groups: HashMap<u32, u32>,
}

impl ProcessGroups {
    /// The members of each of these groups.
    pub(crate) fn members(&mut self, wanted: &[u32]) -> BTreeMap<u32, Vec<u32>> {
        let pids = all_pids();
        let known = &mut self.groups;
        let mut seen = HashMap::with_capacity(pids.len());
        let mut members: BTreeMap<u32, Vec<u32>> = wanted.iter().map(|group| (*group, Vec::new())).collect();
        for pid in pids {
            // A leader of a wanted group is looked at again: it may have been seen before it was made leader.
            let cached = known.get(&pid).copied().filter(|_| !members.contains_key(&pid));
            let Some(group) = cached.or_else(|| group_of(pid)) else { continue };
            seen.insert(pid, group);
            if let Some(list) = members.get_mut(&group) {
                list.push(pid);
            }
        }
        self.groups = seen;
        members
    }
}

/// All processes of the machine that are visible.
pub(crate) fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Processes whose environment, as they were started with, has this entry.
pub(crate) fn processes_with_variable(entry: &str) -> Vec<u32> {
    let carries = |pid: &u32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|text| text.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes()))
    };
    all_pids().into_iter().filter(carries).collect()
}

/// The addresses that these processes listen on with TCP on all interfaces.
pub(crate) fn wildcard_listeners(pids: &[u32]) -> Vec<SocketAddr> {
    let mut inodes = Vec::new();
    for pid in pids {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let inode = target
                .to_str()
                .and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            inodes.extend::<Option<u64>>(inode);
        }
    }
    if inodes.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (file, any) in [("/proc/net/tcp", "0.0.0.0"), ("/proc/net/tcp6", "[::]")] {
        for line in fs::read_to_string(file).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields[..] else { continue };
            let Some((address, port)) = local.split_once(':') else { continue };
            let ours = inode.parse().is_ok_and(|inode| inodes.contains(&inode));
            if ours && address.bytes().all(|byte| byte == b'0') {
                let port = u16::from_str_radix(port, 16).unwrap_or(0);
                found.extend(format!("{any}:{port}").parse::<SocketAddr>());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn knows_this_process() {
        let pid = std::process::id();
        let usage = usage(pid).unwrap();
        assert!(usage.resident > 1 << 20 && usage.shared < usage.resident && usage.threads >= 1, "{usage:?}");
        assert!(open_files(pid).0 >= 3);
        let group = group_of(pid).unwrap();
        let mut groups = ProcessGroups::default();
        assert!(groups.members(&[group])[&group].contains(&pid));
        assert!(groups.members(&[group])[&group].contains(&pid), "from memory");
        assert_eq!(usage_of_none(), None);
    }

    fn usage_of_none() -> Option<ProcessUsage> {
        usage(u32::MAX)
    }

    #[test]
    fn finds_sockets_on_all_addresses_only() {
        let pid = std::process::id();
        let narrow = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let wide = TcpListener::bind("0.0.0.0:0").unwrap();
        let found = wildcard_listeners(&[pid]);
        assert!(found.contains(&wide.local_addr().unwrap()), "{found:?}");
        assert!(!found.iter().any(|address| address.port() == narrow.port()), "{found:?}");
    }
}
