//! The functions of the language: one line per family here, one file per family below.
//!
//! Input: a name from the parser. Output: what the checks and the evaluator need to know of it. Functions that only
//! make sense on native histograms answer nothing for floats, as Prometheus's do; `info` is refused by name.

pub(crate) mod date;

mod absent;
mod change_counts;
mod clamp;
mod context;
mod histogram;
mod label;
mod math;
mod over_time;
mod quantile_over_time;
mod rate;
mod regression;
mod scalar;
mod sort;
mod timestamp;

pub(crate) use quantile_over_time::quantile;

use crate::QueryError;
use crate::ast::{Expr, ValueType};
use crate::column::{Grid, ScalarColumn, SeriesColumn};
use crate::evaluator::Evaluator;
use crate::range_call::RangeFunction;

/// Computes a value from the step and the value there.
pub(crate) type Prepared = Box<dyn Fn(usize, f64) -> f64>;

/// Computes all series of a call: the call itself, its arguments, the steps.
pub(crate) type Whole =
    fn(&mut Evaluator<'_>, &Expr, &[Expr], &Grid) -> Result<Vec<SeriesColumn>, QueryError>;

/// How a function is evaluated.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Value by value; the name goes.
    Elements(fn(f64) -> f64),
    /// Value by value with other arguments; the name goes.
    Prepared(fn(&mut Evaluator<'_>, &[Expr], &Grid) -> Result<Prepared, QueryError>),
    /// From the samples of a window.
    Range { run: RangeFunction, keeps_name: bool },
    /// To a scalar.
    Scalar(fn(&mut Evaluator<'_>, &[Expr], &Grid) -> Result<ScalarColumn, QueryError>),
    /// From all series at once; the call itself is passed for its position.
    Whole(Whole),
}

/// A function of the language.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) args: &'static [ValueType],
    /// How many arguments may follow the last but one; -1 for any number, 0 for exactly those in `args`.
    pub(crate) variadic: i32,
    pub(crate) returns: ValueType,
    pub(crate) experimental: bool,
    /// The result depends on the arguments only, not on the step.
    pub(crate) is_step_invariant: bool,
    pub(crate) kind: Kind,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    const fn new(name: &'static str, args: &'static [ValueType], returns: ValueType, kind: Kind) -> Self {
        Self { name, args, variadic: 0, returns, experimental: false, is_step_invariant: true, kind }
    }

    /// A function of the values of an instant vector.
    const fn elements(name: &'static str, run: fn(f64) -> f64) -> Self {
        Self::new(name, &[ValueType::Vector], ValueType::Vector, Kind::Elements(run))
    }

    /// A function of a range vector.
    const fn range(name: &'static str, run: RangeFunction) -> Self {
        let kind = Kind::Range { run, keeps_name: false };
        Self::new(name, &[ValueType::Matrix], ValueType::Vector, kind)
    }

    const fn with_args(mut self, args: &'static [ValueType]) -> Self {
        self.args = args;
        self
    }

    const fn variadic(mut self, more: i32) -> Self {
        self.variadic = more;
        self
    }

    const fn experimental(mut self) -> Self {
        self.experimental = true;
        self
    }

    const fn depends_on_step(mut self) -> Self {
        self.is_step_invariant = false;
        self
    }
}

static FAMILIES: &[&[Function]] = &[
    absent::FUNCTIONS,
    change_counts::FUNCTIONS,
    clamp::FUNCTIONS,
    context::FUNCTIONS,
    date::FUNCTIONS,
    histogram::FUNCTIONS,
    label::FUNCTIONS,
    math::FUNCTIONS,
    over_time::FUNCTIONS,
    quantile_over_time::FUNCTIONS,
    rate::FUNCTIONS,
    regression::FUNCTIONS,
    scalar::FUNCTIONS,
    sort::FUNCTIONS,
    timestamp::FUNCTIONS,
];

/// The function with this name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FAMILIES.iter().flat_map(|family| family.iter()).find(|function| function.name == name)
}

/// All names, sorted.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = FAMILIES.iter().flat_map(|family| family.iter()).map(|f| f.name).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_one_line() {
        let names = names();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert_eq!(names.len(), 91, "{names:?}");
    }
}
