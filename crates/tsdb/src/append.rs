//! A batch on its way in: checked, logged, then visible, in this order.
//!
//! Input: rows of series and samples. Output: marks on the refused rows, handles for the others, records in the log,
//! and samples in open chunks. When the log cannot be written nothing of the batch stays: series are made only after
//! the log has them, and the samples that were checked against each other are taken back.

use crate::database::{Tsdb, Writer, guard, read_guard, write_guard};
use crate::exemplars::Verdict;
use crate::head::{Head, Last, Series, Staged};
use crate::options::milliseconds;
use crate::stats::Counters;
use crate::wal::{ExemplarEncoder, SampleEncoder, SeriesEncoder};
use hashbrown::HashMap;
use tidewatch_model::{Append, AppendError, Appended, Batch, ExemplarRow, Labels, Rejection, Row};

/// Full chunks go to disk at the latest when this many are waiting in memory.
const MOST_WAITING: usize = 2_000;

/// The memory of an append, kept from batch to batch.
#[derive(Default)]
pub(crate) struct Staging {
    rows: Vec<StagedRow>,
    new: Vec<Series>,
    new_by_labels: HashMap<Labels, usize>,
    samples: SampleEncoder,
    series: SeriesEncoder,
    exemplars: ExemplarEncoder,
    /// The id of each row's series, 0 for a refused one; kept only for a batch with exemplars.
    ids: Vec<u64>,
    /// The exemplars to keep, by their place in the batch.
    kept: Vec<usize>,
    known: usize,
}

/// A row that goes to the log.
struct StagedRow {
    row: usize,
    target: Target,
}

#[derive(Clone, Copy)]
enum Target {
    /// A series of the head, and the sample to go back to.
    Slot(u32, Last),
    /// The series of this number among those to be made.
    New(usize),
}

impl Append for Tsdb {
    fn append(&self, batch: &mut Batch) -> Result<Appended, AppendError> {
        let mut writer = guard(&self.writer);
        let writer = &mut *writer;
        if writer.closed {
            return Err(AppendError::Closed);
        }
        self.stage(writer, batch);
        let staging = &writer.staging;
        if !staging.rows.is_empty() || !staging.kept.is_empty() {
            let records = [staging.series.bytes(), staging.samples.bytes(), staging.exemplars.bytes()];
            if let Err(error) = writer.wal.commit(&records) {
                Counters::add(&self.counters.wal_writes_failed, 1);
                self.take_back(&mut writer.staging);
                return Err(AppendError::Storage(Box::new(error)));
            }
        }
        let appended = self.apply(writer, batch);
        if writer.full.len() >= MOST_WAITING {
            // A failure is counted; the chunks stay in memory and `maintain` reports what keeps them there.
            let _ = self.move_full_chunks(writer);
        }
        Ok(appended)
    }
}

impl Tsdb {
    /// Decides about every row and fills the records.
    fn stage(&self, writer: &mut Writer, batch: &mut Batch) {
        let mut head = write_guard(&self.head);
        let staging = &mut writer.staging;
        staging.clear();
        let window = milliseconds(self.options.out_of_bounds_after);
        let oldest = head.max_time.map_or(i64::MIN, |max| max.saturating_sub(window));
        for (at, row) in batch.rows.iter_mut().enumerate() {
            row.rejected = None;
            let staged = staging.row(&mut head, row, oldest, writer.last_id, self.options.max_series);
            if !batch.exemplars.is_empty() {
                let known = || head.resolve(row.series).and_then(|slot| head.series(slot)).map(Series::id);
                staging.ids.push(match &staged {
                    Ok(Some((_, id))) => *id,
                    Ok(None) => known().unwrap_or(0),
                    Err(_) => 0,
                });
            }
            match staged {
                Ok(Some((target, id))) => {
                    staging.samples.push(id, row.timestamp, row.value);
                    staging.rows.push(StagedRow { row: at, target });
                }
                Ok(None) => staging.known += 1,
                Err(rejection) => {
                    row.rejected = Some(rejection);
                    self.counters.reject(rejection);
                }
            }
        }
        for series in &staging.new {
            staging.series.push(series.id(), series.labels());
        }
        drop(head);
        self.stage_exemplars(staging, batch);
    }

    /// Decides about every exemplar and fills the record.
    fn stage_exemplars(&self, staging: &mut Staging, batch: &Batch) {
        if batch.exemplars.is_empty() {
            return;
        }
        let exemplars = read_guard(&self.exemplars);
        for (at, ExemplarRow { row, exemplar }) in batch.exemplars.iter().enumerate() {
            let series = staging.ids.get(*row).copied().unwrap_or(0);
            let verdict = if series == 0 { Verdict::NotKept } else { exemplars.judge(series, exemplar) };
            match verdict {
                Verdict::New => {
                    staging.exemplars.push(series, exemplar);
                    staging.kept.push(at);
                }
                Verdict::Known => {}
                Verdict::OutOfOrder => Counters::add(&self.counters.exemplars_out_of_order, 1),
                Verdict::NotKept => Counters::add(&self.counters.exemplars_dropped, 1),
            }
        }
    }

    /// Makes the logged exemplars visible.
    fn apply_exemplars(&self, staging: &Staging, batch: &Batch) {
        if staging.kept.is_empty() {
            return;
        }
        let mut exemplars = write_guard(&self.exemplars);
        for at in &staging.kept {
            let ExemplarRow { row, exemplar } = &batch.exemplars[*at];
            // two of one batch were judged without each other
            if exemplars.judge(staging.ids[*row], exemplar) == Verdict::New {
                exemplars.push(staging.ids[*row], exemplar.clone());
                Counters::add(&self.counters.exemplars_appended, 1);
            }
        }
    }

    fn take_back(&self, staging: &mut Staging) {
        let mut head = write_guard(&self.head);
        for staged in staging.rows.drain(..).rev() {
            if let Target::Slot(slot, replaced) = staged.target
                && let Some(series) = head.series_mut(slot)
            {
                series.unstage(replaced);
            }
        }
        staging.clear();
    }

    /// Makes the logged series and samples visible, all at once.
    fn apply(&self, writer: &mut Writer, batch: &mut Batch) -> Appended {
        let mut head = write_guard(&self.head);
        let staging = &mut writer.staging;
        let created = staging.new.len();
        writer.last_id += created as u64;
        let slots: Vec<u32> = staging.new.drain(..).map(|series| head.insert(series)).collect();
        let (mut earliest, mut latest) = (i64::MAX, i64::MIN);
        for staged in &staging.rows {
            let slot = match staged.target {
                Target::Slot(slot, _) => slot,
                Target::New(at) => slots[at],
            };
            let row = &mut batch.rows[staged.row];
            let Some(series) = head.series_mut(slot) else { continue };
            let (began, ended) = series.append(row.timestamp, row.value);
            row.series = Head::handle(slot, series.id());
            head.chunks += began;
            if ended {
                writer.full.push(slot);
            }
            earliest = earliest.min(row.timestamp);
            latest = latest.max(row.timestamp);
        }
        if !staging.rows.is_empty() {
            head.note_time(earliest);
            head.note_time(latest);
        }
        drop(head);
        self.apply_exemplars(staging, batch);
        let accepted = staging.rows.len() + staging.known;
        if created > 0 {
            staging.new = Vec::new();
            staging.new_by_labels = HashMap::new();
        }
        Counters::add(&self.counters.samples_appended, staging.rows.len());
        Counters::add(&self.counters.series_created, created);
        Appended { accepted, rejected: batch.rows.len() - accepted, created }
    }
}

impl Staging {
    fn clear(&mut self) {
        self.rows.clear();
        // New series are rare but for the first batches: their memory is not kept.
        self.new = Vec::new();
        self.new_by_labels = HashMap::new();
        self.samples.clear();
        self.series.clear();
        self.exemplars.clear();
        self.ids.clear();
        self.kept.clear();
        self.known = 0;
    }

    /// Where a row goes and the id of its series; `None` when the sample is known already.
    fn row(
        &mut self,
        head: &mut Head,
        row: &mut Row,
        oldest: i64,
        last_id: u64,
        max_series: usize,
    ) -> Result<Option<(Target, u64)>, Rejection> {
        if row.timestamp < oldest {
            return Err(Rejection::OutOfBounds);
        }
        if let Some(slot) = head.resolve(row.series).or_else(|| head.find(&row.labels)) {
            let Some(series) = head.series_mut(slot) else { return Err(Rejection::OutOfOrder) };
            row.series = Head::handle(slot, series.id());
            return Ok(match series.stage(row.timestamp, row.value)? {
                Staged::New(replaced) => Some((Target::Slot(slot, replaced), series.id())),
                Staged::Known => None,
            });
        }
        let at = match self.new_by_labels.get(&row.labels) {
            Some(at) => *at,
            None if head.len() + self.new.len() >= max_series => return Err(Rejection::SeriesLimit),
            None => {
                let at = self.new.len();
                self.new.push(Series::new(last_id + 1 + at as u64, row.labels.clone()));
                self.new_by_labels.insert(row.labels.clone(), at);
                at
            }
        };
        let series = &mut self.new[at];
        Ok(match series.stage(row.timestamp, row.value)? {
            Staged::New(_) => Some((Target::New(at), series.id())),
            Staged::Known => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::read_guard;
    use crate::options::TsdbOptions;
    use tidewatch_model::SeriesRef;

    fn labels(name: &str) -> Labels {
        Labels::from_pairs([("__name__", name)])
    }

    fn batch(rows: &[(&str, i64, f64)]) -> Batch {
        let mut batch = Batch::default();
        for (name, time, value) in rows {
            batch.push(SeriesRef::UNKNOWN, labels(name), *time, *value);
        }
        batch
    }

    fn last(tsdb: &Tsdb, name: &str) -> Option<Vec<u8>> {
        let head = read_guard(&tsdb.head);
        head.find(&labels(name)).and_then(|slot| head.series(slot)).map(|s| s.open().to_vec())
    }

    #[test]
    fn a_full_disk_leaves_nothing_of_a_batch() {
        let folder = tempfile::tempdir().unwrap();
        let tsdb = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap();
        tsdb.append(&mut batch(&[("old", 1000, 1.0)])).unwrap();
        let before = last(&tsdb, "old");
        let mut rows = batch(&[("old", 2000, 2.0), ("new", 2000, 2.0), ("old", 3000, 3.0)]);
        for room in [0, 5, 40] {
            guard(&tsdb.writer).wal.room = Some(room);
            let error = tsdb.append(&mut rows).unwrap_err().to_string();
            for part in ["samples not stored", "wal/00000000", "no storage space", "hint: free space"] {
                assert!(error.contains(part), "{part:?} is missing in {error:?}");
            }
            assert_eq!((last(&tsdb, "old"), last(&tsdb, "new")), (before.clone(), None));
            assert!(!rows.rows[1].series.is_known());
        }
        guard(&tsdb.writer).wal.room = None;
        // A sample between the last stored one and the lost ones is in order again.
        let appended = tsdb.append(&mut batch(&[("old", 1500, 1.5), ("new", 1500, 1.5)])).unwrap();
        assert_eq!(appended, Appended { accepted: 2, rejected: 0, created: 1 });
        assert_eq!(tsdb.stats().wal_writes_failed, 3);
        drop(tsdb);
        let again = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap();
        assert_eq!((again.replayed_samples(), again.notices().len()), (3, 0));
    }

    #[test]
    fn rejected_rows_leave_no_series() {
        let folder = tempfile::tempdir().unwrap();
        let options = TsdbOptions { max_series: 2, ..TsdbOptions::default() };
        let tsdb = Tsdb::open(folder.path(), options).unwrap();
        let hours = 60 * 60 * 1000;
        let mut rows = batch(&[("a", 10 * hours, 1.0)]);
        tsdb.append(&mut rows).unwrap();
        let mut rows = batch(&[
            ("b", 10 * hours, 1.0),
            ("b", 10 * hours, 1.0),
            ("b", 10 * hours, 2.0),
            ("b", 10 * hours - 1, 2.0),
            ("c", 10 * hours, 1.0),
            ("a", 8 * hours, 1.0),
            ("d", 9 * hours - 1, 1.0),
        ]);
        let appended = tsdb.append(&mut rows).unwrap();
        assert_eq!(appended, Appended { accepted: 2, rejected: 5, created: 1 });
        let rejections: Vec<_> = rows.rows.iter().map(|r| r.rejected).collect();
        let expected = [
            None,
            None,
            Some(Rejection::DuplicateTimestamp),
            Some(Rejection::OutOfOrder),
            Some(Rejection::SeriesLimit),
            Some(Rejection::OutOfBounds),
            Some(Rejection::OutOfBounds),
        ];
        assert_eq!(rejections, expected);
        let stats = tsdb.stats();
        assert_eq!((stats.series, stats.out_of_order, stats.out_of_bounds, stats.series_limit), (2, 2, 2, 1));
        assert_eq!(read_guard(&tsdb.head).postings().value_count("__name__"), 2);
    }

    #[test]
    fn a_closed_database_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let tsdb = Tsdb::open(folder.path(), TsdbOptions::default()).unwrap();
        tsdb.close().unwrap();
        assert!(matches!(tsdb.append(&mut batch(&[("a", 1, 1.0)])), Err(AppendError::Closed)));
        Tsdb::open(folder.path(), TsdbOptions::default()).unwrap();
    }
}
