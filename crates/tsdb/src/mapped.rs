//! Full chunks on disk, mapped into memory, in Prometheus's `chunks_head/` format.
//!
//! Input: full chunks from `head`. Output: their bytes again, for `select`, straight from the page cache: days of
//! samples cost the heap some twelve bytes per chunk. What a chunk's bytes mean is `chunk`'s part.
//!
//! ```text
//! chunks_head/000001, 000002, …     at most 128 MiB each
//! file   | magic 01 30 BC 91 | version 1 | 0 0 0 | chunk | chunk | … | zeros, if the file was allocated in advance |
//! chunk  | series u64 | first ms i64 | last ms i64 | encoding u8 | length uvarint | data | CRC-32C u32 |
//!        encoding: 1 XOR; the highest bit marks out-of-order chunks       CRC: of everything before it
//! position of a chunk: file << 32 | byte of the file
//! ```

mod file;
mod layout;
mod load;
mod refs;
mod writer;

pub(crate) use file::ChunkFiles;
pub(crate) use layout::Position;
pub(crate) use load::{LoadedChunks, load_chunk_files};
pub(crate) use refs::{ChunkRef, ChunkRefs};
pub(crate) use writer::ChunkWriter;
