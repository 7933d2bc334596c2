//! Segment files and folders: their names, their order, and cutting a damaged one.
//!
//! Input: the folder `wal/` or a checkpoint's. Output: paths in order. What stands in a segment is `page`'s part.

use super::reader::Torn;
use crate::error::{Doing, TsdbError};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// The file of a segment: eight digits.
pub(crate) fn segment_path(folder: &Path, index: u64) -> PathBuf {
    folder.join(format!("{index:08}"))
}

/// The segments of a folder in ascending order.
///
/// # Errors
/// When the folder cannot be read or a segment is missing in between.
pub(crate) fn list_segments(folder: &Path) -> Result<Vec<u64>, TsdbError> {
    let mut indices = Vec::new();
    for entry in fs::read_dir(folder).doing("list", folder)? {
        let name = entry.doing("list", folder)?.file_name();
        indices.extend(name.to_str().and_then(|n| n.parse::<u64>().ok()));
    }
    indices.sort_unstable();
    match indices.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        Some(gap) => Err(TsdbError::corrupt(
            &segment_path(folder, gap[0] + 1),
            0,
            "the segment is missing; hint: restore it, or move the later segments away to go on without them",
        )),
        None => Ok(indices),
    }
}

/// Cuts a segment off where it is torn.
pub(crate) fn repair_segment(path: &Path, torn: &Torn) -> Result<(), TsdbError> {
    let file = OpenOptions::new().write(true).open(path).doing("open", path)?;
    file.set_len(torn.offset).doing("cut", path)?;
    file.sync_all().doing("sync", path)
}

/// Makes a created, renamed or removed entry of a folder survive a power failure.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), TsdbError> {
    File::open(folder).and_then(|f| f.sync_all()).doing("sync", folder)
}

/// Bytes of all files below a folder; what cannot be read counts as nothing.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
