//! Remarks about an answer: warnings and infos that do not stop a query.
//!
//! Input: operators, with the position of the part they mean. Output: Prometheus's texts, each once.

use crate::go_format::{general, quote, two_digits};
use crate::parser::position;
use hashbrown::HashMap;
use tidewatch_model::format_timestamp;

/// How many warnings and how many infos an answer carries; the rest is counted.
const SHOWN: usize = 10;

#[derive(Clone, Debug)]
enum Remark {
    Plain {
        at: usize,
    },
    /// Buckets that decreased, over all steps and series.
    Monotonicity {
        at: usize,
        first: i64,
        last: i64,
        smallest: f64,
        largest: f64,
        difference: f64,
        count: usize,
    },
}

/// The remarks of one query.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    /// In order of appearance: text, then the remark.
    found: Vec<(String, Remark)>,
    places: HashMap<String, usize, foldhash::fast::RandomState>,
}

const INFO: &str = "PromQL info: ";
const WARNING: &str = "PromQL warning: ";
const MONOTONICITY: &str = "input to histogram_quantile needed to be fixed for monotonicity (see \
     https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";

/// A bucket whose count was below that of the bucket before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decrease {
    pub(crate) smallest: f64,
    pub(crate) largest: f64,
    pub(crate) difference: f64,
}

impl Annotations {
    fn add(&mut self, text: String, at: usize) {
        let remark = Remark::Plain { at };
        match self.places.get(&text) {
            Some(place) => self.found[*place].1 = remark,
            None => {
                self.places.insert(text.clone(), self.found.len());
                self.found.push((text, remark));
            }
        }
    }

    /// A metric under `rate` or `increase` does not look like a counter.
    pub(crate) fn possible_non_counter(&mut self, name: &str, at: usize) {
        let name = quote(name);
        self.add(
            format!(
                "{INFO}metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name}"
            ),
            at,
        );
    }

    pub(crate) fn invalid_quantile(&mut self, quantile: f64, at: usize) {
        let got = general(quantile);
        self.add(format!("{WARNING}quantile value should be between 0 and 1, got {got}"), at);
    }

    pub(crate) fn invalid_ratio(&mut self, ratio: f64, capped: f64, at: usize) {
        let (got, to) = (general(ratio), general(capped));
        self.add(format!("{WARNING}ratio value should be between -1 and 1, got {got}, capping to {to}"), at);
    }

    pub(crate) fn invalid_strategy(&mut self, strategy: f64, at: usize) {
        let got = general(strategy);
        self.add(format!("{WARNING}strategy should be 0, 1, or 2 (default), using 2, got {got}"), at);
    }

    pub(crate) fn bad_bucket(&mut self, bucket: &str, at: usize) {
        let bucket = quote(bucket);
        self.add(format!("{WARNING}bucket label \"le\" is missing or has a malformed value of {bucket}"), at);
    }

    pub(crate) fn sort_in_range_query(&mut self, at: usize) {
        let text = "sort is ineffective for range queries since results are always ordered by labels";
        self.add(format!("{WARNING}{text}"), at);
    }

    pub(crate) fn incompatible_floats(&mut self, op: &str, at: usize) {
        let quoted = quote(op);
        let text =
            format!("incompatible sample types encountered for binary operator {quoted}: float {op} float");
        self.add(format!("{INFO}{text}"), at);
    }

    /// Buckets that decreased at a time.
    pub(crate) fn forced_monotonicity(&mut self, decrease: Decrease, time: i64, at: usize) {
        let text = format!("{INFO}{MONOTONICITY}");
        let Decrease { smallest, largest, difference } = decrease;
        let new =
            Remark::Monotonicity { at, first: time, last: time, smallest, largest, difference, count: 1 };
        let Some(place) = self.places.get(&text) else {
            self.places.insert(text.clone(), self.found.len());
            self.found.push((text, new));
            return;
        };
        if let Remark::Monotonicity { first, last, smallest: s, largest: l, difference: d, count, .. } =
            &mut self.found[*place].1
        {
            (*first, *last) = ((*first).min(time), (*last).max(time));
            (*s, *l, *d) = (s.min(smallest), l.max(largest), d.max(difference));
            *count += 1;
        }
    }

    /// The texts with their positions: warnings, infos.
    pub(crate) fn into_texts(self, query: &str) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for (text, remark) in self.found {
            let full = full_text(&text, &remark, query);
            if text.starts_with(INFO) { infos.push(full) } else { warnings.push(full) }
        }
        cut(&mut warnings, "warning");
        cut(&mut infos, "info");
        (warnings, infos)
    }
}

fn full_text(text: &str, remark: &Remark, query: &str) -> String {
    match remark {
        Remark::Plain { at } => format!("{text} ({})", position(query, *at)),
        Remark::Monotonicity { at, first, last, smallest, largest, difference, count } => format!(
            "{text}, from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {} ({})",
            general(*smallest),
            general(*largest),
            two_digits(*difference),
            whole_second(*first),
            whole_second(*last),
            position(query, *at),
        ),
    }
}

/// The second in which a time in milliseconds lies.
fn whole_second(time: i64) -> String {
    format_timestamp(time.div_euclid(1000).saturating_mul(1000))
}

fn cut(texts: &mut Vec<String>, kind: &str) {
    if texts.len() > SHOWN {
        let omitted = texts.len() - SHOWN;
        texts.truncate(SHOWN);
        texts.push(format!("{omitted} more {kind} annotations omitted"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_appears_once_with_its_last_position() {
        let mut annotations = Annotations::default();
        annotations.possible_non_counter("x", 5);
        annotations.possible_non_counter("x", 7);
        annotations.invalid_quantile(2.0, 0);
        let (warnings, infos) = annotations.into_texts("rate(\nx[5m])");
        assert_eq!(warnings, ["PromQL warning: quantile value should be between 0 and 1, got 2 (1:1)"]);
        assert_eq!(
            infos,
            [
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (2:2)"
            ]
        );
    }

    #[test]
    fn the_rest_is_counted() {
        let mut annotations = Annotations::default();
        for at in 0..12 {
            annotations.possible_non_counter(&format!("m{at}"), at);
        }
        let (_, infos) = annotations.into_texts("0123456789abcdef");
        assert_eq!(infos.len(), 11);
        assert_eq!(infos[10], "2 more info annotations omitted");
    }
}
