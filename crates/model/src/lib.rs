//! The words every stage shares: labels, matchers, samples, time, and the two traits everything meets at.
//!
//! A stage that produces samples writes them through [`Append`], a batch at a time; a stage that reads them asks
//! through [`Select`] and decodes a series at a time into reused [`Columns`]. Nothing here does IO, reads a clock
//! other than through [`Clock`], or knows which store, scraper or query engine is on the other side.

mod labels;
mod matcher;
mod re2;
mod sample;

mod duration;
mod timestamp;
mod clock;

mod go_float;
mod hex;
mod percent;
mod varint;

mod alert;
mod exemplar;
mod append;
mod select;

mod relabel;
mod target;

pub use alert::{Alert, AlertSink};
pub use append::{Append, AppendError, Appended, Batch, Rejection, Row, SeriesRef};
pub use clock::{Clock, ManualClock, SystemClock};
pub use duration::{DurationError, format_duration, parse_duration};
pub use exemplar::{Exemplar, ExemplarRow, SeriesExemplars};
pub use go_float::{push_go_float, push_open_metrics_float};
pub use hex::{hex_digit, hex_digits, parse_hex, read_hex, write_hex};
pub use labels::{Labels, LabelsBuilder, METRIC_NAME, is_valid_label_name, is_valid_metric_name};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use percent::{percent_decoded, percent_decoded_leniently, push_percent_encoded};
pub use re2::{AnchoredRegex, RegexError};
pub use relabel::{RelabelAction, RelabelError, RelabelRule, relabel};
pub use sample::{Columns, STALE_NAN_BITS, Sample, is_stale, stale_nan};
pub use select::{LabelQuery, Select, SelectError, Selection, Series};
pub use target::TargetGroup;
pub use timestamp::{
    TimestampError, civil_from_days, days_from_civil, days_in_month, format_timestamp, parse_timestamp,
};
pub use varint::{push_uvarint, push_varint, read_uvarint, unzigzag, uvarint_len, zigzag};
