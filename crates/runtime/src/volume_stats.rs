//! How full volumes are, as the kubelet tells of claims: `kubelet_volume_stats_*`.
//!
//! Input: claims that folders of this machine stand for, with the size that each was given, if any. Output: capacity, use and what is
//! left. A claim without a size has that of its disk. It enforces no size: what writes there has to keep to it.

use std::fs;
use std::path::{Path, PathBuf};
use tidewatch_exposition::MetricKind::Gauge;
use tidewatch_exposition::TextWriter;

/// A folder that stands for a PersistentVolumeClaim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeClaim {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// How large it is, in bytes; `None`: as large as the disk.
    pub size_bytes: Option<u64>,
}

/// What is known of a volume, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Volume {
    capacity: u64,
    used: u64,
    available: u64,
}

/// Writes what is known of each claim; one whose folder cannot be read is left out.
pub(crate) fn write(writer: &mut TextWriter<'_>, claims: &[VolumeClaim]) {
    let volumes: Vec<_> = claims.iter().filter_map(|claim| Some((claim, volume(claim)?))).collect();
    if volumes.is_empty() {
        return;
    }
    for (name, help, value) in [
        (
            "kubelet_volume_stats_capacity_bytes",
            "Capacity in bytes of the volume",
            (|volume| volume.capacity) as fn(&Volume) -> u64,
        ),
        ("kubelet_volume_stats_available_bytes", "Number of available bytes in the volume", |v| v.available),
        ("kubelet_volume_stats_used_bytes", "Number of used bytes in the volume", |v| v.used),
    ] {
        writer.family(name, Gauge, help);
        for (claim, volume) in &volumes {
            let labels = [("namespace", claim.namespace.as_str()), ("persistentvolumeclaim", &claim.name)];
            writer.sample(name, &labels, value(volume) as f64);
        }
    }
}

fn volume(claim: &VolumeClaim) -> Option<Volume> {
    let disk = rustix::fs::statvfs(&claim.folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let (total, free) = (bytes(disk.f_blocks), bytes(disk.f_bavail));
    Some(match claim.size_bytes {
        None => Volume { capacity: total, used: total.saturating_sub(bytes(disk.f_bfree)), available: free },
        Some(size) => {
            let used = bytes_in(&claim.folder);
            Volume { capacity: size, used, available: size.saturating_sub(used).min(free) }
        }
    })
}

/// The sizes of all files below a folder. What vanishes meanwhile counts as nothing.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(claim: &VolumeClaim) -> String {
        let mut page = String::new();
        write(&mut TextWriter::new(&mut page), std::slice::from_ref(claim));
        page
    }

    #[test]
    fn a_volume_is_as_full_as_its_files_make_it() {
        let folder = tempfile::tempdir().unwrap();
        let claim = VolumeClaim {
            namespace: "monitoring".to_owned(),
            name: "prometheus-db".to_owned(),
            folder: folder.path().to_path_buf(),
            size_bytes: Some(10_000),
        };
        fs::create_dir(folder.path().join("wal")).unwrap();
        fs::write(folder.path().join("wal/0"), [0; 9_000]).unwrap();
        let text = page(&claim);
        let labels = "{namespace=\"monitoring\",persistentvolumeclaim=\"prometheus-db\"}";
        for (name, value) in [("capacity", 10_000), ("available", 1_000), ("used", 9_000)] {
            let series = format!("kubelet_volume_stats_{name}_bytes{labels} {value}\n");
            assert!(text.contains(&series), "{series} is missing in {text}");
        }
        fs::write(folder.path().join("more"), [0; 2_000]).unwrap();
        assert!(page(&claim).contains(&format!("available_bytes{labels} 0\n")));
        let whole = page(&VolumeClaim { size_bytes: None, ..claim.clone() });
        let capacity = whole
            .lines()
            .find_map(|line| line.strip_prefix(&format!("kubelet_volume_stats_capacity_bytes{labels} ")));
        assert!(capacity.unwrap().parse::<f64>().unwrap() > 10_000.0, "{whole}");
        assert_eq!(page(&VolumeClaim { folder: folder.path().join("none"), ..claim }), "");
    }
}
