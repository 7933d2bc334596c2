//! Which spans of a trace stay where some are equal in everything, as both APIs leave one of them.
//!
//! Input: the ids of the spans in their order, and whether two of them are equal. Output: an answer for each span. It removes none: what else
//! hangs on the places of spans is the caller's.

use std::collections::HashMap;
use std::hash::Hash;

/// Whether each span stays, in their order: all but those that an earlier one of the same id equals. `None` when no two have the same id.
pub(super) fn staying<I: Hash + Eq>(
    ids: impl ExactSizeIterator<Item = I>,
    is_equal: impl Fn(usize, usize) -> bool,
) -> Option<Vec<bool>> {
    let count = ids.len();
    let mut places: HashMap<I, Vec<usize>> = HashMap::with_capacity(count);
    for (at, id) in ids.enumerate() {
        places.entry(id).or_default().push(at);
    }
    if places.len() == count {
        return None;
    }
    let mut stays = vec![true; count];
    for same_id in places.values() {
        for (nth, at) in same_id.iter().enumerate() {
            let earlier = || same_id[..nth].iter().filter(|other| stays[**other]);
            stays[*at] = !earlier().any(|other| is_equal(*at, *other));
        }
    }
    Some(stays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_ones_the_first_stays() {
        let check = |spans: &[(u64, &str)], expected: Option<&[bool]>| {
            let ids = spans.iter().map(|(id, _)| *id);
            let stays = staying(ids, |a, b| spans[a].1 == spans[b].1);
            assert_eq!(stays.as_deref(), expected, "{spans:?}");
        };
        check(&[], None);
        check(&[(1, "a"), (2, "a")], None);
        check(&[(1, "a"), (1, "b")], Some(&[true, true]));
        check(&[(1, "a"), (2, "a"), (1, "a")], Some(&[true, true, false]));
        check(&[(1, "a"), (1, "b"), (1, "a"), (1, "b")], Some(&[true, true, false, false]));
    }
}
