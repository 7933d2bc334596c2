//! The write-ahead log: what was accepted since the last checkpoint, in Prometheus's format.
//!
//! Input: series and samples from `append`. Output: the same records in the same order when the folder is opened
//! again, up to the first byte that is torn or damaged. It knows nothing of chunks: which of its samples are in
//! `chunks_head/` already is decided by `head::load`.
//!
//! ```text
//! wal/
//!   00000003  00000004  …           segments: records in pages of 32 KiB, some 128 MiB per segment
//!   checkpoint.00000002/00000000    what is still needed of the segments up to 00000002
//! ```

mod checkpoint;
mod page;
mod reader;
mod record;
mod segment;
mod writer;

pub(crate) use checkpoint::{CheckpointWriter, last_checkpoint, remove_superseded, remove_unfinished};
pub(crate) use reader::{RecordReader, Torn};
pub(crate) use record::{
    ExemplarEncoder, Record, SampleEncoder, SeriesEncoder, read_exemplars, read_samples, read_samples_v2,
    read_series,
};
pub(crate) use segment::{folder_bytes, list_segments, repair_segment, segment_path, sync_folder};
pub(crate) use writer::WalWriter;
