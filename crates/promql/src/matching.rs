//! Vectors with vectors: which series meet, once for all steps, and the operator on those that do.
//!
//! Input: the series of both sides and the matching rules. Output: result series. Which series have equal matching
//! labels does not depend on the step; whether they have values does, and so does whether a match is ambiguous.

use crate::QueryError;
use crate::ast::{Binary, BinaryOp, Cardinality, Expr, Matching};
use crate::binary::{arithmetic, compare};
use crate::column::{
    ABSENT, ByLabels, Grid, METADATA, SeriesColumn, is_present, merge_same_labels, remove_metadata,
};
use crate::evaluator::{Evaluator, Sink, both_sides};
use crate::go_format;
use tidewatch_model::Labels;

/// The matching labels of each series, as numbers that are equal where the labels are.
pub(crate) struct Signatures {
    pub(crate) left: Vec<usize>,
    pub(crate) right: Vec<usize>,
    pub(crate) count: usize,
}

/// Picks the labels by which series are matched.
struct Projection {
    on: bool,
    names: Vec<String>,
}

impl Projection {
    fn new(matching: &Matching) -> Self {
        let mut names = matching.labels.clone();
        if !matching.on {
            names.extend(METADATA.iter().map(|n| (*n).to_owned()));
        }
        names.sort_unstable();
        names.dedup();
        Self { on: matching.on, names }
    }

    fn of(&self, labels: &Labels) -> Labels {
        if self.on { labels.keep(&self.names) } else { labels.drop(&self.names) }
    }
}

impl Signatures {
    pub(crate) fn new(matching: &Matching, left: &[SeriesColumn], right: &[SeriesColumn]) -> Self {
        let projection = Projection::new(matching);
        let mut numbers: ByLabels<usize> = ByLabels::with_capacity_and_hasher(left.len(), Default::default());
        let mut number = |series: &[SeriesColumn]| -> Vec<usize> {
            let numbered = series.iter().map(|one| {
                let next = numbers.len();
                *numbers.entry(projection.of(&one.labels)).or_insert(next)
            });
            numbered.collect()
        };
        let (left, right) = (number(left), number(right));
        Self { left, right, count: numbers.len() }
    }
}

/// The series of both sides that have the same matching labels.
#[derive(Default)]
struct Group {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// Evaluates an arithmetic or comparison operator on two vectors.
pub(crate) fn stream(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    operation: &Binary,
    grid: &Grid,
    sink: &mut Sink<'_>,
) -> Result<(), QueryError> {
    let before = evaluator.held;
    let (left, right, signatures) = both_sides(evaluator, operation, grid)?;
    let swapped = operation.matching.cardinality == Cardinality::OneToMany;
    let (many, one, many_numbers, one_numbers) = if swapped {
        (right, left, signatures.right, signatures.left)
    } else {
        (left, right, signatures.left, signatures.right)
    };
    let mut groups: Vec<Group> = (0..signatures.count).map(|_| Group::default()).collect();
    many_numbers.iter().enumerate().for_each(|(at, number)| groups[*number].many.push(at));
    one_numbers.iter().enumerate().for_each(|(at, number)| groups[*number].one.push(at));

    let join = Join { operation, many: &many, one: &one, steps: grid.len, swapped };
    join.refuse(&groups)?;
    if matches!(operation.op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
        if groups.iter().any(|group| join.any_match(group)) {
            evaluator.annotations.incompatible_floats(operation.op.text(), expr.start);
        }
        evaluator.held = before;
        return Ok(());
    }
    let mut results: Vec<(usize, SeriesColumn)> = Vec::new();
    for group in groups.iter().filter(|g| !g.many.is_empty() && !g.one.is_empty()) {
        evaluator.check()?;
        let first = results.len();
        join.group(group, &mut results);
        evaluator.hold((results.len() - first) * grid.len)?;
    }
    // in the order of the side that may have several series per match
    results.sort_by_key(|(many, _)| *many);
    let merged = merge_same_labels(results.into_iter().map(|(_, series)| series).collect())?;
    evaluator.held = before;
    evaluator.push_all(merged, sink)
}

/// The two sides of an operator; `many` is the side that may have several series per match.
struct Join<'a> {
    operation: &'a Binary,
    many: &'a [SeriesColumn],
    one: &'a [SeriesColumn],
    steps: usize,
    /// `many` is the right side of the operator.
    swapped: bool,
}

impl Join<'_> {
    /// Refuses ambiguous matches; of several the one at the first step.
    fn refuse(&self, groups: &[Group]) -> Result<(), QueryError> {
        let mut first = self.refuse_duplicates(groups).err();
        for group in groups.iter().filter(|g| g.many.len() > 1 && !g.one.is_empty()) {
            let found = if self.operation.matching.cardinality == Cardinality::OneToOne {
                self.refuse_several(group)
            } else {
                self.refuse_same_results(group)
            };
            if let Err((step, error)) = found
                && first.as_ref().is_none_or(|(earliest, _)| step < *earliest)
            {
                first = Some((step, error));
            }
        }
        first.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Two series of the one side with equal matching labels and a value at the same step are an error, whenever the
    /// other side has any value at that step.
    fn refuse_duplicates(&self, groups: &[Group]) -> Result<(), (usize, QueryError)> {
        let mut earliest: Option<(usize, QueryError)> = None;
        let mut other_side: Option<Vec<bool>> = None;
        for group in groups.iter().filter(|g| g.one.len() > 1) {
            let other = other_side.get_or_insert_with(|| {
                (0..self.steps).map(|step| self.many.iter().any(|s| is_present(s.values[step]))).collect()
            });
            for (step, _) in other.iter().enumerate().filter(|(_, any)| **any) {
                let mut present = group.one.iter().filter(|at| is_present(self.one[**at].values[step]));
                if let (Some(first), Some(second)) = (present.next(), present.next()) {
                    if earliest.as_ref().is_none_or(|(before, _)| step < *before) {
                        earliest = Some((step, self.duplicate(*first, *second)));
                    }
                    break;
                }
            }
        }
        earliest.map_or(Ok(()), Err)
    }

    fn duplicate(&self, first: usize, second: usize) -> QueryError {
        let group = Projection::new(&self.operation.matching).of(&self.one[first].labels);
        let mut names =
            [go_format::labels(&self.one[first].labels), go_format::labels(&self.one[second].labels)];
        names.sort();
        let side = if self.swapped { "left" } else { "right" };
        QueryError::execution(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];\
             many-to-many matching not allowed: matching labels must be unique on one side",
            go_format::labels(&group),
            names[0],
            names[1]
        ))
    }

    fn any_match(&self, group: &Group) -> bool {
        (0..self.steps).any(|step| {
            group.many.iter().any(|at| is_present(self.many[*at].values[step]))
                && group.one.iter().any(|at| is_present(self.one[*at].values[step]))
        })
    }

    /// The results of one group.
    fn group(&self, group: &Group, results: &mut Vec<(usize, SeriesColumn)>) {
        let one_to_one = self.operation.matching.cardinality == Cardinality::OneToOne;
        let mut places: ByLabels<usize> = ByLabels::default();
        for many in &group.many {
            for one in &group.one {
                // the labels of one-to-one results come from one side only
                let labels = self.result_labels(*many, *one);
                let place = *places.entry(labels.clone()).or_insert(results.len());
                if place == results.len() {
                    results.push((*many, SeriesColumn { labels, values: vec![ABSENT; self.steps] }));
                }
                self.apply(*many, *one, &mut results[place].1.values);
            }
            if one_to_one {
                places.clear();
            }
        }
    }

    fn matches(&self, many: usize, one: usize, step: usize) -> bool {
        is_present(self.many[many].values[step]) && is_present(self.one[one].values[step])
    }

    /// In one-to-one matching two series of the left side must not match at the same step.
    fn refuse_several(&self, group: &Group) -> Result<(), (usize, QueryError)> {
        for step in 0..self.steps {
            let matched = group.one.iter().any(|at| is_present(self.one[*at].values[step]));
            let several =
                || group.many.iter().filter(|at| is_present(self.many[**at].values[step])).count() > 1;
            if matched && several() {
                let text = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
                return Err((step, QueryError::execution(text)));
            }
        }
        Ok(())
    }

    /// Two pairs with the same result labels must not match at the same step.
    fn refuse_same_results(&self, group: &Group) -> Result<(), (usize, QueryError)> {
        let mut pairs: ByLabels<Vec<(usize, usize)>> = ByLabels::default();
        for many in &group.many {
            for one in &group.one {
                pairs.entry(self.result_labels(*many, *one)).or_default().push((*many, *one));
            }
        }
        let mut earliest = None;
        for pairs in pairs.values().filter(|pairs| pairs.len() > 1) {
            let twice = |step: &usize| pairs.iter().filter(|(m, o)| self.matches(*m, *o, *step)).count() > 1;
            if let Some(step) = (0..self.steps).find(twice) {
                earliest = Some(earliest.map_or(step, |before: usize| before.min(step)));
            }
        }
        let text = "multiple matches for labels: grouping labels must ensure unique matches";
        earliest.map_or(Ok(()), |step| Err((step, QueryError::execution(text))))
    }

    /// Computes the values of a pair where both have one.
    fn apply(&self, many: usize, one: usize, out: &mut [f64]) {
        let (op, returns_bool) = (self.operation.op, self.operation.returns_bool);
        let (many, one) = (&self.many[many].values, &self.one[one].values);
        let (left, right) = if self.swapped { (one, many) } else { (many, one) };
        for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
            if !is_present(*left) || !is_present(*right) {
                continue;
            }
            if !op.is_comparison() {
                *out = arithmetic(op, *left, *right);
            } else if returns_bool {
                *out = f64::from(compare(op, *left, *right));
            } else if compare(op, *left, *right) {
                *out = *left;
            }
        }
    }

    fn result_labels(&self, many: usize, one: usize) -> Labels {
        let matching = &self.operation.matching;
        let mut builder = self.many[many].labels.to_builder();
        if self.operation.op.changes_metric() || self.operation.returns_bool {
            remove_metadata(&mut builder);
        }
        if matching.cardinality == Cardinality::OneToOne {
            builder.retain(|name, _| matching.labels.iter().any(|l| l == name) == matching.on);
        }
        for name in &matching.include {
            builder.set(name.as_str(), self.one[one].labels.get(name).unwrap_or_default());
        }
        builder.build()
    }
}
