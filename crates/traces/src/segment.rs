//! A segment: some megabytes of spans with everything needed to find and read them.
//!
//! ```text
//! NNNNNNNN.spans   header, then frames, appended as requests come in: at once the log and the spans themselves
//! NNNNNNNN.index   columns and filters, written once when the segment is sealed
//!
//! header = "TWSP" version(1) 0 0 0  base time in ns (u64)                              16 bytes; integers little endian
//! frame  = length of records (u32)  crc32c of all that follows (u32)  arrival in ns (u64)  records
//! record = trace: 0, id (16) | distance back in the list of traces (varint)
//!          source (varint: number << 1 | new)  [resource (varint, as source)  [length, resource]  length, scope]
//!          operation (varint, as source)  [kind (1)  length, name]
//!          shape (varint)  span id (8)  [parent id (8)]  start - base (zigzag varint)  end - start (zigzag varint)
//!          the rest of a batch's body from the trace state on, every slice replaced by a reference
//! reference (varint) = 0: length, slice | 1: key (varint), length, value | 2 + (number << 1 | new) [length, slice]
//! ```
//!
//! What is new is defined where it first occurs and has the next number; a number is found again by the place of its definition. Input:
//! batches, files. Output: a [`View`] for scanning and assembling traces. It knows no other segment.

mod record;
mod dictionary;
mod open;
mod view;
mod scan;
mod assemble;
mod image;
mod log;
mod mapped;
mod sealed;

pub(crate) use assemble::Assembly;
pub(crate) use log::{Log, file_version};
pub(crate) use open::Open;
pub(crate) use open::VERSION;
pub(crate) use scan::Scan;
pub(crate) use sealed::{Sealed, path as segment_path};
pub(crate) use view::View;
