//! Which series satisfy a set of matchers.
//!
//! Input: matchers and the [`Head`]'s postings. Output: slots in ascending order. The matcher with the fewest series
//! is taken from the postings first; the others narrow its result, each by its postings or, when fewer series are
//! left than there are postings to look at, by the labels of the series themselves.

use super::Head;
use tidewatch_model::Matcher;

/// Looking at a series' labels costs about as much as this many postings.
const LABELS_COST: usize = 16;

/// A matcher with the postings it means.
struct Candidate<'a> {
    matcher: &'a Matcher,
    lists: Vec<&'a [u32]>,
    total: usize,
}

impl Head {
    /// The slots of the series that satisfy all matchers.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Vec<u32> {
        let (required, optional): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| !m.matches_empty());
        let (cheap, costly): (Vec<_>, Vec<_>) =
            required.into_iter().partition(|m| !m.is_negative() && is_indexed(m));
        let mut cheap: Vec<Candidate<'_>> = cheap.into_iter().map(|m| self.candidate(m)).collect();
        cheap.sort_by_key(|c| c.total);
        let mut cheap = cheap.into_iter();
        let mut costly = costly.into_iter();
        let mut slots = match cheap.next().or_else(|| costly.next().map(|m| self.candidate(m))) {
            Some(first) => union(&first.lists),
            None => (0..self.slots()).filter(|slot| self.series(*slot).is_some()).collect(),
        };
        for candidate in cheap {
            if slots.len() * LABELS_COST < candidate.total {
                self.filter(&mut slots, candidate.matcher);
            } else {
                intersect(&mut slots, &union(&candidate.lists));
            }
        }
        for matcher in costly.chain(optional) {
            self.narrow(&mut slots, matcher);
        }
        slots
    }

    /// Narrows by a matcher whose postings are only known after a look at the label's values, or a negative one.
    fn narrow(&self, slots: &mut Vec<u32>, matcher: &Matcher) {
        if slots.len() <= self.postings().value_count(matcher.name()) {
            self.filter(slots, matcher);
        } else if matcher.matches_empty() {
            subtract(slots, &union(&self.lists(matcher, false)));
        } else {
            intersect(slots, &union(&self.lists(matcher, true)));
        }
    }

    fn filter(&self, slots: &mut Vec<u32>, matcher: &Matcher) {
        slots.retain(|slot| self.series(*slot).is_some_and(|s| matcher.matches_labels(s.labels())));
    }

    fn candidate<'a>(&'a self, matcher: &'a Matcher) -> Candidate<'a> {
        let lists = self.lists(matcher, true);
        let total = lists.iter().map(|l| l.len()).sum();
        Candidate { matcher, lists, total }
    }

    /// The postings of the values for which the matcher says `wanted`.
    fn lists<'a>(&'a self, matcher: &Matcher, wanted: bool) -> Vec<&'a [u32]> {
        let (postings, name) = (self.postings(), matcher.name());
        // Choices and prefixes are those of the expression without its negation.
        let plain = wanted != matcher.is_negative();
        match (matcher.choices(), matcher.prefix()) {
            (Some(choices), _) if plain => choices.iter().map(|v| postings.series(name, v)).collect(),
            (_, Some(prefix)) if plain => postings.values_with_prefix(name, prefix).map(|(_, s)| s).collect(),
            _ => {
                postings.values(name).filter(|(v, _)| matcher.matches(v) == wanted).map(|(_, s)| s).collect()
            }
        }
    }
}

fn is_indexed(matcher: &Matcher) -> bool {
    matcher.choices().is_some() || matcher.prefix().is_some()
}

/// All slots of lists that have none in common.
fn union(lists: &[&[u32]]) -> Vec<u32> {
    let mut all = lists.concat();
    if lists.len() > 1 {
        all.sort_unstable();
    }
    all
}

fn intersect(slots: &mut Vec<u32>, other: &[u32]) {
    let mut rest = other;
    slots.retain(|slot| {
        rest = &rest[rest.partition_point(|o| o < slot)..];
        rest.first() == Some(slot)
    });
}

fn subtract(slots: &mut Vec<u32>, other: &[u32]) {
    let mut rest = other;
    slots.retain(|slot| {
        rest = &rest[rest.partition_point(|o| o < slot)..];
        rest.first() != Some(slot)
    });
}

#[cfg(test)]
mod tests {
    use super::super::Series;
    use super::*;
    use proptest::prelude::*;
    use tidewatch_model::{Labels, MatchOp};

    fn head() -> Head {
        let mut head = Head::default();
        for i in 0..300usize {
            let mut pairs = vec![("__name__", format!("m{}", i % 3)), ("i", format!("{i:03}"))];
            if i % 2 == 0 {
                pairs.push(("even", if i % 4 == 0 { "four".into() } else { "two".into() }));
            }
            head.insert(Series::new(i as u64 + 1, Labels::from_pairs(pairs)));
        }
        head
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        let names = prop_oneof![Just("__name__"), Just("i"), Just("even"), Just("none")];
        let values = prop_oneof![
            Just(""),
            Just("m0"),
            Just("m1|m2"),
            Just("m.*"),
            Just("m.+"),
            Just(".*"),
            Just(".+"),
            Just("0.."),
            Just("01.*"),
            Just("two"),
            Just("two|"),
            Just("four|two"),
            Just("007|100"),
            Just("f.*|"),
        ];
        let ops = prop_oneof![
            Just(MatchOp::Equal),
            Just(MatchOp::NotEqual),
            Just(MatchOp::Regex),
            Just(MatchOp::NotRegex)
        ];
        (names, ops, values).prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn finds_what_a_look_at_every_series_finds(matchers in proptest::collection::vec(matcher(), 0..4)) {
            let head = head();
            let expected: Vec<u32> = (0..head.slots()).filter(|slot| {
                matchers.iter().all(|m| m.matches_labels(head.series(*slot).unwrap().labels()))
            }).collect();
            prop_assert_eq!(head.matching(&matchers), expected, "{:?}", matchers);
        }
    }
}
