//! The time series database: samples in, series out, in Prometheus's own files.
//!
//! A [`Tsdb`] takes batches through [`tidewatch_model::Append`] and answers through [`tidewatch_model::Select`]. What
//! it has accepted is in the write-ahead log before `append` returns; full chunks move to mapped files, so that days
//! of samples live in the page cache and not on the heap. A real Prometheus or promtool opens the same folder, and
//! this crate opens the head of theirs. [`Tsdb::maintain`], called every minute or so, enforces the retention and keeps
//! the log short. Blocks, deletions, out-of-order samples and native histograms are not here yet: a folder
//! with blocks is refused by name, the others are passed over with a notice.
//!
//! ```text
//! append ─► stage ─► wal ─► head (open chunks) ─► mapped (chunks_head/) ─► expire
//!                     ▲             │                   │
//! open ───────────────┴─► load      └────── select ◄────┘
//! ```

mod error;
mod options;
mod stats;

mod append;
mod database;
mod exemplars;
mod labels;
mod lock;
mod maintain;
mod select;

mod chunk;
mod head;
mod mapped;
mod wal;
mod wire;

pub use database::Tsdb;
pub use error::TsdbError;
pub use options::TsdbOptions;
pub use stats::TsdbStats;
