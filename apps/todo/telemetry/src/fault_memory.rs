//! What outlives a crash on demand: until when the process is to crash.
//!
//! Input: the end of the fault. Output: a file in a folder that outlives a container's restart (an emptyDir does), read at the next
//! start. Deliberately forgiving: without such a folder the process crashes once, and what cannot be read counts as no fault.
//!
//! ```text
//! 1764000000000\n      Unix time in milliseconds
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{Environment, fault::MOST_SECONDS};

/// Where the end of a crash is kept.
#[derive(Clone, Debug)]
pub(crate) struct FaultMemory(PathBuf);

impl FaultMemory {
    /// `FAULTS_STATE_DIR`, by default the folder for temporary files; the file is the pod's own.
    pub(crate) fn from_environment(environment: &Environment) -> Self {
        let folder = environment.text("FAULTS_STATE_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let owner = environment.text("POD_NAME").unwrap_or("process").replace('/', "_");
        Self(Path::new(&folder).join(format!("todo-fault-crash-{owner}")))
    }

    /// Keeps that the process is to crash for so long.
    pub(crate) fn keep(&self, lasts: Duration) {
        let until = now() + lasts;
        if let Err(error) = fs::write(&self.0, format!("{}\n", until.as_millis())) {
            let file = self.0.display();
            tracing::warn!(%file, %error, "the process will crash only once; hint: set FAULTS_STATE_DIR to a folder that can be written");
        }
    }

    /// How long the process is still to crash. What is over, or longer than a fault may last, is forgotten.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let text = fs::read_to_string(&self.0).ok()?;
        let until = Duration::from_millis(text.trim().parse().unwrap_or_default());
        let remaining = until.checked_sub(now());
        let remaining = remaining.filter(|left| !left.is_zero() && left.as_secs_f64() <= MOST_SECONDS);
        if remaining.is_none() {
            self.forget();
        }
        remaining
    }

    /// Lets the process live.
    pub(crate) fn forget(&self) {
        // a file that is not there is what is wanted
        let _ = fs::remove_file(&self.0);
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_remembered_until_it_has_come() {
        let folder = tempfile::tempdir().unwrap();
        let of = |pod: &str| {
            let folder = folder.path().to_str().unwrap();
            FaultMemory::from_environment(&Environment::of([("FAULTS_STATE_DIR", folder), ("POD_NAME", pod)]))
        };
        let memory = of("a");
        assert_eq!(memory.remaining(), None);
        memory.keep(Duration::from_secs(60));
        let left = memory.remaining().unwrap();
        assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
        assert_eq!(of("b").remaining(), None, "another pod's");
        for text in ["0", "rubbish", "99999999999999999", "-1"] {
            fs::write(&memory.0, text).unwrap();
            assert_eq!(memory.remaining(), None, "{text}");
            assert!(!memory.0.exists(), "{text}");
        }
    }
}
