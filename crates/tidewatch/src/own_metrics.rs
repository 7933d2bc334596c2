//! What the store and the scraper count, under the names that Prometheus gives the same facts.
//!
//! Input: handles of the stages. Output: observers in the registry, read when `/metrics` is scraped. The stages
//! themselves know nothing of names or registries.

use std::sync::Arc;
use tidewatch_http::ConfigStatus;
use tidewatch_otlp::{Recorder, RecorderStats};
use tidewatch_scrape::{IntervalLength, PoolStats, ScrapeStats, Scraper};
use tidewatch_telemetry::{Observations, Registry, Summary};
use tidewatch_traces::{SamplingReason, StoreStats};
use tidewatch_tsdb::{Tsdb, TsdbStats};

/// Registers the store's numbers.
pub(crate) fn observe_store(registry: &Registry, store: &Arc<Tsdb>) {
    let store = Arc::clone(store);
    registry.observe(move |out| {
        let stats = store.stats();
        store_sizes(&stats, out);
        store_counts(&stats, out);
    });
}

fn store_sizes(stats: &TsdbStats, out: &mut Observations<'_>) {
    let mut gauge = |name: &str, help: &str, value: f64| out.gauge(name, help, value);
    gauge("prometheus_tsdb_head_series", "Total number of series in the head.", stats.series as f64);
    gauge("prometheus_tsdb_head_chunks", "Total number of chunks in the head.", stats.chunks as f64);
    for (name, time) in [("min", stats.min_time), ("max", stats.max_time)] {
        let name = format!("prometheus_tsdb_head_{name}_time");
        gauge(&name, "Time bound of the head in milliseconds.", time.unwrap_or_default() as f64);
    }
    let help = "Size of the write-ahead log in bytes, checkpoint included.";
    gauge("prometheus_tsdb_wal_storage_size_bytes", help, stats.wal_bytes as f64);
    gauge("prometheus_tsdb_wal_segment_current", "Segment written to.", stats.wal_segment as f64);
    let help = "Size of the head's chunk files in bytes.";
    gauge("prometheus_tsdb_head_chunks_storage_size_bytes", help, stats.chunk_bytes as f64);
    gauge("prometheus_tsdb_exemplar_exemplars_in_storage", "Exemplars kept.", stats.exemplars as f64);
    let help = "Series with exemplars.";
    let series = stats.exemplar_series as f64;
    gauge("prometheus_tsdb_exemplar_series_with_exemplars_in_storage", help, series);
    let help = "Time of the newest exemplar.";
    let newest = stats.newest_exemplar.unwrap_or_default() as f64 / 1000.0;
    gauge("prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds", help, newest);
    let help = "Estimated memory of the label index in bytes.";
    gauge("tidewatch_tsdb_index_bytes", help, stats.index_bytes as f64);
    let help = "Estimated memory of series and their open chunks in bytes.";
    gauge("tidewatch_tsdb_series_bytes", help, stats.series_bytes as f64);
}

fn store_counts(stats: &TsdbStats, out: &mut Observations<'_>) {
    let mut counter = |name: &str, help: &str, value: u64| out.counter(name, help, value as f64);
    counter("prometheus_tsdb_head_series_created_total", "Series created.", stats.series_created);
    counter("prometheus_tsdb_head_series_removed_total", "Series removed.", stats.series_removed);
    counter("prometheus_tsdb_head_samples_appended_total", "Samples appended.", stats.samples_appended);
    let help = "Samples refused because a later one, or another value at their time, is there.";
    counter("prometheus_tsdb_out_of_order_samples_total", help, stats.out_of_order);
    let help = "Samples refused because they are too old.";
    counter("prometheus_tsdb_out_of_bound_samples_total", help, stats.out_of_bounds);
    let help = "Samples refused because the store holds as many series as it may.";
    counter("tidewatch_tsdb_series_limit_samples_total", help, stats.series_limit);
    let help = "Exemplars taken.";
    counter("prometheus_tsdb_exemplar_exemplars_appended_total", help, stats.exemplars_appended);
    let help = "Exemplars refused because a later one is there.";
    counter("prometheus_tsdb_exemplar_out_of_order_exemplars_total", help, stats.exemplars_out_of_order);
    let help = "Exemplars dropped because their labels are too long or their sample was refused.";
    counter("tidewatch_tsdb_exemplars_dropped_total", help, stats.exemplars_dropped);
    counter("prometheus_tsdb_wal_writes_failed_total", "Failed writes to the log.", stats.wal_writes_failed);
    counter(
        "tidewatch_tsdb_chunk_writes_failed_total",
        "Failed writes of chunks.",
        stats.chunk_writes_failed,
    );
    counter("prometheus_tsdb_checkpoint_creations_total", "Checkpoints written.", stats.checkpoints);
    let help = "Checkpoints that failed.";
    counter("prometheus_tsdb_checkpoint_creations_failed_total", help, stats.checkpoints_failed);
    counter("prometheus_tsdb_wal_corruptions_total", "Damaged files repaired at the start.", stats.repairs);
}

/// Registers the numbers of spans.
pub(crate) fn observe_spans(registry: &Registry, recorder: &Arc<Recorder>) {
    let recorder = Arc::clone(recorder);
    registry.observe(move |out| {
        stored_spans(&recorder.store().stats(), out);
        sampled_traces(&recorder.stats(), out);
    });
}

fn stored_spans(stats: &StoreStats, out: &mut Observations<'_>) {
    out.gauge("tidewatch_traces_spans", "Spans kept.", stats.spans as f64);
    out.gauge("tidewatch_traces_segments", "Segments of spans.", stats.segments as f64);
    let help = "Memory of spans and their indexes in bytes.";
    out.gauge("tidewatch_traces_memory_bytes", help, stats.memory_bytes as f64);
    out.gauge("tidewatch_traces_disk_bytes", "Size of the span files in bytes.", stats.disk_bytes as f64);
    let mut counter = |name: &str, help: &str, value: u64| out.counter(name, help, value as f64);
    counter("tidewatch_traces_spans_accepted_total", "Spans stored.", stats.ingested.accepted);
    let help = "Spans that were there already, byte for byte.";
    counter("tidewatch_traces_spans_duplicate_total", help, stats.ingested.duplicates);
    let help = "Stored spans that began long before they came.";
    counter("tidewatch_traces_spans_late_total", help, stats.ingested.late);
    let help = "Stored spans that begin in the future.";
    counter("tidewatch_traces_spans_skewed_total", help, stats.ingested.skewed);
    let help = "Spans that left for a bound on memory or disk.";
    counter("tidewatch_traces_spans_evicted_total", help, stats.evicted_spans);
    counter("tidewatch_traces_spans_expired_total", "Spans that left for their age.", stats.expired_spans);
    counter("tidewatch_traces_writes_failed_total", "Failed writes of spans.", stats.failed_writes);
    counter("tidewatch_traces_damaged_segments_total", "Damaged span files.", stats.damaged_segments);
}

fn sampled_traces(stats: &RecorderStats, out: &mut Observations<'_>) {
    let help = "Operations that span metrics count apart.";
    out.gauge("tidewatch_traces_span_metrics_operations", help, stats.operations as f64);
    let help = "Spans of operations beyond the limit, counted together.";
    out.counter("tidewatch_traces_span_metrics_overflow_spans_total", help, stats.operations_beyond as f64);
    let help = "Spans whose other side never came.";
    out.counter("traces_service_graph_unpaired_spans_total", help, stats.unpaired_spans as f64);
    let help = "Spans that the service graph has no room for.";
    out.counter("traces_service_graph_dropped_spans_total", help, stats.graph_dropped as f64);
    let Some(tail) = stats.tail else { return };
    let help = "Traces kept by tail sampling, by reason.";
    let kept = SamplingReason::ALL.into_iter().zip(tail.kept);
    let kept = kept.map(|(reason, traces)| (vec![("reason", reason.name().to_owned())], traces as f64));
    out.counters("tidewatch_tail_sampling_kept_traces_total", help, kept);
    let mut counter = |name: &str, help: &str, value: u64| out.counter(name, help, value as f64);
    counter("tidewatch_tail_sampling_dropped_traces_total", "Traces that are not kept.", tail.dropped);
    counter("tidewatch_tail_sampling_dropped_spans_total", "Spans of those traces.", stats.sampled_out);
    let help = "Spans of kept traces that the store did not take.";
    counter("tidewatch_tail_sampling_lost_spans_total", help, stats.lost);
    let help = "Traces decided before their time, as too many waited.";
    counter("tidewatch_tail_sampling_early_traces_total", help, tail.early);
    out.gauge("tidewatch_tail_sampling_waiting_traces", "Traces that wait.", tail.waiting as f64);
    let help = "Bytes of requests that wait for decisions.";
    out.gauge("tidewatch_tail_sampling_waiting_bytes", help, stats.waiting_bytes as f64);
}

/// Registers how the configuration was loaded.
pub(crate) fn observe_config(registry: &Registry, config: &Arc<ConfigStatus>) {
    let config = Arc::clone(config);
    registry.observe(move |out| {
        let (worked, loaded_ms) = config.last_load();
        let help = "Whether the last configuration reload attempt was successful.";
        out.gauge("prometheus_config_last_reload_successful", help, f64::from(u8::from(worked)));
        let help = "Timestamp of the last successful configuration reload.";
        let name = "prometheus_config_last_reload_success_timestamp_seconds";
        out.gauge(name, help, loaded_ms as f64 / 1000.0);
    });
}

/// Registers the scraper's numbers.
pub(crate) fn observe_scraper(registry: &Registry, scraper: &Arc<Scraper>) {
    let scraper = Arc::clone(scraper);
    let measured = Arc::clone(&scraper);
    let help = "Actual intervals between scrapes";
    registry.observe_summaries("prometheus_target_interval_length_seconds", help, move || {
        interval_lengths(&measured.stats())
    });
    registry.observe(move |out| {
        let stats = scraper.stats();
        scrape_counts(&stats, out);
        scrape_pools(&stats.pools, out);
    });
}

fn scrape_counts(stats: &ScrapeStats, out: &mut Observations<'_>) {
    let mut counter = |name: &str, help: &str, value: u64| {
        out.counter(&format!("prometheus_target_scrape{name}_total"), help, value as f64);
    };
    counter("s_exceeded_sample_limit", "Scrapes beyond the sample limit.", stats.exceeded_sample_limit);
    counter(
        "s_exceeded_body_size_limit",
        "Scrapes beyond the body size limit.",
        stats.exceeded_body_size_limit,
    );
    let help = "Samples rejected for another value at the same time.";
    counter("s_sample_duplicate_timestamp", help, stats.sample_duplicate_timestamp);
    counter("s_sample_out_of_order", "Samples rejected for their order.", stats.sample_out_of_order);
    counter("s_sample_out_of_bounds", "Samples rejected as too old.", stats.sample_out_of_bounds);
    counter("s_cache_flush_forced", "Series caches emptied before their time.", stats.cache_flush_forced);
    counter("_pool_exceeded_label_limits", "Pools beyond the label limits.", stats.exceeded_label_limits);
    counter("_pool_exceeded_target_limit", "Pools beyond the target limit.", stats.exceeded_target_limit);
    counter("_pool_reloads", "Pools loaded again.", stats.pool_reloads);
    let mut own = |name: &str, help: &str, value: u64| out.counter(name, help, value as f64);
    own("tidewatch_scrapes_total", "Scrapes made.", stats.scrapes);
    own("tidewatch_scrapes_failed_total", "Scrapes that failed as a whole.", stats.scrapes_failed);
    own("tidewatch_scrape_samples_appended_total", "Samples handed to the store.", stats.samples_appended);
    own(
        "tidewatch_scrape_append_failures_total",
        "Pages that the store could not take.",
        stats.append_failures,
    );
    let help = "Samples rejected because the store holds as many series as it may.";
    own("tidewatch_scrape_series_limit_samples_total", help, stats.sample_series_limit);
}

fn interval_lengths(stats: &ScrapeStats) -> Vec<Summary> {
    let of = |length: &IntervalLength| Summary {
        labels: vec![("interval", tidewatch_model::format_duration(length.interval))],
        quantiles: length.quantiles.to_vec(),
        sum: length.sum,
        count: length.count,
    };
    stats.interval_lengths.iter().map(of).collect()
}

fn scrape_pools(pools: &[PoolStats], out: &mut Observations<'_>) {
    let of = |value: fn(&PoolStats) -> u64| {
        pools.iter().map(move |pool| (vec![("scrape_job", pool.pool.clone())], value(pool) as f64))
    };
    out.gauges("prometheus_target_scrape_pool_targets", "Targets of the pool.", of(|p| p.targets));
    let help = "Most targets that the pool may have; 0 is no limit.";
    out.gauges("prometheus_target_scrape_pool_target_limit", help, of(|p| p.target_limit));
    out.counters("prometheus_target_scrape_pool_sync_total", "Times the targets were set.", of(|p| p.syncs));
    out.counters(
        "prometheus_target_sync_failed_total",
        "Targets that could not be made.",
        of(|p| p.sync_failed),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_telemetry::{BuildInfo, Exposition};
    use tidewatch_traces::TailStats;

    fn told(stats: RecorderStats) -> String {
        let registry = Registry::new(BuildInfo::of_version("0"));
        registry.observe(move |out| sampled_traces(&stats, out));
        registry.encode(Exposition::Text)
    }

    #[test]
    fn lost_spans_are_told_where_traces_are_sampled() {
        let stats = RecorderStats { lost: 7, sampled_out: 3, ..RecorderStats::default() };
        assert!(!told(stats).contains("tidewatch_tail_sampling"), "nothing is sampled");
        let page = told(RecorderStats { tail: Some(TailStats::default()), ..stats });
        let check = |line: &str| assert!(page.lines().any(|other| other == line), "{line} in {page}");
        check("tidewatch_tail_sampling_lost_spans_total 7.0");
        check("# TYPE tidewatch_tail_sampling_lost_spans_total counter");
        check("tidewatch_tail_sampling_dropped_spans_total 3.0");
    }
}
