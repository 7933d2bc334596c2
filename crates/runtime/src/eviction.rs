//! When the node says that it is under pressure: the kubelet's `--eviction-hard`.
//!
//! Input: thresholds as the kubelet writes them, and what the machine has left. Output: whether a condition holds. Deliberately evicts
//! nothing: the node only says what a kubelet would say.

use crate::{RuntimeError, node_exporter};
use std::path::Path;
use std::str::FromStr;
use tidewatch_manifest::Quantity;

/// Below which amounts the node is under pressure. The default is the kubelet's: `memory.available<100Mi,nodefs.available<10%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvictionThresholds {
    memory_available: Threshold,
    nodefs_available: Threshold,
}

/// An amount, or a share of all there is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Threshold {
    Bytes(u64),
    /// From 0 to 1.
    Share(f64),
}

impl Default for EvictionThresholds {
    fn default() -> Self {
        Self { memory_available: Threshold::Bytes(100 << 20), nodefs_available: Threshold::Share(0.1) }
    }
}

impl FromStr for EvictionThresholds {
    type Err = RuntimeError;

    /// Reads a list such as `memory.available<500Mi,nodefs.available<5%`; a signal that is not named keeps its default.
    fn from_str(text: &str) -> Result<Self, RuntimeError> {
        let mut thresholds = Self::default();
        for part in text.split(',').map(str::trim) {
            let refused =
                |reason: &str| RuntimeError::Eviction { text: part.to_owned(), reason: reason.to_owned() };
            let (signal, amount) = part.split_once('<').ok_or_else(|| refused("not SIGNAL<AMOUNT"))?;
            let threshold = Threshold::of(amount)
                .ok_or_else(|| refused("the amount is neither a quantity nor 0% to 100%"))?;
            match signal {
                "memory.available" => thresholds.memory_available = threshold,
                "nodefs.available" => thresholds.nodefs_available = threshold,
                _ => return Err(refused("the signals here are memory.available and nodefs.available")),
            }
        }
        Ok(thresholds)
    }
}

impl EvictionThresholds {
    /// Whether the machine is short of memory.
    pub(crate) fn memory_pressure(&self) -> bool {
        let total = node_exporter::total_memory_bytes();
        node_exporter::available_memory_bytes() < self.memory_available.bytes_of(total)
    }

    /// Whether the disk of a folder is nearly full.
    pub(crate) fn disk_pressure(&self, folder: &Path) -> bool {
        rustix::fs::statvfs(folder).is_ok_and(|disk| {
            let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
            bytes(disk.f_bavail) < self.nodefs_available.bytes_of(bytes(disk.f_blocks))
        })
    }
}

impl Threshold {
    fn of(text: &str) -> Option<Self> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.parse().ok()?;
            return (0.0..=100.0).contains(&percent).then_some(Self::Share(percent / 100.0));
        }
        Quantity::parse(text).ok().map(|quantity| Self::Bytes(quantity.units()))
    }

    fn bytes_of(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Share(share) => (total as f64 * share) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(Threshold, Threshold), &str>) {
        match (text.parse::<EvictionThresholds>(), expected) {
            (Ok(read), Ok(expected)) => {
                assert_eq!((read.memory_available, read.nodefs_available), expected, "{text}");
            }
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{text}: {error}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn thresholds_are_written_as_for_the_kubelet() {
        let defaults = EvictionThresholds::default();
        let disk = defaults.nodefs_available;
        check("memory.available<500Mi", Ok((Threshold::Bytes(500 << 20), disk)));
        check(
            "memory.available<1.5Gi,nodefs.available<5%",
            Ok((Threshold::Bytes(3 << 29), Threshold::Share(0.05))),
        );
        check("memory.available<25%", Ok((Threshold::Share(0.25), disk)));
        check("memory.available", Err("not SIGNAL<AMOUNT"));
        check("memory.available<much", Err("neither a quantity"));
        check("memory.available<101%", Err("neither a quantity"));
        check("pid.available<10", Err("memory.available and nodefs.available"));
        check("", Err("hint: write e.g. memory.available<500Mi"));
    }

    #[test]
    fn pressure_is_what_the_machine_says() {
        let thresholds = |text: &str| text.parse::<EvictionThresholds>().unwrap();
        assert!(thresholds("memory.available<100%").memory_pressure());
        assert!(!thresholds("memory.available<0").memory_pressure());
        assert!(thresholds("nodefs.available<100%").disk_pressure(Path::new("/")));
        assert!(!thresholds("nodefs.available<0").disk_pressure(Path::new("/")));
        assert!(!thresholds("nodefs.available<100%").disk_pressure(Path::new("/no such folder")));
    }
}
