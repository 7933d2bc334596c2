//! Reads `/proc`: process groups, memory, CPU time, sockets.
//!
//! Input: pids. Output: plain numbers in bytes and seconds. What has gone away meanwhile is left out, never an error.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use tidewatch_telemetry::ProcessStat;

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
    let stat = ProcessStat::of(pid)?;
    let (resident, shared) = resident_bytes(pid)?;
    Some(ProcessUsage {
        resident,
        shared,
        user_seconds: stat.user_seconds + stat.reaped_user_seconds,
        system_seconds: stat.system_seconds + stat.reaped_system_seconds,
        threads: stat.threads,
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
            let Some(group) = cached.or_else(|| Some(ProcessStat::of(pid)?.group)) else { continue };
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
    let inodes: Vec<u64> = pids.iter().flat_map(|pid| socket_inodes(*pid)).collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let wild = |listener: &Listener| listener.address.ip().is_unspecified();
    let own = listeners().into_iter().filter(|listener| wild(listener) && inodes.contains(&listener.inode));
    own.map(|listener| listener.address).collect()
}

/// The process that listens with TCP on an address, or on all addresses with its port, as `name (pid 123)`; `None` when
/// there is none or this user may not see its files. Reads all of `/proc`: takes some milliseconds.
pub fn holder_of(address: SocketAddr) -> Option<String> {
    let inodes: Vec<u64> = listeners()
        .into_iter()
        .filter(|listener| listener.holds(address))
        .map(|listener| listener.inode)
        .collect();
    let holds = |pid: &u32| socket_inodes(*pid).iter().any(|inode| inodes.contains(inode));
    let pid = if inodes.is_empty() { None } else { all_pids().into_iter().find(holds) }?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (pid {pid})", name.trim()))
}

/// The sockets a process has open.
fn socket_inodes(pid: u32) -> Vec<u64> {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let inode = |file: fs::DirEntry| {
        let target = fs::read_link(file.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    files.filter_map(|file| inode(file.ok()?)).collect()
}

/// A TCP socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listener {
    address: SocketAddr,
    inode: u64,
}

impl Listener {
    fn holds(&self, address: SocketAddr) -> bool {
        let ip = self.address.ip();
        self.address.port() == address.port()
            && (ip.is_unspecified() || ip.to_canonical() == address.ip().to_canonical())
    }
}

/// All TCP sockets of this machine that listen.
fn listeners() -> Vec<Listener> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    tables.iter().flat_map(|table| listeners_in(table)).collect()
}

/// Those of a table as the kernel prints it.
fn listeners_in(table: &str) -> impl Iterator<Item = Listener> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else { return None };
        let (ip, port) = local.split_once(':')?;
        let address = SocketAddr::new(kernel_address(ip)?, u16::from_str_radix(port, 16).ok()?);
        Some(Listener { address, inode: inode.parse().ok()? })
    })
}

/// An address as the kernel prints it: words in the machine's byte order.
fn kernel_address(text: &str) -> Option<IpAddr> {
    let words: Option<Vec<u32>> = text
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(str::from_utf8(word).ok()?, 16).ok())
        .collect();
    let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Some(IpAddr::from(four)),
        Err(_) => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    }
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
        let group = ProcessStat::of(pid).unwrap().group;
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
        let narrow = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = narrow.local_addr().unwrap().port();
        let wide = TcpListener::bind("0.0.0.0:0").unwrap();
        let found = wildcard_listeners(&[pid]);
        assert!(found.contains(&wide.local_addr().unwrap()), "{found:?}");
        assert!(!found.iter().any(|address| address.port() == port), "{found:?}");
    }

    #[test]
    fn names_the_process_that_holds_an_address() {
        let narrow = TcpListener::bind("127.0.0.2:0").unwrap();
        let address = narrow.local_addr().unwrap();
        let holder = holder_of(address).unwrap();
        assert!(holder.ends_with(&format!(" (pid {})", std::process::id())), "{holder}");
        assert_eq!(holder_of(SocketAddr::from(([127, 0, 0, 3], address.port()))), None);
        let wide = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
        let port = wide.local_addr().unwrap().port();
        assert_eq!(holder_of(SocketAddr::from(([127, 0, 0, 3], port))), Some(holder));
        drop(narrow);
        assert_eq!(holder_of(address), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_sockets_are_found_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 111 1 x 100 0 0 10 0\n\
            1: 0100007F:2382 0100007F:D431 01 00000000:00000000 00:00000000 00000000 0 0 222 1 x 100 0 0 10 0\n\
            2: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 333 1 x 100 0 0 10 0\n\
            3: 0000000000000000FFFF00000100007F:1F40 0:0 0A 0:0 0:0 0 0 0 444 1 x\n\
            4: not a row\n";
        let check = |address: &str, expected: &[u64]| {
            let address = address.parse().unwrap();
            let found = listeners_in(table).filter(|listener| listener.holds(address));
            assert_eq!(found.map(|listener| listener.inode).collect::<Vec<_>>(), expected, "{address}");
        };
        check("127.0.0.1:9090", &[111]);
        check("127.0.0.2:9090", &[]);
        check("127.0.0.1:3000", &[333]);
        check("127.0.0.1:8000", &[444]);
        check("127.0.0.1:1", &[]);
    }
}
