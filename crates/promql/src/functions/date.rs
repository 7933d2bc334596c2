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
use tidewatch_model::{Labels, civil_from_days, days_in_month};

/// Days from 1 March of the year −292277022400, before which Go counts nothing, to the Unix epoch; the year 2000 begins
/// another four centuries, and its 1 March is day 11017.
const DAYS_BEFORE_EPOCH: i64 = (2000 + 292_277_022_400) / 400 * 146_097 - 11_017;

struct Moment {
    /// Seconds since Go's first day; see [`DAYS_BEFORE_EPOCH`].
    seconds: u64,
}

impl Moment {
    fn new(unix_seconds: i64) -> Self {
        let before_epoch = (DAYS_BEFORE_EPOCH as u64).wrapping_mul(86_400);
        Self { seconds: (unix_seconds as u64).wrapping_add(before_epoch) }
    }

    /// Year, month and day of the month.
    fn date(&self) -> (i64, i64, i64) {
        civil_from_days((self.seconds / 86_400) as i64 - DAYS_BEFORE_EPOCH)
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

fn day_of_year(moment: &Moment) -> i64 {
    let (year, month, day) = moment.date();
    (1..month).map(|m| days_in_month(year, m)).sum::<i64>() + day
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
            days_in_month(year, month) as f64
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
        let check = |seconds: i64, date: (i64, i64, i64), weekday: u64, of_year: i64| {
            let moment = Moment::new(seconds);
            assert_eq!((moment.date(), moment.weekday(), day_of_year(&moment)), (date, weekday, of_year));
        };
        check(0, (1970, 1, 1), 4, 1);
        check(-1, (1969, 12, 31), 3, 365);
        check(951_782_400, (2000, 2, 29), 2, 60);
        check(1_709_251_199, (2024, 2, 29), 4, 60);
        check(4_107_542_399, (2100, 2, 28), 0, 59);
        // As Go has it: what lies before its first day wraps around.
        check(i64::MAX, (292_277_026_596, 12, 4), 0, 339);
        check(i64::MIN, (292_277_026_596, 12, 4), 0, 339);
    }
}
