//! Samples, columns of them, and the marker that says a series has ended.
//!
//! Input and output of every stage that touches values. It does not interpret them: types and units are metadata.

/// The bits of the NaN that marks a series as stale: a signalling NaN that no arithmetic produces
/// (Prometheus, `model/value`).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that marks a series as stale.
#[inline]
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether a value is the staleness marker, as opposed to any other NaN.
#[inline]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The value.
    pub value: f64,
}

/// Samples of one series in time order, as two columns, so that a decoder fills and an evaluator scans plain arrays.
/// Meant to be reused from series to series.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Milliseconds since the Unix epoch, strictly ascending.
    pub timestamps: Vec<i64>,
    /// The values at those times; staleness markers included.
    pub values: Vec<f64>,
}

impl Columns {
    /// Removes all samples and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.values.clear();
    }

    /// Adds a sample at the end.
    #[inline]
    pub fn push(&mut self, timestamp: i64, value: f64) {
        self.timestamps.push(timestamp);
        self.values.push(value);
    }

    /// How many samples there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }
}
