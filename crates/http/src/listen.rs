//! Addresses to listen on: only loopback ones, and a clear word on who has one already.
//!
//! Input: addresses with the flags that set them. Output: bound sockets. A non-loopback address is refused until there
//! are credentials to protect it.

use crate::error::ServerError;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Serves {
    /// The page and every API.
    Everything,
    /// The metrics of kube-state-metrics, cAdvisor and node-exporter.
    ClusterMetrics,
}

/// A listener to be opened.
#[derive(Clone, Debug)]
pub struct ListenerSpec {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// The flag that sets it, for error texts, e.g. `--web.listen-address`.
    pub flag: String,
    /// What it serves.
    pub serves: Serves,
}

/// Opens a listener.
pub(crate) async fn bind(spec: &ListenerSpec) -> Result<TcpListener, ServerError> {
    let (address, flag) = (spec.address, spec.flag.clone());
    if !address.ip().to_canonical().is_loopback() {
        return Err(ServerError::NotLoopback { address, flag });
    }
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(ServerError::AddressInUse { address, flag, holder: holder(address) })
        }
        Err(source) => Err(ServerError::Bind { address, flag, source }),
    }
}

/// The process that listens on an address, as far as this user may see it.
fn holder(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, address))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        if links.into_iter().any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str())) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

/// The inodes of sockets in a table of the kernel that listen on an address, or on all addresses of its family.
fn listening_inodes(table: &str, address: SocketAddr) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let of_address = rows.filter_map(|fields| {
        let (&local, &state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (ip, port) = local.split_once(':')?;
        let (ip, port) = (kernel_address(ip)?, u16::from_str_radix(port, 16).ok()?);
        let same = ip.to_canonical() == address.ip().to_canonical() || ip.is_unspecified();
        (state == LISTEN && port == address.port() && same).then_some(inode.parse().ok()?)
    });
    of_address.collect()
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

    #[test]
    #[cfg(target_endian = "little")]
    fn listening_sockets_are_found_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 111 1 x 100 0 0 10 0\n\
            1: 0100007F:2382 0100007F:D431 01 00000000:00000000 00:00000000 00000000 0 0 222 1 x 100 0 0 10 0\n\
            2: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 333 1 x 100 0 0 10 0\n\
            3: 0000000000000000FFFF00000100007F:1F40 0:0 0A 0:0 0:0 0 0 0 444 1 x\n";
        let check = |address: &str, expected: &[u64]| {
            assert_eq!(listening_inodes(table, address.parse().unwrap()), expected, "{address}");
        };
        check("127.0.0.1:9090", &[111]);
        check("127.0.0.2:9090", &[]);
        check("127.0.0.1:3000", &[333]);
        check("127.0.0.1:8000", &[444]);
        check("127.0.0.1:1", &[]);
    }
}
