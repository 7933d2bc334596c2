//! Series on their way out.
//!
//! Input: matchers and a range of time. Output: series in order of their labels, each with the places of its chunks
//! on disk and its chunks in memory as they were at the moment of the question; decoded when asked for, without a
//! lock. What a chunk on disk holds is checked then, so damage is an error of that series.

use crate::chunk::decode;
use crate::database::{Tsdb, read_guard};
use crate::error::TsdbError;
use crate::head::{self, Rank};
use crate::mapped::{ChunkFiles, Position};
use std::path::Path;
use std::sync::Arc;
use tidewatch_model::{Columns, LabelQuery, Labels, Select, SelectError, Selection, Series, SeriesExemplars};

/// A series as it was when it was asked for.
struct SelectedSeries {
    labels: Labels,
    rank: Rank,
    start: i64,
    end: i64,
    files: Arc<ChunkFiles>,
    mapped: Box<[Position]>,
    full: Vec<Arc<[u8]>>,
    open: Box<[u8]>,
    bound: usize,
}

impl SelectedSeries {
    /// What a series has within a range; `None` when that is nothing.
    fn new(series: &head::Series, files: &Arc<ChunkFiles>, start: i64, end: i64) -> Option<Self> {
        if !series.overlaps(start, end) {
            return None;
        }
        let mut bound = 0;
        let mut count = |samples: u16| bound += usize::from(samples);
        let on_disk = series.mapped().iter().take_while(|c| c.min <= end).filter(|c| c.max >= start);
        let mapped: Box<[Position]> = on_disk.inspect(|c| count(c.count)).map(|c| c.position).collect();
        let in_memory = series.full().iter().filter(|c| c.min <= end && c.max >= start);
        let full: Vec<_> = in_memory.inspect(|c| count(c.count)).map(|c| Arc::clone(&c.bytes)).collect();
        let mut open: Box<[u8]> = Box::default();
        if series.open_overlaps(start, end) {
            count(series.open_count());
            open = series.open().into();
        }
        let (labels, rank) = (series.labels().clone(), series.rank());
        (bound > 0).then(|| Self {
            labels,
            rank,
            start,
            end,
            files: Arc::clone(files),
            mapped,
            full,
            open,
            bound,
        })
    }

    fn decode(&self, into: &mut Columns) -> Result<(), TsdbError> {
        into.timestamps.reserve(self.bound);
        into.values.reserve(self.bound);
        self.files.warm_up(&self.mapped);
        for position in &self.mapped {
            let frame = self.files.frame(*position)?;
            decode(frame.data, self.start, self.end, into).map_err(|error| {
                let path = format!("chunks_head/{:06}", position.file);
                TsdbError::corrupt(Path::new(&path), u64::from(position.offset), error.to_string())
            })?;
        }
        let open = (!self.open.is_empty()).then_some(&*self.open);
        for chunk in self.full.iter().map(|c| &**c).chain(open) {
            decode(chunk, self.start, self.end, into)
                .map_err(|error| TsdbError::corrupt(Path::new("memory"), 0, error.to_string()))?;
        }
        Ok(())
    }
}

impl Series for SelectedSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn sample_bound(&self) -> usize {
        self.bound
    }

    fn read(&self, into: &mut Columns) -> Result<(), SelectError> {
        self.decode(into).map_err(|error| SelectError::Storage(Box::new(error)))
    }
}

impl Select for Tsdb {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Box<dyn Series>>, SelectError> {
        let (start, end) = (selection.start, selection.end);
        let mut found: Vec<Box<SelectedSeries>> = {
            let head = read_guard(&self.head);
            let slots = head.matching(selection.matchers);
            let series = slots.iter().filter_map(|slot| head.series(*slot));
            series.filter_map(|s| SelectedSeries::new(s, &head.files, start, end).map(Box::new)).collect()
        };
        found.sort_unstable_by(|a, b| Rank::compare((a.rank, &a.labels), (b.rank, &b.labels)));
        Ok(found.into_iter().map(|s| s as Box<dyn Series>).collect())
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(read_guard(&self.head).label_names(query))
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(read_guard(&self.head).label_values(name, query))
    }

    fn exemplars(&self, query: &LabelQuery<'_>) -> Result<Vec<SeriesExemplars>, SelectError> {
        let head = read_guard(&self.head);
        let mut slots: Vec<u32> = match query.matcher_sets {
            [] => head.matching(&[]),
            sets => sets.iter().flat_map(|matchers| head.matching(matchers)).collect(),
        };
        slots.sort_unstable();
        slots.dedup();
        let exemplars = read_guard(&self.exemplars);
        let found = slots.into_iter().filter_map(|slot| head.series(slot)).filter_map(|series| {
            let exemplars = exemplars.of(series.id(), query.start, query.end);
            (!exemplars.is_empty()).then(|| SeriesExemplars { labels: series.labels().clone(), exemplars })
        });
        let mut found: Vec<SeriesExemplars> = found.collect();
        found.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }
}
