//! `match[]` and time ranges, which several routes share.
//!
//! Input: parameters. Output: matchers and bounds for the store. Selectors are parsed by the query language's crate.

use crate::error::ApiError;
use crate::parameters::Parameters;
use tidewatch_model::{Matcher, Selection};
use tidewatch_promql::parse_selector;

/// The earliest and latest time asked for when none is given, in milliseconds since the Unix epoch: far beyond any
/// sample, and far enough from the ends of 64 bits to be computed with.
pub(super) const EVER: (i64, i64) = (-(1 << 53), 1 << 53);

/// How the query language refuses a selector that every series satisfies; this API has its own words for it.
const NOTHING_SELECTED: &str = "must contain at least one non-empty matcher";

/// Which series a call is about.
pub(super) struct SeriesRange {
    pub(super) matcher_sets: Vec<Vec<Matcher>>,
    pub(super) start: i64,
    pub(super) end: i64,
}

impl SeriesRange {
    /// Reads `match[]`, `start` and `end`; `wrap` makes an API error of a selector's.
    pub(super) fn read(parameters: &Parameters, wrap: impl Fn(String) -> ApiError) -> Result<Self, ApiError> {
        let start = parameters.time("start", EVER.0)?;
        let end = parameters.time("end", EVER.1)?;
        let mut matcher_sets = Vec::new();
        for selector in parameters.all("match[]") {
            let matchers = parse_selector(selector).map_err(|error| error.to_string());
            match matchers {
                Ok(matchers) if !matchers.iter().all(Matcher::matches_empty) => matcher_sets.push(matchers),
                Err(error) if !error.ends_with(NOTHING_SELECTED) => return Err(wrap(error)),
                _ => return Err(wrap("match[] must contain at least one non-empty matcher".to_owned())),
            }
        }
        Ok(Self { matcher_sets, start, end })
    }

    /// Whether no time lies within the range.
    pub(super) fn is_empty(&self) -> bool {
        self.start > self.end
    }

    /// One selection for each `match[]`.
    pub(super) fn selections(&self) -> impl Iterator<Item = Selection<'_>> {
        self.matcher_sets.iter().map(|matchers| Selection { matchers, start: self.start, end: self.end })
    }
}
