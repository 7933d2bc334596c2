//! For tests only: the repository as data, and stand-ins that the tests of several crates share.
//!
//! Input: the checked-out tree; samples. Output: paths and text for the tests that hold the repository to its own rules
//! (layers, file sizes, module docs, rendered files), a store in memory, and addresses nobody listens at. No product
//! code uses this crate.

mod memory;

pub use memory::Memory;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// The top folder of the repository.
///
/// # Panics
/// When the crate is built outside the repository.
pub fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).expect("the crate lies two folders below the repository").to_path_buf()
}

/// An address of this machine at which nobody listens, each call another. Its port is below those that Linux gives to
/// whoever asks for any: no other test gets it before the program that is told to listen there does.
///
/// # Panics
/// When all such ports are taken.
pub fn unused_address() -> SocketAddr {
    const FIRST: u16 = 20_000;
    const PORTS: u16 = 12_000;
    static CALLS: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin apart.
    let begin = std::process::id().wrapping_mul(61) % u32::from(PORTS);
    for _ in 0..PORTS {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + ((begin + u32::from(call)) % u32::from(PORTS)) as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port from {FIRST} on is free");
}

/// All files below a folder of the repository whose names end in `suffix`, sorted, build output left out.
pub fn files_below(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![repository().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                let built = ["target", "node_modules", "dist"].iter().any(|skip| name == *skip);
                if !built {
                    open.push(path);
                }
            } else if name.to_string_lossy().ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
