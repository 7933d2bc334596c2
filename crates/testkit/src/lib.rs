//! For tests only: the repository as data, and stand-ins that the tests of several crates share.
//!
//! Input: the checked-out tree; samples. Output: paths and text for the tests that hold the repository to its own rules
//! (layers, file sizes, module docs, rendered files), and a store in memory. No product code uses this crate.

mod memory;

pub use memory::Memory;

use std::fs;
use std::path::{Path, PathBuf};

/// The top folder of the repository.
///
/// # Panics
/// When the crate is built outside the repository.
pub fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).expect("the crate lies two folders below the repository").to_path_buf()
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
