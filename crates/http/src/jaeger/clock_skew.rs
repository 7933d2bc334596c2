//! Clock skew between hosts, found out and only warned about, as in a Jaeger whose `max_clock_skew_adjust` is 0, its default.
//!
//! Input: times, parents and hosts of the spans of a trace. Output: what there is to warn about, span by span. No time is changed.

use super::duration;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What counts of a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed<'a> {
    pub(super) id: u64,
    /// 0 for a root.
    pub(super) parent: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) start: i64,
    /// Nanoseconds.
    pub(super) duration: i64,
    /// Empty where it is not known.
    pub(super) host: &'a str,
}

/// What there is to warn about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// An earlier span has the same id.
    Duplicate,
    /// The parent is not in the trace.
    MissingParent(u64),
    /// The span would have to be moved by so many nanoseconds.
    Skewed(i64),
}

impl Finding {
    /// The warning, where it does not depend on the API.
    pub(super) fn text(self) -> String {
        match self {
            Self::Duplicate => "duplicate span IDs; skipping clock skew adjustment".to_owned(),
            Self::MissingParent(id) => {
                format!("parent span ID={id:016x} is not in the trace; skipping clock skew adjustment")
            }
            Self::Skewed(delta) => format!(
                "clock skew adjustment disabled; not applying calculated delta of {}",
                duration::text(delta)
            ),
        }
    }
}

/// Looks at all spans of a trace. A finding comes with the place of its span.
pub(super) fn find(spans: &[Timed<'_>]) -> Vec<(usize, Finding)> {
    let mut findings = Vec::new();
    let mut first = HashMap::with_capacity(spans.len());
    for (at, span) in spans.iter().enumerate() {
        match first.entry(span.id) {
            Entry::Occupied(_) => findings.push((at, Finding::Duplicate)),
            Entry::Vacant(entry) => {
                entry.insert(at);
            }
        }
    }
    let is_first = |at: usize| first.get(&spans[at].id) == Some(&at);
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for at in (0..spans.len()).filter(|at| is_first(*at)) {
        let parent = spans[at].parent;
        match first.get(&parent) {
            _ if parent == 0 => roots.push(at),
            Some(parent) => children.entry(*parent).or_default().push(at),
            None => {
                findings.push((at, Finding::MissingParent(parent)));
                roots.push(at);
            }
        }
    }
    // Whoever is reached from a root is reached once: everybody has one parent.
    let mut open: Vec<(usize, i64, &str)> = roots.into_iter().map(|at| (at, 0, spans[at].host)).collect();
    while let Some((at, delta, host)) = open.pop() {
        for child in children.get(&at).into_iter().flatten() {
            let same_host = spans[*child].host == host && !host.is_empty();
            let delta = if same_host { delta } else { skew(&spans[*child], &spans[at]) };
            if delta != 0 {
                findings.push((*child, Finding::Skewed(delta)));
            }
            open.push((*child, delta, spans[*child].host));
        }
    }
    findings
}

/// How far a span would have to be moved to lie within its parent.
fn skew(child: &Timed<'_>, parent: &Timed<'_>) -> i64 {
    let ahead = parent.start.saturating_sub(child.start);
    if child.duration > parent.duration {
        return ahead.max(0);
    }
    let ends_within =
        child.start.saturating_add(child.duration) <= parent.start.saturating_add(parent.duration);
    if ahead <= 0 && ends_within {
        return 0;
    }
    // The way there and the way back are taken to be equally long.
    ahead.saturating_add((parent.duration - child.duration) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u64, parent: u64, start: i64, duration: i64, host: &str) -> Timed<'_> {
        Timed { id, parent, start, duration, host }
    }

    #[test]
    fn skew_is_found_between_hosts_only() {
        let check = |spans: &[Timed<'_>], expected: &[(usize, Finding)]| assert_eq!(find(spans), expected);
        check(&[span(1, 0, 100, 50, ""), span(2, 1, 110, 10, "")], &[]);
        check(&[span(1, 0, 100, 50, ""), span(2, 1, 90, 10, "")], &[(1, Finding::Skewed(30))]);
        check(&[span(1, 0, 100, 50, "a"), span(2, 1, 90, 10, "a")], &[]);
        check(&[span(1, 0, 100, 50, "a"), span(2, 1, 90, 60, "b")], &[(1, Finding::Skewed(10))]);
        check(&[span(1, 0, 100, 50, "a"), span(2, 1, 120, 60, "b")], &[]);
        check(&[span(1, 0, 100, 50, "a"), span(2, 1, 145, 10, "b")], &[(1, Finding::Skewed(-25))]);
        let child_inherits = [span(1, 0, 100, 50, "a"), span(2, 1, 90, 10, "b"), span(3, 2, 90, 10, "b")];
        check(&child_inherits, &[(1, Finding::Skewed(30)), (2, Finding::Skewed(30))]);
    }

    #[test]
    fn odd_trees_are_named_and_end() {
        let check = |spans: &[Timed<'_>], expected: &[(usize, Finding)]| assert_eq!(find(spans), expected);
        check(&[span(1, 9, 0, 1, "")], &[(0, Finding::MissingParent(9))]);
        check(&[span(1, 0, 0, 1, ""), span(1, 0, 0, 1, "")], &[(1, Finding::Duplicate)]);
        check(&[span(1, 1, 0, 1, "")], &[]);
        check(&[span(1, 2, 0, 1, ""), span(2, 1, 5, 1, "")], &[]);
    }
}
