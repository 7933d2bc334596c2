//! Spans: the recorder behind the receivers, and what it has to be told as time passes.
//!
//! Input: requests of the OTLP listeners, the clock. Output: spans in their store, samples of calls in the store of samples, both every
//! so often. No decision is taken here.

use crate::failure::Failure;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidewatch_http::{IntakeError, SpanIntake, Taken};
use tidewatch_model::{Append, Clock};
use tidewatch_otlp::{RecordError, Recorder, RecorderOptions};
use tidewatch_traces::{Rejected, StoreOptions, TraceStore};

/// How often decisions, retention and segments are seen to.
const TICK: Duration = Duration::from_millis(500);
/// Ticks between two writings of the counts: 15 s, as often as a collector's page would be scraped.
const TICKS_PER_WRITING: u64 = 30;

/// Hands requests to the recorder with the time.
pub(crate) struct Intake {
    recorder: Arc<Recorder>,
    clock: Arc<dyn Clock>,
}

impl Intake {
    pub(crate) fn new(recorder: Arc<Recorder>, clock: Arc<dyn Clock>) -> Self {
        Self { recorder, clock }
    }
}

impl SpanIntake for Intake {
    fn take(&self, request: &[u8]) -> Result<Taken, IntakeError> {
        let recorded =
            self.recorder.record(request, nanoseconds(&*self.clock)).map_err(|error| match error {
                RecordError::Malformed(error) => IntakeError::Malformed(error),
                error => IntakeError::Unavailable(error.to_string()),
            })?;
        let ingested = recorded.ingested;
        let rejected = reasons(&ingested.rejected).into_iter().filter(|(_, spans)| *spans > 0).collect();
        let accepted = ingested.accepted + ingested.duplicates + recorded.waiting + recorded.sampled_out;
        let taken = Taken { accepted, rejected, ..Taken::default() };
        Ok(taken.with_decoded(&recorded.decoded))
    }
}

/// Why a store refuses spans, as values of a label.
pub(crate) fn reasons(rejected: &Rejected) -> [(&'static str, u64); 4] {
    [
        ("invalid_trace_id", rejected.invalid_trace_id),
        ("invalid_span_id", rejected.invalid_span_id),
        ("oversized", rejected.oversized),
        ("too_many_attributes", rejected.too_many_attributes),
    ]
}

fn nanoseconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now()).unwrap_or_default().saturating_mul(1_000_000)
}

/// Opens the store of spans and its recorder.
///
/// # Errors
/// When the folder cannot be read or written.
pub(crate) async fn open(
    folder: PathBuf,
    store: StoreOptions,
    recorder: RecorderOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Recorder>, Failure> {
    let now = nanoseconds(&**clock);
    let opened = tokio::task::spawn_blocking(move || TraceStore::open(Some(folder), store, now)).await;
    let store = opened.map_err(|e| Failure::from_error(&e))?.map_err(|e| Failure::from_error(&e))?;
    Ok(Arc::new(Recorder::new(Arc::new(store), recorder)))
}

/// What is due as time passes, until the task is ended.
pub(crate) async fn upkeep(recorder: Arc<Recorder>, samples: Arc<dyn Append>, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut tick, mut failing) = (0_u64, false);
    loop {
        ticks.tick().await;
        tick += 1;
        let (recorder, samples, clock) = (Arc::clone(&recorder), Arc::clone(&samples), Arc::clone(&clock));
        let done = tokio::task::spawn_blocking(move || {
            let now = nanoseconds(&*clock);
            let ticked = recorder.tick(now).map_err(|e| e.to_string());
            let kept = recorder.store().maintain(now).map_err(|e| e.to_string());
            let written = match tick % TICKS_PER_WRITING {
                0 => recorder.write_samples(&*samples, clock.now()).map_err(|e| e.to_string()),
                _ => Ok(()),
            };
            ticked.and(kept).and(written)
        });
        match done.await {
            Ok(Ok(())) => failing = false,
            // it is tried again at once: one line for a disk that is full for an hour
            Ok(Err(error)) if !failing => {
                failing = true;
                tracing::error!("upkeep of the spans failed, it is tried again all the time: {error}");
            }
            Ok(Err(_)) => {}
            Err(_) => return,
        }
    }
}

/// Decides what waits, and closes the store of spans.
///
/// # Errors
/// When it could not be closed in order.
pub(crate) async fn close(recorder: Arc<Recorder>, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let closed = tokio::task::spawn_blocking(move || {
        let finished = recorder.finish(nanoseconds(&*clock)).map_err(|e| Failure::from_error(&e));
        finished.and(recorder.store().close().map_err(|e| Failure::from_error(&e)))
    });
    closed.await.map_err(|e| Failure::from_error(&e))?
}
