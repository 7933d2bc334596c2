//! What stands in a record: series with their labels, samples, and exemplars.
//!
//! Input: accepted rows, or the bytes of a record. Output: record bytes for the writer, or series and samples for
//! `head::load`. Samples are written in version 1, which every Prometheus reads; version 2 (start timestamps) is
//! read too. Other kinds are named so that the reader can say what it passed over.
//!
//! ```text
//! series   1 | id u64 | labels uvarint | (length uvarint, text) × 2 per label | id u64 | …
//! samples  2 | id₀ u64 | t₀ u64 | Δid varint | Δt varint | value u64 | Δid | …          Δ to id₀ and t₀
//! samples 11 | id varint | t₀ varint | start varint | value u64 | Δid varint | Δt varint | start u8 [varint] | value u64 | …
//!                                                                 Δid to the sample before, Δt to t₀
//! exemplars 4 | id₀ u64 | t₀ u64 | Δid varint | Δt varint | value u64 | labels uvarint | (length uvarint, text) × 2 per label | Δid | …
//! ```

use crate::wire::{Wire, push_uvarint, push_varint, put_text};
use tidewatch_model::{Exemplar, Labels, LabelsBuilder};

const SERIES: u8 = 1;
const SAMPLES: u8 = 2;
const EXEMPLARS: u8 = 4;
const SAMPLES_V2: u8 = 11;
/// Marks in version 2: no start timestamp, the same as before, or one that follows.
const START_FOLLOWS: u8 = 2;

/// A record by its kind.
#[derive(Clone, Copy)]
pub(crate) enum Record<'a> {
    Series(Wire<'a>),
    Samples(Wire<'a>),
    SamplesV2(Wire<'a>),
    Exemplars(Wire<'a>),
    /// Something this program passes over, by its name.
    Other(&'static str),
}

impl<'a> Record<'a> {
    pub(crate) fn new(record: &'a [u8]) -> Self {
        let mut wire = Wire(record);
        match wire.u8() {
            Some(SERIES) => Self::Series(wire),
            Some(SAMPLES) => Self::Samples(wire),
            Some(SAMPLES_V2) => Self::SamplesV2(wire),
            Some(3) => Self::Other("tombstones"),
            Some(EXEMPLARS) => Self::Exemplars(wire),
            Some(6) => Self::Other("metadata"),
            Some(7..=10 | 12 | 13) => Self::Other("native histogram samples"),
            Some(14) => Self::Other("minimum valid times"),
            _ => Self::Other("records of unknown kind"),
        }
    }
}

/// Gives each series of a record with its id; `None` when the record is malformed.
pub(crate) fn read_series(mut wire: Wire<'_>, mut each: impl FnMut(u64, Labels)) -> Option<()> {
    let mut pairs = Vec::new();
    while !wire.is_empty() {
        let id = wire.u64()?;
        each(id, read_labels(&mut wire, &mut pairs)?);
    }
    Some(())
}

fn read_labels<'a>(wire: &mut Wire<'a>, pairs: &mut Vec<(&'a str, &'a str)>) -> Option<Labels> {
    let count = wire.uvarint()?;
    pairs.clear();
    for _ in 0..count {
        pairs.push((wire.text()?, wire.text()?));
    }
    Some(labels_of(pairs))
}

/// Gives each exemplar of a record with the id of its series; `None` when the record is malformed.
pub(crate) fn read_exemplars(mut wire: Wire<'_>, mut each: impl FnMut(u64, Exemplar)) -> Option<()> {
    if wire.is_empty() {
        return Some(());
    }
    let (id, time) = (wire.u64()?, wire.i64()?);
    let mut pairs = Vec::new();
    while !wire.is_empty() {
        let id = id.wrapping_add_signed(wire.varint()?);
        let timestamp = time.wrapping_add(wire.varint()?);
        let value = f64::from_bits(wire.u64()?);
        each(id, Exemplar { labels: read_labels(&mut wire, &mut pairs)?, timestamp, value });
    }
    Some(())
}

fn labels_of(pairs: &[(&str, &str)]) -> Labels {
    let tidy = pairs.is_sorted_by(|a, b| a.0 < b.0) && pairs.iter().all(|(_, v)| !v.is_empty());
    if tidy {
        return Labels::from_sorted(pairs.iter().copied());
    }
    let mut builder = LabelsBuilder::default();
    for (name, value) in pairs {
        builder.set(*name, *value);
    }
    builder.build()
}

/// Gives each sample of a version 1 record; `None` when the record is malformed.
pub(crate) fn read_samples(mut wire: Wire<'_>, mut each: impl FnMut(u64, i64, f64)) -> Option<()> {
    if wire.is_empty() {
        return Some(());
    }
    let (id, time) = (wire.u64()?, wire.i64()?);
    while !wire.is_empty() {
        let id = id.wrapping_add_signed(wire.varint()?);
        let time = time.wrapping_add(wire.varint()?);
        each(id, time, f64::from_bits(wire.u64()?));
    }
    Some(())
}

/// Gives each sample of a version 2 record, without its start timestamp; `None` when the record is malformed.
pub(crate) fn read_samples_v2(mut wire: Wire<'_>, mut each: impl FnMut(u64, i64, f64)) -> Option<()> {
    if wire.is_empty() {
        return Some(());
    }
    let mut id = wire.varint()?.cast_unsigned();
    let first_time = wire.varint()?;
    wire.varint()?;
    each(id, first_time, f64::from_bits(wire.u64()?));
    while !wire.is_empty() {
        id = id.wrapping_add_signed(wire.varint()?);
        let time = first_time.wrapping_add(wire.varint()?);
        if wire.u8()? >= START_FOLLOWS {
            wire.varint()?;
        }
        each(id, time, f64::from_bits(wire.u64()?));
    }
    Some(())
}

/// Builds series records.
#[derive(Default)]
pub(crate) struct SeriesEncoder(Vec<u8>);

impl SeriesEncoder {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn push(&mut self, id: u64, labels: &Labels) {
        if self.0.is_empty() {
            self.0.push(SERIES);
        }
        self.0.extend_from_slice(&id.to_be_bytes());
        put_labels(&mut self.0, labels);
    }

    /// The record; empty without series.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    push_uvarint(out, labels.len() as u64);
    for (name, value) in labels {
        put_text(out, name);
        put_text(out, value);
    }
}

/// Builds exemplar records.
#[derive(Default)]
pub(crate) struct ExemplarEncoder {
    bytes: Vec<u8>,
    id: u64,
    time: i64,
}

impl ExemplarEncoder {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn push(&mut self, id: u64, exemplar: &Exemplar) {
        let time = exemplar.timestamp;
        if self.bytes.is_empty() {
            (self.id, self.time) = (id, time);
            self.bytes.push(EXEMPLARS);
            self.bytes.extend_from_slice(&id.to_be_bytes());
            self.bytes.extend_from_slice(&time.to_be_bytes());
        }
        push_varint(&mut self.bytes, id.wrapping_sub(self.id).cast_signed());
        push_varint(&mut self.bytes, time.wrapping_sub(self.time));
        self.bytes.extend_from_slice(&exemplar.value.to_bits().to_be_bytes());
        put_labels(&mut self.bytes, &exemplar.labels);
    }

    /// The record; empty without exemplars.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Builds sample records.
#[derive(Default)]
pub(crate) struct SampleEncoder {
    bytes: Vec<u8>,
    id: u64,
    time: i64,
}

impl SampleEncoder {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    #[inline]
    pub(crate) fn push(&mut self, id: u64, time: i64, value: f64) {
        if self.bytes.is_empty() {
            (self.id, self.time) = (id, time);
            self.bytes.push(SAMPLES);
            self.bytes.extend_from_slice(&id.to_be_bytes());
            self.bytes.extend_from_slice(&time.to_be_bytes());
        }
        push_varint(&mut self.bytes, id.wrapping_sub(self.id).cast_signed());
        push_varint(&mut self.bytes, time.wrapping_sub(self.time));
        self.bytes.extend_from_slice(&value.to_bits().to_be_bytes());
    }

    /// The record; empty without samples.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_those_of_prometheus() {
        let mut series = SeriesEncoder::default();
        series.push(7, &Labels::from_pairs([("a", "b")]));
        assert_eq!(series.bytes(), [1, 0, 0, 0, 0, 0, 0, 0, 7, 1, 1, b'a', 1, b'b']);
        let mut samples = SampleEncoder::default();
        samples.push(7, 1000, 1.0);
        samples.push(6, 1001, 2.0);
        assert_eq!(samples.bytes()[..17], [2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 3, 0xe8]);
        assert_eq!(samples.bytes()[17..27], [0, 0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(samples.bytes()[27..29], [1, 2]);
    }

    #[test]
    fn version_2_is_read() {
        // id 3, t 100, start 50; then id +1, t +10, start as before; then id +1, t +20, start first+5.
        let mut bytes = Vec::new();
        for value in [3, 100, 50] {
            push_varint(&mut bytes, value);
        }
        bytes.extend_from_slice(&1f64.to_bits().to_be_bytes());
        for (time, mark) in [(10, vec![1]), (20, vec![2, 10])] {
            push_varint(&mut bytes, 1);
            push_varint(&mut bytes, time);
            bytes.extend(mark);
            bytes.extend_from_slice(&2f64.to_bits().to_be_bytes());
        }
        let mut read = Vec::new();
        read_samples_v2(Wire(&bytes), |id, time, value| read.push((id, time, value))).unwrap();
        assert_eq!(read, [(3, 100, 1.0), (4, 110, 2.0), (5, 120, 2.0)]);
    }

    proptest! {
        #[test]
        fn samples_round_trip(samples in proptest::collection::vec((any::<u64>(), any::<i64>(), any::<u64>()), 0..50)) {
            let mut encoder = SampleEncoder::default();
            for (id, time, value) in &samples {
                encoder.push(*id, *time, f64::from_bits(*value));
            }
            let mut read = Vec::new();
            if let Record::Samples(wire) = Record::new(encoder.bytes()) {
                read_samples(wire, |id, time, value| read.push((id, time, value.to_bits()))).unwrap();
            }
            prop_assert_eq!(read, samples);
        }

        #[test]
        fn exemplars_round_trip(rows in proptest::collection::vec((any::<u64>(), any::<i64>(), any::<f64>(), "[a-z]{1,9}"), 0..20)) {
            let mut encoder = ExemplarEncoder::default();
            let exemplar = |time: i64, value: f64, text: &str| Exemplar {
                labels: Labels::from_pairs([("trace_id", text)]), timestamp: time, value,
            };
            let rows: Vec<_> = rows.iter().map(|(id, time, value, text)| (*id, exemplar(*time, *value, text))).collect();
            rows.iter().for_each(|(id, exemplar)| encoder.push(*id, exemplar));
            let mut read = Vec::new();
            if let Record::Exemplars(wire) = Record::new(encoder.bytes()) {
                read_exemplars(wire, |id, exemplar| read.push((id, exemplar))).unwrap();
            }
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_series(Wire(&bytes), |_, _| {});
            let _ = read_samples(Wire(&bytes), |_, _, _| {});
            let _ = read_samples_v2(Wire(&bytes), |_, _, _| {});
            let _ = read_exemplars(Wire(&bytes), |_, _| {});
        }
    }
}
