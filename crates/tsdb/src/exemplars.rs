//! Exemplars beside the series: the newest of the whole database, as many as the options say.
//!
//! Input: exemplars of accepted rows, or of the log. Output: those of a series. As in Prometheus the oldest of all gives way to a
//! new one, an exemplar that a series just had is not kept twice, and one older than the newest of its series is refused. They
//! are in the log and in checkpoints, and in no chunk. Those of a series that is gone stay until they give way.

use hashbrown::HashMap;
use std::collections::VecDeque;
use tidewatch_model::Exemplar;

/// The exemplars of all series, by the id of the series.
#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    most: usize,
    by_series: HashMap<u64, VecDeque<Exemplar>>,
    /// The series of each exemplar, in the order they came.
    order: VecDeque<u64>,
    newest: Option<i64>,
}

/// What becomes of an exemplar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    /// The series just had it.
    Known,
    /// It is older than the newest of its series.
    OutOfOrder,
    /// Its labels are too long, or none are kept.
    NotKept,
}

impl Exemplars {
    /// Keeps at most so many; 0 keeps none.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn series(&self) -> usize {
        self.by_series.len()
    }

    /// The time of the newest one, in milliseconds since the Unix epoch.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Whether an exemplar would be kept.
    pub(crate) fn judge(&self, series: u64, exemplar: &Exemplar) -> Verdict {
        if self.most == 0 || !exemplar.fits() {
            return Verdict::NotKept;
        }
        match self.by_series.get(&series).and_then(VecDeque::back) {
            Some(last) if last == exemplar => Verdict::Known,
            Some(last) if last.timestamp > exemplar.timestamp => Verdict::OutOfOrder,
            _ => Verdict::New,
        }
    }

    /// Keeps an exemplar that was judged new.
    pub(crate) fn push(&mut self, series: u64, exemplar: Exemplar) {
        while self.order.len() >= self.most {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(of_series) = self.by_series.get_mut(&oldest) {
                of_series.pop_front();
                if of_series.is_empty() {
                    self.by_series.remove(&oldest);
                }
            }
        }
        self.newest = self.newest.max(Some(exemplar.timestamp));
        self.order.push_back(series);
        self.by_series.entry(series).or_default().push_back(exemplar);
    }

    /// Those of a series from `start` to `end`, oldest first.
    pub(crate) fn of(&self, series: u64, start: i64, end: i64) -> Vec<Exemplar> {
        let all = self.by_series.get(&series).into_iter().flatten();
        all.filter(|exemplar| (start..=end).contains(&exemplar.timestamp)).cloned().collect()
    }

    /// All, those of each series oldest first.
    pub(crate) fn each(&self, mut each: impl FnMut(u64, &Exemplar)) {
        // in the order in which they came, so that a reader lets the same ones give way
        let mut next: HashMap<u64, usize> = HashMap::with_capacity(self.by_series.len());
        for series in &self.order {
            let at = next.entry(*series).or_default();
            if let Some(exemplar) = self.by_series.get(series).and_then(|all| all.get(*at)) {
                each(*series, exemplar);
            }
            *at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_model::Labels;

    fn exemplar(trace: &str, timestamp: i64) -> Exemplar {
        Exemplar { labels: Labels::from_pairs([("trace_id", trace)]), timestamp, value: 1.0 }
    }

    #[test]
    fn the_oldest_of_all_gives_way() {
        let mut exemplars = Exemplars::new(3);
        for (series, trace, time) in [(1, "a", 1), (2, "b", 2), (1, "c", 3), (1, "d", 4)] {
            assert_eq!(exemplars.judge(series, &exemplar(trace, time)), Verdict::New);
            exemplars.push(series, exemplar(trace, time));
        }
        assert_eq!(exemplars.of(1, 0, 10), [exemplar("c", 3), exemplar("d", 4)]);
        assert_eq!(exemplars.of(1, 4, 4), [exemplar("d", 4)]);
        assert_eq!((exemplars.len(), exemplars.series(), exemplars.newest()), (3, 2, Some(4)));
        let mut order = Vec::new();
        exemplars.each(|series, exemplar| order.push((series, exemplar.timestamp)));
        assert_eq!(order, [(2, 2), (1, 3), (1, 4)]);
        exemplars.push(1, exemplar("e", 5));
        assert_eq!((exemplars.series(), exemplars.of(2, 0, 10)), (1, Vec::new()));
    }

    #[test]
    fn what_is_not_kept_is_told_apart() {
        let mut exemplars = Exemplars::new(3);
        exemplars.push(1, exemplar("a", 5));
        let check = |exemplar: &Exemplar, expected| assert_eq!(exemplars.judge(1, exemplar), expected);
        check(&exemplar("a", 5), Verdict::Known);
        check(&exemplar("b", 5), Verdict::New);
        check(&exemplar("a", 4), Verdict::OutOfOrder);
        check(&exemplar(&"é".repeat(120), 6), Verdict::New);
        check(&exemplar(&"é".repeat(121), 6), Verdict::NotKept);
        assert_eq!(Exemplars::new(0).judge(1, &exemplar("a", 5)), Verdict::NotKept);
    }
}
