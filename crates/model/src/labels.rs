//! Label sets: sorted name–value pairs in one shared allocation.
//!
//! Input: names and values from scrapes, rules, queries. Output: a [`Labels`] that is cheap to clone, hash and
//! compare. It does not check that names are legal for a given exposition format: see [`is_valid_label_name`].

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Marks a length of four further bytes of seven bits each; shorter lengths are one byte.
const LONG: u8 = 0x7f;

/// An immutable label set, sorted by name, without empty values.
///
/// One allocation shared by all clones: each string is preceded by its length. Lengths are written in bytes below
/// 0x80, so the whole stays valid UTF-8 and reading needs neither `unsafe` nor a check of the text:
///
/// ```text
/// | len name | name … | len value | value … | len name | …      len: 0x00–0x7e, or 0x7f + 4 × 7 bits
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Labels(Arc<str>);

impl Labels {
    /// The label set without labels.
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// A label set from pairs in any order; empty values are left out, the last of equal names holds.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// A label set from pairs already sorted by name, unique and without empty values.
    ///
    /// # Panics
    /// In debug builds, when the pairs are not in strictly ascending order of their names.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut packed = String::new();
        let mut previous: Option<&str> = None;
        for (name, value) in pairs {
            debug_assert!(
                previous.is_none_or(|p| p < name),
                "label names not ascending: {previous:?}, {name:?}"
            );
            previous = Some(name);
            push_text(&mut packed, name);
            push_text(&mut packed, value);
        }
        Self(Arc::from(packed))
    }

    /// The value of a label, if it is present.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The metric's name (`__name__`), if there is one.
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// The pairs in ascending order of names.
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter(&self.0)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A 64-bit hash of the pairs, stable within one build of the program and so for process-local tables only.
    pub fn hash64(&self) -> u64 {
        foldhash::fast::FixedState::default().hash_one(self.0.as_bytes())
    }

    /// The pairs whose names are in `names`, which must be sorted.
    pub fn keep(&self, names: &[impl AsRef<str>]) -> Self {
        Self::from_sorted(self.iter().filter(|(n, _)| contains(names, n)))
    }

    /// The pairs whose names are not in `names`, which must be sorted.
    pub fn drop(&self, names: &[impl AsRef<str>]) -> Self {
        Self::from_sorted(self.iter().filter(|(n, _)| !contains(names, n)))
    }

    /// The same labels without the metric's name.
    pub fn without_name(&self) -> Self {
        if self.metric_name().is_none() {
            return self.clone();
        }
        Self::from_sorted(self.iter().filter(|(n, _)| *n != METRIC_NAME))
    }

    /// A builder that starts with these labels.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }

    /// Bytes of the shared allocation.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }
}

fn contains(sorted: &[impl AsRef<str>], name: &str) -> bool {
    sorted.binary_search_by(|n| n.as_ref().cmp(name)).is_ok()
}

fn push_text(packed: &mut String, text: &str) {
    let length = text.len();
    if length < usize::from(LONG) {
        packed.push(char::from(length as u8));
    } else {
        assert!(length < 1 << 28, "a label of {length} bytes is longer than 256 MiB");
        packed.push(char::from(LONG));
        for shift in [0, 7, 14, 21] {
            packed.push(char::from(((length >> shift) & 0x7f) as u8));
        }
    }
    packed.push_str(text);
}

fn split_text(packed: &str) -> (&str, &str) {
    let bytes = packed.as_bytes();
    let (start, length) = if bytes[0] < LONG {
        (1, usize::from(bytes[0]))
    } else {
        let length = bytes[1..5].iter().rev().fold(0, |acc, b| (acc << 7) | usize::from(*b));
        (5, length)
    };
    packed[start..].split_at(length)
}

/// The pairs of a label set in ascending order of names.
#[derive(Clone)]
pub struct LabelsIter<'a>(&'a str);

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (name, rest) = split_text(self.0);
        let (value, rest) = split_text(rest);
        self.0 = rest;
        Some((name, value))
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;

    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl Ord for Labels {
    /// Pair by pair, names before values, the shorter set first: the order in which query results are listed.
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Labels {
    /// PromQL's own notation: `name{a="x", b="y"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        let plain_name = name.filter(|n| is_valid_metric_name(n));
        f.write_str(plain_name.unwrap_or_default())?;
        let mut separator = "{";
        for (name, value) in self.iter().filter(|(n, _)| *n != METRIC_NAME || plain_name.is_none()) {
            if is_valid_label_name(name) {
                write!(f, "{separator}{name}={value:?}")?;
            } else {
                write!(f, "{separator}{name:?}={value:?}")?;
            }
            separator = ", ";
        }
        match (separator, plain_name) {
            ("{", Some(_)) => Ok(()),
            ("{", None) => f.write_str("{}"),
            _ => f.write_str("}"),
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Labels {
    /// A map from names to values, as every Prometheus API writes a metric.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Changes to a label set before it is packed. Pairs are kept sorted; setting an empty value removes the label.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it, as an empty label and an absent one are the same in Prometheus.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(&name)) {
            Ok(at) if value.is_empty() => {
                self.pairs.remove(at);
            }
            Ok(at) => self.pairs[at].1 = value,
            Err(_) if value.is_empty() => {}
            Err(at) => self.pairs.insert(at, (name, value)),
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    /// Keeps the labels for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        self.pairs.retain(|(n, v)| keep(n, v));
        self
    }

    /// The value of a label, if it is present.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok()?;
        Some(&self.pairs[at].1)
    }

    /// The pairs in ascending order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Removes all labels and keeps the memory.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// The packed label set.
    pub fn build(&self) -> Labels {
        Labels::from_sorted(self.iter())
    }
}

/// Whether a name is legal for a label in the classic syntax: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_valid_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a name is legal for a metric in the classic syntax: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_valid_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn prints_as_promql() {
        let check = |pairs: &[(&str, &str)], expected: &str| {
            assert_eq!(Labels::from_pairs(pairs.iter().copied()).to_string(), expected);
        };
        check(&[], "{}");
        check(&[("__name__", "up")], "up");
        check(&[("__name__", "up"), ("job", "a\"b")], "up{job=\"a\\\"b\"}");
        check(&[("b", "2"), ("a", "1"), ("c", "")], "{a=\"1\", b=\"2\"}");
        check(
            &[("__name__", "http.requests"), ("k8s.pod", "x")],
            "{__name__=\"http.requests\", \"k8s.pod\"=\"x\"}",
        );
    }

    #[test]
    fn sets_are_projected_by_name() {
        let labels = Labels::from_pairs([("__name__", "m"), ("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(labels.keep(&["a", "c"]), Labels::from_pairs([("a", "1"), ("c", "3")]));
        assert_eq!(labels.drop(&["__name__", "b"]), Labels::from_pairs([("a", "1"), ("c", "3")]));
        assert_eq!(labels.without_name().metric_name(), None);
    }

    proptest! {
        #[test]
        fn packing_keeps_every_pair(pairs in proptest::collection::btree_map("[a-zé]{1,200}", "\\PC{1,300}", 0..12)) {
            let labels = Labels::from_pairs(pairs.clone());
            let back: BTreeMap<String, String> = labels.iter().map(|(n, v)| (n.into(), v.into())).collect();
            prop_assert_eq!(&back, &pairs);
            for (name, value) in &pairs {
                prop_assert_eq!(labels.get(name), Some(value.as_str()));
            }
            prop_assert_eq!(labels.to_builder().build(), labels);
        }

        #[test]
        fn order_is_that_of_the_pairs(
            a in proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{1,2}", 0..4),
            b in proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{1,2}", 0..4),
        ) {
            let expected = a.iter().cmp(b.iter());
            prop_assert_eq!(Labels::from_pairs(a).cmp(&Labels::from_pairs(b)), expected);
        }
    }
}
