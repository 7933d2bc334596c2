//! How much freed memory the process keeps: as little as the C library's allocator can be told to.
//!
//! Input: nothing. Output: two settings of glibc's `malloc`, which Rust's allocations go through. It counts nothing and
//! frees nothing itself. On other C libraries nothing is set.

// A call into the C library. It changes numbers inside the allocator under the allocator's own lock, reads and writes no
// memory of ours, and may be made at any time.
#![allow(unsafe_code)]

/// Blocks of at least this many bytes are mapped on their own, and that much free memory at the end of a heap goes back.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 * 1024;

/// Makes large blocks go back to the system when they are freed. To be called once, when the program starts.
///
/// glibc starts with the same limit but raises it, up to 32 MiB, to the largest block that was ever freed. From then on
/// the bodies of large answers lie between small blocks, and a few of them keep hundreds of MiB resident
/// (`docs/decisions/0010-malloc-settings.md`).
pub fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    for setting in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: see the top of the file. A setting that is refused leaves the default in force.
        let _ = unsafe { libc::mallopt(setting, LARGE) };
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::process::resident_bytes;

    #[test]
    fn a_large_block_goes_back_although_a_smaller_one_lies_behind_it() {
        const BODY: usize = 24 << 20;
        return_freed_memory();
        let body = || std::hint::black_box(vec![1u8; BODY]);
        drop(body());
        let before = resident_bytes().unwrap();
        let first = body();
        let behind = std::hint::black_box(vec![1u8; 1000]);
        assert!(resident_bytes().unwrap() >= before + (BODY as u64) / 2, "a block that is used counts");
        drop(first);
        let after = resident_bytes().unwrap();
        assert!(after < before + (BODY as u64) / 2, "{before} bytes resident before, {after} after");
        drop(behind);
    }
}
