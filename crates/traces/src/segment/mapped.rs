//! A file mapped into memory, or bytes on the heap where there is no folder.
//!
//! Input: a file that will not be written to again. Output: its bytes.

// Mapping a file is unsafe because the bytes behind a `&[u8]` could change or go away when someone else writes to or cuts the file. Here
// that is ruled out by the lock on the folder and by never writing to a sealed segment: it is only removed, as a whole, and a removed file
// stays readable for who has it mapped.
#![allow(unsafe_code)]

use crate::error::{Doing, TracesError};
use memmap2::{Mmap, UncheckedAdvice};
use std::fs::File;
use std::path::Path;

/// Bytes that do not change.
#[derive(Debug)]
pub(super) enum Bytes {
    Heap(Vec<u8>),
    Mapped(Mmap),
}

impl Bytes {
    pub(super) fn map(path: &Path) -> Result<Self, TracesError> {
        let file = File::open(path).doing("open", path)?;
        if file.metadata().doing("inspect", path)?.len() == 0 {
            return Ok(Self::Heap(Vec::new()));
        }
        // SAFETY: the file belongs to the locked folder and is not written to again, as said above.
        let map = unsafe { Mmap::map(&file) }.doing("map", path)?;
        Ok(Self::Mapped(map))
    }

    pub(super) fn get(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Heap(bytes) => bytes.capacity(),
            Self::Mapped(_) => 0,
        }
    }

    /// Lets go of the pages that were looked at, so that they do not count as this process' memory. They stay in the page cache.
    pub(super) fn release(&self) {
        if let Self::Mapped(map) = self {
            // SAFETY: for a shared mapping of a file this drops page table entries only: whoever reads at the same time or later sees the
            // same bytes. An advice that is not taken costs memory, nothing else.
            let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }
}
