//! Counts and measures requests by the second in which they were due.
//!
//! Input: requests that are due, missed and finished. Output: a line for each second, and totals. A second is summed up once
//! nothing of it is under way any more, so that an hour costs no more memory than ten seconds. It decides nothing.

use crate::connection::{Outcome, Trouble};
use crate::pool::Entry;
use crate::report::{Operation, Quantiles, Second};
use crate::work::{Order, Work};
use hdrhistogram::{Counter, Histogram};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Longest duration that is told apart from longer ones.
const LONGEST_MICROSECONDS: u64 = 3_600_000_000;
/// Durations are kept within 0.1 %.
const DIGITS: u8 = 3;

pub(crate) fn histogram<T: Counter>() -> Histogram<T> {
    Histogram::new_with_bounds(1, LONGEST_MICROSECONDS, DIGITS).expect("constant bounds in their range")
}

fn record<T: Counter>(histogram: &mut Histogram<T>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

/// What all parts of a run share.
pub(crate) struct Ledger {
    book: Mutex<Book>,
    /// Woken when nothing is under way.
    pub(crate) empty: Notify,
}

/// The work and its measurements.
pub(crate) struct Book {
    pub(crate) work: Work,
    pub(crate) recorder: Recorder,
    pub(crate) in_flight: usize,
}

impl Ledger {
    pub(crate) fn new(work: Work, operations: Vec<String>) -> Self {
        let book = Book { work, recorder: Recorder::new(operations), in_flight: 0 };
        Self { book: Mutex::new(book), empty: Notify::new() }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is due: the order for it, unless `most` are under way already.
    pub(crate) fn due(&self, second: u32, late: Duration, most: usize) -> Option<Order> {
        let mut book = self.book();
        let missed = book.in_flight >= most;
        book.recorder.due(second, late, missed);
        if missed {
            return None;
        }
        book.in_flight += 1;
        Some(book.work.next())
    }

    /// A request of the load has ended, for which `opened` connections were made.
    pub(crate) fn finished(&self, entry: &Entry, outcome: &Outcome, opened: u64) {
        let mut book = self.book();
        let answer = outcome.result.as_ref().ok();
        let ok = answer.is_some_and(|answer| answer.status < 400);
        book.work.finished(entry.meaning, ok, answer.and_then(|answer| answer.location.as_ref()));
        book.recorder.finished(entry, outcome, ok);
        book.recorder.connections += opened;
        book.in_flight -= 1;
        if book.in_flight == 0 {
            self.empty.notify_one();
        }
    }
}

/// Sums and distributions.
#[derive(Default)]
struct Sums {
    scheduled: u64,
    sent: u64,
    missed: u64,
    ok: u64,
    errors: BTreeMap<String, u64>,
}

impl Sums {
    fn ended(&mut self, outcome: &Outcome, ok: bool) {
        self.sent += u64::from(outcome.sent.is_some());
        if ok {
            self.ok += 1;
            return;
        }
        let kind = match &outcome.result {
            Ok(answer) => answer.status.to_string(),
            Err(trouble) => trouble.name().to_owned(),
        };
        *self.errors.entry(kind).or_default() += 1;
    }
}

/// A second of which something may still be under way.
struct OpenSecond {
    number: u32,
    sums: Sums,
    open: u64,
    /// Latency and service; none where nothing was due.
    durations: Option<(Histogram<u32>, Histogram<u32>)>,
}

struct OperationSums {
    name: String,
    sums: Sums,
    latency: Histogram<u64>,
}

/// Every measurement of a run.
pub(crate) struct Recorder {
    open: VecDeque<OpenSecond>,
    spare: Vec<(Histogram<u32>, Histogram<u32>)>,
    closed: Vec<Second>,
    total: Sums,
    latency: Histogram<u64>,
    service: Histogram<u64>,
    lateness: Histogram<u64>,
    operations: Vec<OperationSums>,
    statuses: BTreeMap<u16, u64>,
    bytes: u64,
    connections: u64,
    /// Since the last look.
    recent: Histogram<u32>,
    recent_from: (u64, u64, u64, u64),
}

/// What was measured since the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    pub(crate) scheduled: u64,
    pub(crate) ok: u64,
    pub(crate) errors: u64,
    pub(crate) missed: u64,
    pub(crate) latency: Quantiles,
}

/// Everything measured, at the end.
pub(crate) struct Recorded {
    pub(crate) scheduled: u64,
    pub(crate) sent: u64,
    pub(crate) missed: u64,
    pub(crate) ok: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) bytes: u64,
    pub(crate) connections: u64,
    pub(crate) latency: Quantiles,
    pub(crate) service: Quantiles,
    pub(crate) lateness: Quantiles,
    pub(crate) operations: Vec<Operation>,
    pub(crate) seconds: Vec<Second>,
}

impl Recorder {
    fn new(operations: Vec<String>) -> Self {
        let operations = operations
            .into_iter()
            .map(|name| OperationSums { name, sums: Sums::default(), latency: histogram() })
            .collect();
        Self {
            open: VecDeque::new(),
            spare: Vec::new(),
            closed: Vec::new(),
            total: Sums::default(),
            latency: histogram(),
            service: histogram(),
            lateness: histogram(),
            operations,
            statuses: BTreeMap::new(),
            bytes: 0,
            connections: 0,
            recent: histogram(),
            recent_from: (0, 0, 0, 0),
        }
    }

    /// A request was due, `late` ago.
    fn due(&mut self, second: u32, late: Duration, missed: bool) {
        self.begin_until(second);
        self.total.scheduled += 1;
        self.total.missed += u64::from(missed);
        record(&mut self.lateness, late);
        if let Some(open) = self.open.back_mut() {
            open.sums.scheduled += 1;
            open.sums.missed += u64::from(missed);
            open.open += u64::from(!missed);
        }
    }

    /// Opens seconds up to this one, also those in which nothing is due, and sums up what is complete.
    fn begin_until(&mut self, second: u32) {
        let next = || self.closed.len() as u32 + self.open.len() as u32;
        if next() > second {
            return;
        }
        for number in next()..=second {
            let durations =
                (number == second).then(|| self.spare.pop().unwrap_or_else(|| (histogram(), histogram())));
            self.open.push_back(OpenSecond { number, sums: Sums::default(), open: 0, durations });
        }
        while self.open.len() > 1 && self.open.front().is_some_and(|front| front.open == 0) {
            self.close_first();
        }
    }

    fn close_first(&mut self) {
        if let Some(mut second) = self.open.pop_front() {
            self.closed.push(Second {
                second: second.number,
                scheduled: second.sums.scheduled,
                sent: second.sums.sent,
                missed: second.sums.missed,
                ok: second.sums.ok,
                errors: std::mem::take(&mut second.sums.errors),
                latency: second.durations.as_ref().map_or_else(Quantiles::default, |d| Quantiles::of(&d.0)),
                service: second.durations.as_ref().map_or_else(Quantiles::default, |d| Quantiles::of(&d.1)),
            });
            if let Some(mut durations) = second.durations {
                durations.0.reset();
                durations.1.reset();
                self.spare.push(durations);
            }
        }
    }

    fn finished(&mut self, entry: &Entry, outcome: &Outcome, ok: bool) {
        let latency = outcome.ended.saturating_duration_since(entry.due);
        // what failed at once took no time, and would make a broken server look fast
        let counts = matches!(outcome.result, Ok(_) | Err(Trouble::Timeout));
        self.total.ended(outcome, ok);
        if let Ok(answer) = &outcome.result {
            *self.statuses.entry(answer.status).or_default() += 1;
            self.bytes += answer.bytes;
        }
        let service =
            outcome.sent.filter(|_| counts).map(|sent| outcome.ended.saturating_duration_since(sent));
        if counts {
            record(&mut self.latency, latency);
            record(&mut self.recent, latency);
        }
        if let Some(service) = service {
            record(&mut self.service, service);
        }
        if let Some(operation) = self.operations.get_mut(entry.operation) {
            operation.sums.ended(outcome, ok);
            if counts {
                record(&mut operation.latency, latency);
            }
        }
        let first = self.closed.len() as u32;
        if let Some(open) = self.open.get_mut(entry.second.wrapping_sub(first) as usize) {
            open.sums.ended(outcome, ok);
            open.open -= 1;
            if let Some((latencies, services)) = &mut open.durations {
                if counts {
                    record(latencies, latency);
                }
                if let Some(service) = service {
                    record(services, service);
                }
            }
        }
    }

    /// What happened since the last call.
    pub(crate) fn recent(&mut self) -> Recent {
        let errors: u64 = self.total.errors.values().sum();
        let now = (self.total.scheduled, self.total.ok, errors, self.total.missed);
        let before = std::mem::replace(&mut self.recent_from, now);
        let latency = Quantiles::of(&self.recent);
        self.recent.reset();
        Recent {
            scheduled: now.0 - before.0,
            ok: now.1 - before.1,
            errors: now.2 - before.2,
            missed: now.3 - before.3,
            latency,
        }
    }

    /// Everything; what is still under way is given up and counted as such.
    pub(crate) fn take(&mut self, given_up: &str) -> Recorded {
        while let Some(first) = self.open.front_mut() {
            if first.open > 0 {
                *first.sums.errors.entry(given_up.to_owned()).or_default() += first.open;
                *self.total.errors.entry(given_up.to_owned()).or_default() += first.open;
            }
            self.close_first();
        }
        let operation = |operation: &mut OperationSums| Operation {
            name: std::mem::take(&mut operation.name),
            ok: operation.sums.ok,
            errors: operation.sums.errors.values().sum(),
            latency: Quantiles::of(&operation.latency),
        };
        Recorded {
            scheduled: self.total.scheduled,
            sent: self.total.sent,
            missed: self.total.missed,
            ok: self.total.ok,
            errors: std::mem::take(&mut self.total.errors),
            statuses: std::mem::take(&mut self.statuses),
            bytes: self.bytes,
            connections: self.connections,
            latency: Quantiles::of(&self.latency),
            service: Quantiles::of(&self.service),
            lateness: Quantiles::of(&self.lateness),
            operations: self.operations.iter_mut().map(operation).collect(),
            seconds: std::mem::take(&mut self.closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Answer;
    use crate::work::Meaning;
    use std::time::Instant;

    const MS: Duration = Duration::from_millis(1);

    fn outcome(start: Instant, sent: u32, ended: u32, status: Result<u16, Trouble>) -> Outcome {
        let answer = |status| Answer { status, location: None, bytes: 10, body: Vec::new() };
        Outcome { sent: Some(start + MS * sent), ended: start + MS * ended, result: status.map(answer) }
    }

    #[test]
    fn requests_count_in_the_second_in_which_they_were_due() {
        let start = Instant::now();
        let mut recorder = Recorder::new(vec!["get".to_owned()]);
        let entry = |second: u32, due: u32| Entry {
            second,
            operation: 0,
            meaning: Meaning::Nothing,
            due: start + MS * due,
        };
        recorder.due(0, MS, false);
        recorder.due(0, MS, false);
        recorder.due(2, MS, true);
        recorder.due(2, MS, false);
        // waited 1 s for a connection, then took 1 s
        recorder.finished(&entry(0, 100), &outcome(start, 1100, 2100, Ok(200)), true);
        recorder.finished(&entry(0, 200), &outcome(start, 1100, 2200, Ok(503)), false);
        recorder.finished(&entry(2, 2100), &outcome(start, 2100, 2101, Err(Trouble::Closed)), false);
        let recorded = recorder.take("given up");
        let lines: Vec<_> = recorded
            .seconds
            .iter()
            .map(|s| (s.second, s.scheduled, s.sent, s.missed, s.ok, s.errors.clone(), s.latency.count))
            .collect();
        let errors = |kind: &str| BTreeMap::from([(kind.to_owned(), 1)]);
        assert_eq!(
            lines,
            [
                (0, 2, 2, 0, 1, errors("503"), 2),
                (1, 0, 0, 0, 0, BTreeMap::new(), 0),
                (2, 2, 1, 1, 0, errors("closed"), 0)
            ]
        );
        let first = &recorded.seconds[0];
        assert!((first.latency.max - 2000.0).abs() < 2.0 && (first.service.max - 1100.0).abs() < 2.0);
        assert_eq!((recorded.scheduled, recorded.sent, recorded.missed, recorded.ok), (4, 3, 1, 1));
        assert_eq!(recorded.statuses, BTreeMap::from([(200, 1), (503, 1)]));
        assert_eq!((recorded.operations[0].ok, recorded.operations[0].errors, recorded.bytes), (1, 2, 20));
    }

    #[test]
    fn idle_seconds_have_no_histograms() {
        let mut recorder = Recorder::new(vec!["get".to_owned()]);
        recorder.due(0, MS, false);
        recorder.due(3600, MS, false);
        let measured = recorder.open.iter().filter(|second| second.durations.is_some()).count();
        assert_eq!((recorder.open.len(), measured, recorder.spare.len()), (3601, 2, 0));
        assert_eq!(recorder.take("given up").seconds.len(), 3601);
    }

    #[test]
    fn what_is_under_way_at_the_end_is_an_error_and_old_seconds_are_summed_up() {
        let start = Instant::now();
        let mut recorder = Recorder::new(vec!["get".to_owned()]);
        for second in 0..100 {
            recorder.due(second, MS, false);
            let entry = Entry { second, operation: 0, meaning: Meaning::Nothing, due: start };
            recorder.finished(&entry, &outcome(start, 1, 2, Ok(200)), true);
        }
        assert!(recorder.open.len() == 1 && recorder.spare.len() <= 2, "{} are open", recorder.open.len());
        recorder.due(100, MS, false);
        assert_eq!((recorder.recent().ok, recorder.recent().ok), (100, 0));
        let recorded = recorder.take("given up");
        assert_eq!(recorded.errors, BTreeMap::from([("given up".to_owned(), 1)]));
        assert_eq!(recorded.seconds.len(), 101);
    }
}
