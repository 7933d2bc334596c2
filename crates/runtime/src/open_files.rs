//! The limit of open files: as high as it may be for this process, and as it was for pods.
//!
//! Input: the limits this process was started with. Output: the raised limit, what pods get back between fork and exec,
//! and how many connections to Services may be open at a time. Programs that cannot deal with many open files are why
//! the usual soft limit is low: so pods do not inherit the raised one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::sync::OnceLock;

/// More connections to Services are not carried at a time, whatever the limit allows: each takes 16 KiB of memory.
const MOST_CONNECTIONS: u64 = 16_384;

/// The limit before and after it was raised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenFiles {
    before: Rlimit,
    now: u64,
}

/// Raises the soft limit of open files of this process to its hard limit, once; returns the limit that holds from then
/// on. Where that is not permitted the limit stays as it is. [`crate::Runtime::start`] does it too.
pub fn raise_open_file_limit() -> u64 {
    OpenFiles::raised().now
}

impl OpenFiles {
    /// Raises the limit when it was not yet; it belongs to the process, so there is one for all instances.
    pub(crate) fn raised() -> Self {
        static RAISED: OnceLock<OpenFiles> = OnceLock::new();
        *RAISED.get_or_init(|| {
            let before = getrlimit(Resource::Nofile);
            // More than the kernel's own bound (fs.nr_open) cannot be had even where the hard limit says so.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
            Self { before, now: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) }
        })
    }

    /// Gives the calling process the limit back that was there before. Makes one system call and allocates nothing.
    pub(crate) fn restore(self) -> io::Result<()> {
        Ok(setrlimit(Resource::Nofile, self.before)?)
    }

    /// The limit that holds now.
    pub(crate) fn limit(self) -> u64 {
        self.now
    }

    /// How many connections to Services may be open at a time: with two files each they take two thirds of the limit.
    pub(crate) fn connections(self) -> usize {
        let connections = (self.now / 3).clamp(8, MOST_CONNECTIONS);
        usize::try_from(connections).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_everything_else() {
        let check = |now: u64, expected: usize| {
            let before = Rlimit { current: None, maximum: None };
            assert_eq!(OpenFiles { before, now }.connections(), expected, "{now}");
        };
        check(0, 8);
        check(256, 85);
        check(1024, 341);
        check(1 << 20, 16_384);
        check(u64::MAX, 16_384);
    }
}
