//! A segment that is not written to any more.
//!
//! Input: an [`Open`] segment, or the two files of one sealed earlier. Output: a [`View`]. The checksums of the spans are looked at once,
//! when they are first read after a restart; a segment that fails is made again from what of it is sound.

use super::image::{self, ImageHead};
use super::log;
use super::mapped::Bytes;
use super::open::Open;
use super::view::View;
use crate::error::{Doing, TracesError};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct Sealed {
    number: u64,
    folder: Option<PathBuf>,
    head: ImageHead,
    data: Bytes,
    image: Bytes,
    touched: AtomicBool,
}

/// The path of a segment's file.
pub(crate) fn path(folder: &Path, number: u64, ending: &str) -> PathBuf {
    folder.join(format!("{number:08}.{ending}"))
}

impl Sealed {
    /// Seals a segment in memory.
    pub(crate) fn in_memory(number: u64, open: Open) -> Option<Self> {
        let image = image::write(&open);
        let mut data = open.data;
        data.shrink_to_fit();
        let head = image::read_head(&image, data.len())?;
        let (data, image) = (Bytes::Heap(data), Bytes::Heap(image));
        Some(Self { number, folder: None, head, data, image, touched: AtomicBool::new(false) })
    }

    /// Seals a segment whose file of spans is complete: writes its index, then maps both.
    pub(crate) fn write(folder: &Path, number: u64, open: &Open) -> Result<Option<Self>, TracesError> {
        let target = path(folder, number, "index");
        let unfinished = path(folder, number, "index.tmp");
        fs::write(&unfinished, image::write(open)).doing("write", &unfinished)?;
        fs::rename(&unfinished, &target).doing("rename", &unfinished)?;
        let sealed = Self::read(folder, number)?;
        sealed.iter().for_each(Self::release);
        Ok(sealed)
    }

    /// A segment sealed earlier, or nothing where its index is missing or not sound.
    pub(crate) fn read(folder: &Path, number: u64) -> Result<Option<Self>, TracesError> {
        let index = path(folder, number, "index");
        if !index.exists() {
            return Ok(None);
        }
        let (image, data) = (Bytes::map(&index)?, Bytes::map(&path(folder, number, "spans"))?);
        let Some(head) = image::read_head(image.get(), data.get().len()) else { return Ok(None) };
        // Reading the checksum touched all of it.
        let touched = AtomicBool::new(true);
        Ok(Some(Self { number, folder: Some(folder.to_owned()), head, data, image, touched }))
    }

    /// Whether every frame of spans is sound.
    pub(crate) fn is_sound(&self) -> bool {
        self.touched.store(true, Ordering::Relaxed);
        log::sound_length(self.data.get()) == self.data.get().len()
    }

    /// Its number, which no other segment has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn spans(&self) -> usize {
        self.head.spans()
    }

    pub(crate) fn arrival_ns(&self) -> u64 {
        self.head.arrival_ns().max(self.head.base_ns())
    }

    /// Whether its spans are on the heap instead of in files.
    pub(crate) fn is_on_heap(&self) -> bool {
        self.folder.is_none()
    }

    /// Bytes of heap it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let services: usize =
            self.head.services.iter().map(|name| name.capacity() + size_of::<String>()).sum();
        self.data.heap_bytes() + self.image.heap_bytes() + services + size_of::<Self>()
    }

    /// Bytes of its files.
    pub(crate) fn disk_bytes(&self) -> u64 {
        if self.folder.is_some() { (self.data.get().len() + self.image.get().len()) as u64 } else { 0 }
    }

    /// The columns. An image that was sound when it was mapped has them all.
    pub(crate) fn view(&self) -> Option<View<'_>> {
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
        self.head.view(self.image.get(), self.data.get())
    }

    /// Lets go of pages that were looked at.
    pub(crate) fn release(&self) {
        if self.touched.swap(false, Ordering::Relaxed) {
            self.data.release();
            self.image.release();
        }
    }

    /// Removes its files. Who still reads it can go on.
    pub(crate) fn remove(&self) -> Result<(), TracesError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        // The index first: without it the spans would be indexed again after a crash, and then removed.
        for ending in ["index", "spans"] {
            let path = path(folder, self.number, ending);
            match fs::remove_file(&path) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(cause).doing("remove", &path);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
