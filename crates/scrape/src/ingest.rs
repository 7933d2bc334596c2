//! A page → rows for the store.
//!
//! Input: the bytes of a page, its format, the time of the scrape, the target's cache. Output: a batch with one row per
//! sample, staleness markers for the series that are gone, and counts; or why the page fails as a whole, with markers for
//! all. Differs from Prometheus in one point: there, series that a failing page mentioned before the mistake are marked
//! stale only one scrape later.

use crate::ScrapeError;
use crate::cache::Cache;
use crate::metadata::Metadata;
use crate::mutate::series_labels;
use crate::stats::{Counters, add};
use tidewatch_exposition::{Entry, Format, Parser, SeriesEntry};
use tidewatch_manifest::ScrapeConfig;
use tidewatch_model::{Batch, Labels, Rejection, SeriesRef, stale_nan};

/// How far ahead of now a sample's own timestamp may be, in milliseconds.
const MAX_AHEAD: i64 = 10 * 60 * 1000;

/// Rows and which cache entry each belongs to; reused from scrape to scrape and target to target.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) batch: Batch,
    entries: Vec<u32>,
    /// Entries whose staleness this page tracks.
    tracked: Vec<u32>,
}

impl Scratch {
    pub(crate) fn clear(&mut self) {
        self.batch.clear();
        self.entries.clear();
        self.tracked.clear();
    }

    fn push(&mut self, at: u32, series: SeriesRef, labels: Labels, time: i64, value: f64) {
        self.batch.push(series, labels, time, value);
        self.entries.push(at);
    }
}

/// What was on a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples.
    pub(crate) scraped: usize,
    /// Those left after relabeling.
    pub(crate) kept: usize,
    /// Series not seen before.
    pub(crate) added: usize,
}

/// What a page is read with.
pub(crate) struct Ingest<'a> {
    pub(crate) config: &'a ScrapeConfig,
    pub(crate) target: &'a Labels,
    pub(crate) cache: &'a mut Cache,
    pub(crate) metadata: &'a mut Metadata,
    pub(crate) counters: &'a Counters,
    /// The time of the scrape.
    pub(crate) time: i64,
}

impl Ingest<'_> {
    /// Reads a page into rows, with staleness markers for what is gone. On an error the rows are only markers.
    pub(crate) fn page(
        &mut self,
        page: &[u8],
        format: Format,
        scratch: &mut Scratch,
    ) -> (Counts, Result<(), ScrapeError>) {
        let mut counts = Counts::default();
        let read = self.read(page, format, scratch, &mut counts);
        self.metadata.end_page();
        match read {
            Ok(()) => {
                for at in &scratch.tracked {
                    self.cache.track(*at);
                }
                self.mark_stale(scratch);
                self.cache.end_page(true);
                (counts, Ok(()))
            }
            Err(error) => {
                scratch.clear();
                self.nothing(scratch);
                (counts, Err(error))
            }
        }
    }

    /// No page, or one without content: all series are stale.
    pub(crate) fn nothing(&mut self, scratch: &mut Scratch) {
        self.mark_stale(scratch);
        if self.cache.end_page(false) {
            add(&self.counters.cache_flush_forced, 1);
        }
    }

    fn mark_stale(&self, scratch: &mut Scratch) {
        let time = self.time;
        self.cache.for_each_stale(|at, entry, labels| {
            // what the store never had cannot end
            if entry.series.is_known() {
                scratch.push(at, entry.series, labels.clone(), time, stale_nan());
            }
        });
    }

    fn read(
        &mut self,
        page: &[u8],
        format: Format,
        scratch: &mut Scratch,
        counts: &mut Counts,
    ) -> Result<(), ScrapeError> {
        let mut parser = Parser::new(page, format);
        let mut limit_exceeded = false;
        while let Some(entry) = parser.next()? {
            match entry {
                Entry::Series(sample) => {
                    self.sample(&parser, &sample, scratch, counts, &mut limit_exceeded)?;
                }
                Entry::Help(name, help) => self.metadata.set_help(name, &help),
                Entry::Type(name, kind) => self.metadata.set_kind(name, kind),
                Entry::Unit(name, unit) => self.metadata.set_unit(name, unit),
                Entry::Comment => {}
            }
        }
        if limit_exceeded {
            add(&self.counters.exceeded_sample_limit, 1);
            return Err(ScrapeError::SampleLimit);
        }
        Ok(())
    }

    fn sample(
        &mut self,
        parser: &Parser<'_>,
        sample: &SeriesEntry<'_>,
        scratch: &mut Scratch,
        counts: &mut Counts,
        limit_exceeded: &mut bool,
    ) -> Result<(), ScrapeError> {
        counts.scraped += 1;
        let own_time = sample.timestamp.filter(|_| self.config.honor_timestamps);
        let (at, again) = match self.cache.find(sample.series) {
            Some(found) => found,
            None => {
                let labels = series_labels(parser, self.target, self.config).inspect_err(|error| {
                    if let ScrapeError::LabelLimit(_) = error {
                        add(&self.counters.exceeded_label_limits, 1);
                    }
                })?;
                (self.cache.insert(sample.series, labels), false)
            }
        };
        let entry = self.cache.entry(at);
        let Some(labels) = &entry.labels else { return Ok(()) };
        counts.kept += 1;
        if again && own_time.is_none() {
            add(&self.counters.sample_duplicate_timestamp, 1);
            return Ok(());
        }
        let limit = self.config.limits.samples;
        if limit > 0 && scratch.batch.rows.len() as u64 >= limit {
            *limit_exceeded = true;
            return Ok(());
        }
        let time = own_time.unwrap_or(self.time);
        if time > self.time.saturating_add(MAX_AHEAD) {
            add(&self.counters.sample_out_of_bounds, 1);
            return Ok(());
        }
        counts.added += usize::from(!again && !entry.series.is_known());
        scratch.push(at, entry.series, labels.clone(), time, sample.value);
        if let Some(exemplar) =
            sample.exemplar.as_ref().filter(|exemplar| self.cache.is_new_exemplar(at, exemplar))
        {
            let labels = Labels::from_pairs(exemplar.pairs());
            let timestamp = exemplar.timestamp.unwrap_or(time);
            scratch.batch.push_exemplar(tidewatch_model::Exemplar {
                labels,
                timestamp,
                value: exemplar.value,
            });
        }
        if own_time.is_none() || self.config.track_timestamps_staleness {
            scratch.tracked.push(at);
        }
        Ok(())
    }
}

/// How many samples the store refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) out_of_order: u64,
    pub(crate) duplicate: u64,
    pub(crate) out_of_bounds: u64,
    pub(crate) series_limit: u64,
}

impl Refused {
    pub(crate) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// Keeps the handles the store gave, and counts what it refused. A refused staleness marker is as it should be: the
/// series goes on elsewhere.
pub(crate) fn learn(scratch: &Scratch, cache: &mut Cache, counters: &Counters) -> Refused {
    let mut refused = Refused::default();
    for (row, at) in scratch.batch.rows.iter().zip(&scratch.entries) {
        // an entry whose series is gone may have left the cache already
        if cache.entry(*at).labels.is_some()
            && cache.entry(*at).series != row.series
            && row.rejected.is_none()
        {
            cache.set_series(*at, row.series);
        }
        let Some(reason) = row.rejected else { continue };
        if tidewatch_model::is_stale(row.value) {
            continue;
        }
        cache.forget_refused(*at);
        match reason {
            Rejection::OutOfOrder => refused.out_of_order += 1,
            Rejection::DuplicateTimestamp => refused.duplicate += 1,
            Rejection::SeriesLimit => refused.series_limit += 1,
            _ => refused.out_of_bounds += 1,
        }
    }
    add(&counters.sample_out_of_order, refused.out_of_order);
    add(&counters.sample_duplicate_timestamp, refused.duplicate);
    add(&counters.sample_out_of_bounds, refused.out_of_bounds);
    add(&counters.sample_series_limit, refused.series_limit);
    refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocations;

    /// Reads a page as a scrape does, and lets a store give handles.
    fn scrape(
        page: &str,
        cache: &mut Cache,
        metadata: &mut Metadata,
        scratch: &mut Scratch,
        time: i64,
    ) -> Counts {
        let config = ScrapeConfig::new("j");
        let target = Labels::from_pairs([("instance", "i"), ("job", "j")]);
        let counters = Counters::default();
        scratch.clear();
        let mut ingest =
            Ingest { config: &config, target: &target, cache, metadata, counters: &counters, time };
        let (counts, read) = ingest.page(page.as_bytes(), Format::Text, scratch);
        read.unwrap();
        for (number, row) in scratch.batch.rows.iter_mut().enumerate() {
            row.series = SeriesRef(number as u64 + 1);
        }
        assert!(!learn(scratch, cache, &counters).any());
        counts
    }

    #[test]
    fn a_steady_page_allocates_nothing_per_sample() {
        let mut page = String::from("# HELP a_total Some \"help\".\n# TYPE a_total counter\n");
        for number in 0..1000 {
            page.push_str(&format!("a_total{{method=\"GET\",path=\"/p\\\\{number}\"}} {number}.5\n"));
        }
        let (mut cache, mut metadata, mut scratch) = (Cache::new(), Metadata::default(), Scratch::default());
        let first = scrape(&page, &mut cache, &mut metadata, &mut scratch, 1);
        assert_eq!(first, Counts { scraped: 1000, kept: 1000, added: 1000 });
        let mut again = Counts::default();
        let count = allocations::during(|| {
            again = scrape(&page, &mut cache, &mut metadata, &mut scratch, 2);
        });
        assert_eq!(again, Counts { scraped: 1000, kept: 1000, added: 0 });
        assert!(count < 60, "{count} allocations for 1000 samples");
    }

    #[test]
    fn an_exemplar_that_a_page_repeats_is_handed_on_once() {
        let (mut cache, mut metadata, mut scratch) = (Cache::new(), Metadata::default(), Scratch::default());
        let config = ScrapeConfig::new("j");
        let (target, counters) = (Labels::empty(), Counters::default());
        let mut exemplars = |page: &str, time: i64| {
            scratch.clear();
            let (cache, metadata) = (&mut cache, &mut metadata);
            let mut ingest =
                Ingest { config: &config, target: &target, cache, metadata, counters: &counters, time };
            ingest.page(page.as_bytes(), Format::OpenMetrics, &mut scratch).1.unwrap();
            let texts = scratch.batch.exemplars.iter().map(|row| {
                let (name, exemplar) = (&scratch.batch.rows[row.row].labels, &row.exemplar);
                format!("{name} {} {} {}", exemplar.labels, exemplar.value, exemplar.timestamp)
            });
            texts.collect::<Vec<_>>()
        };
        let page = "# TYPE a counter\nb_total 1\na_total 2 # {trace_id=\"x\\\"y\",k=\"v\"} 0.5\n# EOF\n";
        assert_eq!(exemplars(page, 7), [r#"a_total {k="v", trace_id="x\"y"} 0.5 7"#]);
        assert_eq!(exemplars(page, 8), [""; 0]);
        let page = "# TYPE a counter\na_total 3 # {trace_id=\"z\"} 0.5 0.002\n# EOF\n";
        assert_eq!(exemplars(page, 9), [r#"a_total {trace_id="z"} 0.5 2"#]);
    }

    #[test]
    fn refused_new_series_are_not_marked_stale() {
        let (mut cache, mut metadata, mut scratch) = (Cache::new(), Metadata::default(), Scratch::default());
        scrape("a 1\n", &mut cache, &mut metadata, &mut scratch, 1);
        let config = ScrapeConfig::new("j");
        let (target, counters) = (Labels::empty(), Counters::default());
        let mut ingest = |page: &str, scratch: &mut Scratch, cache: &mut Cache| {
            scratch.clear();
            let metadata = &mut metadata;
            let mut ingest =
                Ingest { config: &config, target: &target, cache, metadata, counters: &counters, time: 2 };
            ingest.page(page.as_bytes(), Format::Text, scratch).1.unwrap();
        };
        ingest("a 1\nb 1\n", &mut scratch, &mut cache);
        scratch.batch.rows[0].series = SeriesRef(1);
        scratch.batch.rows[1].rejected = Some(Rejection::SeriesLimit);
        assert_eq!(learn(&scratch, &mut cache, &counters).series_limit, 1);
        ingest("", &mut scratch, &mut cache);
        let stale: Vec<String> = scratch.batch.rows.iter().map(|row| row.labels.to_string()).collect();
        assert_eq!(stale, ["a{instance=\"i\", job=\"j\"}"]);
    }
}
