//! Bytes ↔ samples: Prometheus text 0.0.4 and OpenMetrics 1.0 text are read, text 0.0.4 is written.
//!
//! Input: the body of a scrape, or families of metrics of this process. Output: borrowed entries of that body, or text
//! for a body. No IO, no clock, no label processing: what a scrape makes of an entry is decided in the scrape crate.
//! Protobuf is not spoken and never offered.

mod content_type;
mod error;
mod float;
mod kind;
mod labels;
mod open_metrics;
mod parser;
mod text;
mod writer;

pub use content_type::{ContentTypeError, Format};
pub use error::ParseError;
pub use kind::MetricKind;
pub use labels::LabelPairs;
pub use parser::{Entry, Exemplar, Parser, SeriesEntry};
pub use writer::TextWriter;
