//! `year`, `month`, `day_of_month`, `day_of_week`, `day_of_year`, `days_in_month`, `hour`, `minute`: parts of a moment
//! in UTC.
//!
//! Input: seconds since the Unix epoch, by default the time of the step. Output: a number. Seconds beyond what a
//! 64-bit count holds wrap around as Go's do.

use super::{Function, Kind, Whole};
use crate::QueryError;
use crate::ast::{Expr, ValueType};
use crate::column::{Grid, SeriesColumn, drop_metadata, is_present, merge_same_labels};
use crate::evaluator::Evaluator;
use tidewatch_model::Labels;

/// Days from 1 March of this year, before which Go counts nothing, to the Unix epoch's day.
const FIRST_YEAR: i64 = -292_277_022_400;

/// Seconds from 1 March of [`FIRST_YEAR`] to the Unix epoch.
const SECONDS_BEFORE_EPOCH: u64 = {
    let centuries_of_four = (2000 - FIRST_YEAR) / 400;
    // 2000-03-01 is day 11017
    ((centuries_of_four * 146_097 - 11_017) as u64).wrapping_mul(86_400)
};

struct Moment {
    /// Seconds since 1 March of [`FIRST_YEAR`].
    seconds: u64,
}

impl Moment {
    fn new(unix_seconds: i64) -> Self {
        Self { seconds: (unix_seconds as u64).wrapping_add(SECONDS_BEFORE_EPOCH) }
    }

    /// Year, month and day of the month.
    fn date(&self) -> (i64, u64, u64) {
        let days = self.seconds / 86_400;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = (year + era * 400) as i64 + FIRST_YEAR + i64::from(month <= 2);
        (year, month, day)
    }

    /// 0 for Sunday.
    fn weekday(&self) -> u64 {
        // 1 March of a year divisible by 400 is a Wednesday
        (self.seconds / 86_400 + 3) % 7
    }

    fn hour(&self) -> u64 {
        self.seconds % 86_400 / 3600
    }

    fn minute(&self) -> u64 {
        self.seconds % 3600 / 60
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn day_of_year(moment: &Moment) -> u64 {
    let (year, month, day) = moment.date();
    (1..month).map(|m| month_length(year, m)).sum::<u64>() + day
}

/// A moment as RFC 3339 writes it.
pub(crate) fn rfc3339(unix_seconds: i64) -> String {
    let moment = Moment::new(unix_seconds);
    let (year, month, day) = moment.date();
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Go's conversion of a float: what does not fit is the least integer.
fn whole_seconds(value: f64) -> i64 {
    const LIMIT: f64 = i64::MAX as f64;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

fn parts(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    grid: &Grid,
    part: fn(&Moment) -> f64,
) -> Result<Vec<SeriesColumn>, QueryError> {
    let Some(arg) = args.first() else {
        let values = (0..grid.len).map(|step| part(&Moment::new(grid.time(step) / 1000))).collect();
        return Ok(vec![SeriesColumn { labels: Labels::empty(), values }]);
    };
    let mut series = evaluator.vector(arg.unwrapped(), grid)?;
    for one in &mut series {
        one.labels = drop_metadata(&one.labels);
        for value in one.values.iter_mut().filter(|v| is_present(**v)) {
            *value = part(&Moment::new(whole_seconds(*value)));
        }
    }
    merge_same_labels(series)
}

const fn function(name: &'static str, run: Whole) -> Function {
    Function::new(name, &[ValueType::Vector], ValueType::Vector, Kind::Whole(run))
        .variadic(1)
        .depends_on_step()
}

pub(super) static FUNCTIONS: &[Function] = &[
    function("year", |e, _, args, grid| parts(e, args, grid, |m| m.date().0 as f64)),
    function("month", |e, _, args, grid| parts(e, args, grid, |m| m.date().1 as f64)),
    function("day_of_month", |e, _, args, grid| parts(e, args, grid, |m| m.date().2 as f64)),
    function("day_of_week", |e, _, args, grid| parts(e, args, grid, |m| m.weekday() as f64)),
    function("day_of_year", |e, _, args, grid| parts(e, args, grid, |m| day_of_year(m) as f64)),
    function("days_in_month", |e, _, args, grid| {
        parts(e, args, grid, |m| {
            let (year, month, _) = m.date();
            month_length(year, month) as f64
        })
    }),
    function("hour", |e, _, args, grid| parts(e, args, grid, |m| m.hour() as f64)),
    function("minute", |e, _, args, grid| parts(e, args, grid, |m| m.minute() as f64)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_their_dates() {
        let check = |seconds: i64, text: &str, weekday: u64, of_year: u64| {
            let moment = Moment::new(seconds);
            assert_eq!(rfc3339(seconds), text);
            assert_eq!((moment.weekday(), day_of_year(&moment)), (weekday, of_year), "{text}");
        };
        check(0, "1970-01-01T00:00:00Z", 4, 1);
        check(-1, "1969-12-31T23:59:59Z", 3, 365);
        check(951_782_400, "2000-02-29T00:00:00Z", 2, 60);
        check(1_709_251_199, "2024-02-29T23:59:59Z", 4, 60);
        check(4_107_542_399, "2100-02-28T23:59:59Z", 0, 59);
    }
}
