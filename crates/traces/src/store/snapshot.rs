//! The segments as they were at one moment, for questions.
//!
//! Input: the lock of the store. Output: sealed segments, which are read without the lock, and the open one in steps under it. What comes
//! after the moment is not seen, so that no request is seen in part, even if the open segment is sealed between two steps: its spans keep
//! their numbers.

use super::Segments;
use crate::segment::{Sealed, View};
use std::sync::{Arc, PoisonError, RwLock};

/// Segments of which pages stay in memory until the next upkeep, when they were gone through.
const KEPT_MAPPED: usize = 4;

/// The segments at one moment.
pub(super) struct Snapshot<'a> {
    segments: &'a RwLock<Segments>,
    sealed: Vec<Arc<Sealed>>,
    open_number: u64,
    open_spans: usize,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(segments: &'a RwLock<Segments>) -> Self {
        let now = segments.read().unwrap_or_else(PoisonError::into_inner);
        let (open_number, open_spans) = (now.open_number, now.open.spans());
        Self { segments, sealed: now.sealed.clone(), open_number, open_spans }
    }

    /// The segments that were sealed.
    pub(super) fn sealed(&self) -> &[Arc<Sealed>] {
        &self.sealed
    }

    /// Their columns, in the order in which they were sealed.
    pub(super) fn views(&self) -> Vec<View<'_>> {
        self.sealed.iter().filter_map(|segment| segment.view()).collect()
    }

    /// Lets go of the pages of a segment that was gone through as a whole, unless it is one of the last, which are looked at often.
    pub(super) fn let_go(&self, at: usize) {
        if at + KEPT_MAPPED < self.sealed.len() {
            self.sealed[at].release();
        }
    }

    /// How many spans the open segment had.
    pub(super) fn open_spans(&self) -> usize {
        self.open_spans
    }

    /// Reads the segment that was open, which may have more spans now: under the lock while it still is. Nothing when it is gone.
    pub(super) fn with_open<T>(&self, read: impl FnOnce(&View<'_>) -> T) -> Option<T> {
        let now = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        if now.open_number == self.open_number {
            return Some(read(&now.open.view()));
        }
        let sealed = now.sealed.iter().find(|one| one.number() == self.open_number).cloned();
        drop(now);
        sealed?.view().map(|view| read(&view))
    }
}
