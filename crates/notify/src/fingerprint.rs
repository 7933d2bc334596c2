//! The names and the order of label sets, as Alertmanager has them.
//!
//! Input: labels. Output: the 64-bit fingerprint that the API shows and the notification log keeps (FNV-1a, the same in every build),
//! the order of alerts in a notification, and the text of a group's labels that is part of its key.

use std::cmp::Ordering;
use tidewatch_model::Labels;
use tidewatch_template::{Value, sprintf};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// Separates names and values; no text holds it.
const SEPARATOR: u8 = 0xff;

/// The fingerprint of labels, as Prometheus's libraries compute it.
pub fn fingerprint(labels: &Labels) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    labels.iter().fold(OFFSET, |hash, (name, value)| {
        let hash = add(name.as_bytes().iter().fold(hash, add), &SEPARATOR);
        add(value.as_bytes().iter().fold(hash, add), &SEPARATOR)
    })
}

/// The fingerprint as the API shows it: 16 hexadecimal digits.
pub(crate) fn fingerprint_text(labels: &Labels) -> String {
    format!("{:016x}", fingerprint(labels))
}

/// The order of label sets: fewer labels first, then by the first name that only one has, then by value.
pub(crate) fn compare_labels(a: &Labels, b: &Labels) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| {
        for ((name_a, value_a), (name_b, value_b)) in a.iter().zip(b) {
            // who lacks a name comes first
            let order = name_b.cmp(name_a).then_with(|| value_a.cmp(value_b));
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    })
}

/// The order of alerts in a notification: by job, by instance, then by all labels; who lacks one of the two comes last.
pub(crate) fn compare_alerts(a: &Labels, b: &Labels) -> Ordering {
    for name in ["job", "instance"] {
        let order = match (a.get(name), b.get(name)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    compare_labels(a, b)
}

/// Labels as a group's key shows them: `{alertname="X", job="y"}`.
pub(crate) fn shown(labels: &Labels) -> String {
    let quoted = |value: &str| sprintf("%q", &[Value::text(value)]);
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    /// What Alertmanager 0.34.2 answered for an alert with these labels.
    #[test]
    fn fingerprints_are_alertmanagers() {
        let check = |pairs: &[(&str, &str)], expected: &str| {
            assert_eq!(fingerprint_text(&labels(pairs)), expected, "{pairs:?}");
        };
        check(&[], "cbf29ce484222325");
        check(
            &[("alertname", "HighLatency"), ("instance", "web-1"), ("severity", "critical")],
            "2316cc4d914cafe3",
        );
        check(&[("alertname", "Ünï"), ("job", "a")], "89a19e8d4ceed761");
    }

    #[test]
    fn alerts_are_in_order() {
        let check = |a: &[(&str, &str)], b: &[(&str, &str)], expected| {
            assert_eq!(compare_alerts(&labels(a), &labels(b)), expected, "{a:?} {b:?}");
            assert_eq!(compare_alerts(&labels(b), &labels(a)), expected.reverse(), "{b:?} {a:?}");
        };
        check(&[("job", "a"), ("x", "9")], &[("job", "b")], Ordering::Less);
        check(&[("x", "1")], &[("job", "b")], Ordering::Greater);
        check(&[("job", "a"), ("instance", "2")], &[("job", "a"), ("instance", "1")], Ordering::Greater);
        check(&[("x", "1")], &[("a", "1"), ("b", "1")], Ordering::Less);
        check(&[("x", "1")], &[("a", "1")], Ordering::Less);
        check(&[("x", "1")], &[("x", "2")], Ordering::Less);
        check(&[("x", "1")], &[("x", "1")], Ordering::Equal);
    }

    #[test]
    fn labels_are_shown_as_go_quotes_them() {
        assert_eq!(shown(&labels(&[("b", "x\n\"é"), ("a", "1")])), "{a=\"1\", b=\"x\\n\\\"é\"}");
        assert_eq!(shown(&Labels::empty()), "{}");
    }
}
