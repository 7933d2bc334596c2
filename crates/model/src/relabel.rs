//! Relabeling: rules that rewrite, keep or drop label sets.
//!
//! Input: a label set on its way from discovery to a target, or from a scrape to the store. Output: the changed set,
//! or nothing when a rule drops it. Same semantics as Prometheus's `relabel_configs` (its configuration reference).

use crate::LabelsBuilder;
use crate::re2::{AnchoredRegex, RegexError};
use md5::{Digest, Md5};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelabelAction {
    /// Sets the target label to the expanded replacement when the expression matches.
    Replace,
    /// Drops label sets that the expression does not match.
    Keep,
    /// Drops label sets that the expression matches.
    Drop,
    /// Drops label sets whose source differs from the target label's value.
    KeepEqual,
    /// Drops label sets whose source equals the target label's value.
    DropEqual,
    /// Sets the target label to the modulus of a hash of the source.
    HashMod,
    /// Copies labels whose names match to the expanded replacement as name.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets the target label to the source in lower case.
    Lowercase,
    /// Sets the target label to the source in upper case.
    Uppercase,
}

impl RelabelAction {
    /// The action of a name, in Prometheus's spelling (`labelmap`) or the operator's (`LabelMap`).
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "replace" => Self::Replace,
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            "keepequal" => Self::KeepEqual,
            "dropequal" => Self::DropEqual,
            "hashmod" => Self::HashMod,
            "labelmap" => Self::LabelMap,
            "labeldrop" => Self::LabelDrop,
            "labelkeep" => Self::LabelKeep,
            "lowercase" => Self::Lowercase,
            "uppercase" => Self::Uppercase,
            _ => return None,
        })
    }
}

/// One checked rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelabelRule {
    source_labels: Vec<String>,
    separator: String,
    regex: AnchoredRegex,
    modulus: u64,
    target_label: String,
    replacement: String,
    action: RelabelAction,
}

/// A rule that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelabelError {
    /// The expression does not compile.
    #[error(transparent)]
    Regex(#[from] RegexError),
    /// The action needs a target label.
    #[error("relabel action {0:?} needs a target label")]
    MissingTargetLabel(RelabelAction),
    /// `hashmod` without a modulus.
    #[error("relabel action HashMod needs a modulus above 0")]
    MissingModulus,
}

impl RelabelRule {
    /// A rule; absent settings take Prometheus's defaults: separator `;`, expression `(.*)`, replacement `$1`.
    ///
    /// # Errors
    /// When the expression does not compile or the action lacks what it needs.
    pub fn new(
        action: RelabelAction,
        source_labels: Vec<String>,
        separator: Option<String>,
        regex: Option<&str>,
        modulus: Option<u64>,
        target_label: Option<String>,
        replacement: Option<String>,
    ) -> Result<Self, RelabelError> {
        use RelabelAction::{DropEqual, HashMod, KeepEqual, Lowercase, Replace, Uppercase};
        let target_label = target_label.unwrap_or_default();
        let needs_target =
            matches!(action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual);
        if needs_target && target_label.is_empty() {
            return Err(RelabelError::MissingTargetLabel(action));
        }
        if action == HashMod && modulus.unwrap_or_default() == 0 {
            return Err(RelabelError::MissingModulus);
        }
        Ok(Self {
            source_labels,
            separator: separator.unwrap_or_else(|| ";".to_owned()),
            regex: AnchoredRegex::new(regex.unwrap_or("(.*)"))?,
            modulus: modulus.unwrap_or_default(),
            target_label,
            replacement: replacement.unwrap_or_else(|| "$1".to_owned()),
            action,
        })
    }

    /// A rule that copies the source labels, joined by `;`, to a target label where `regex` matches.
    ///
    /// # Errors
    /// When the expression does not compile.
    pub fn replace(
        source: &[&str],
        regex: &str,
        target: &str,
        replacement: &str,
    ) -> Result<Self, RelabelError> {
        let source = source.iter().map(|s| (*s).to_owned()).collect();
        let (target, replacement) = (Some(target.to_owned()), Some(replacement.to_owned()));
        Self::new(RelabelAction::Replace, source, None, Some(regex), None, target, replacement)
    }

    /// A rule that keeps label sets whose source labels, joined by `;`, match.
    ///
    /// # Errors
    /// When the expression does not compile.
    pub fn keep(source: &[&str], regex: &str) -> Result<Self, RelabelError> {
        let source = source.iter().map(|s| (*s).to_owned()).collect();
        Self::new(RelabelAction::Keep, source, None, Some(regex), None, None, None)
    }

    fn source(&self, labels: &LabelsBuilder) -> String {
        let mut joined = String::new();
        for (at, name) in self.source_labels.iter().enumerate() {
            if at > 0 {
                joined.push_str(&self.separator);
            }
            joined.push_str(labels.get(name).unwrap_or_default());
        }
        joined
    }

    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        let source = self.source(labels);
        let target = labels.get(&self.target_label).unwrap_or_default();
        match self.action {
            RelabelAction::Keep => return self.regex.is_match(&source),
            RelabelAction::Drop => return !self.regex.is_match(&source),
            RelabelAction::KeepEqual => return target == source,
            RelabelAction::DropEqual => return target != source,
            RelabelAction::Replace => self.apply_replace(&source, labels),
            RelabelAction::Lowercase => {
                labels.set(self.target_label.as_str(), source.to_lowercase());
            }
            RelabelAction::Uppercase => {
                labels.set(self.target_label.as_str(), source.to_uppercase());
            }
            RelabelAction::HashMod => {
                labels
                    .set(self.target_label.as_str(), (md5_low(source.as_bytes()) % self.modulus).to_string());
            }
            RelabelAction::LabelMap => self.apply_label_map(labels),
            RelabelAction::LabelDrop => {
                labels.retain(|name, _| !self.regex.is_match(name));
            }
            RelabelAction::LabelKeep => {
                labels.retain(|name, _| self.regex.is_match(name));
            }
        }
        true
    }

    fn apply_replace(&self, source: &str, labels: &mut LabelsBuilder) {
        let Some(target) = self.regex.expand(source, &self.target_label) else { return };
        if target.is_empty() {
            return;
        }
        let value = self.regex.expand(source, &self.replacement).unwrap_or_default();
        labels.set(target, value);
    }

    fn apply_label_map(&self, labels: &mut LabelsBuilder) {
        let copies: Vec<(String, String)> = labels
            .iter()
            .filter_map(|(name, value)| Some((self.regex.expand(name, &self.replacement)?, value.to_owned())))
            .collect();
        for (name, value) in copies {
            labels.set(name, value);
        }
    }
}

/// Applies rules in order. Returns `false` when one of them drops the label set.
pub fn relabel(labels: &mut LabelsBuilder, rules: &[RelabelRule]) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

/// The low 64 bits, big endian, of the MD5 of `bytes`: what Prometheus takes for `hashmod`, so that targets fall
/// into the same shard here and there.
fn md5_low(bytes: &[u8]) -> u64 {
    let digest = Md5::digest(bytes);
    digest[8..].iter().fold(0, |low, byte| low << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;

    fn rule(action: &str, source: &[&str], regex: &str, target: &str, replacement: &str) -> RelabelRule {
        RelabelRule::new(
            RelabelAction::from_name(action).unwrap(),
            source.iter().map(|s| (*s).to_owned()).collect(),
            None,
            Some(regex),
            Some(8),
            Some(target.to_owned()),
            Some(replacement.to_owned()),
        )
        .unwrap()
    }

    fn check(rule: &RelabelRule, input: &[(&str, &str)], expected: Option<&[(&str, &str)]>) {
        let mut labels = Labels::from_pairs(input.iter().copied()).to_builder();
        let kept = relabel(&mut labels, std::slice::from_ref(rule));
        let expected = expected.map(|pairs| Labels::from_pairs(pairs.iter().copied()));
        assert_eq!(kept.then(|| labels.build()), expected, "{rule:?}");
    }

    #[test]
    fn rules_do_what_prometheus_documents() {
        let ab: &[(&str, &str)] = &[("a", "foo"), ("b", "bar")];
        check(
            &rule("replace", &["a", "b"], "f(.*);(.*)r", "c", "$1-${2}"),
            ab,
            Some(&[("a", "foo"), ("b", "bar"), ("c", "oo-ba")]),
        );
        check(&rule("replace", &["a"], "x", "a", "y"), ab, Some(ab));
        check(&rule("replace", &["a"], "f.*", "b", ""), ab, Some(&[("a", "foo")]));
        check(
            &rule("Replace", &["a"], "(f).*", "${1}_x", "1"),
            ab,
            Some(&[("a", "foo"), ("b", "bar"), ("f_x", "1")]),
        );
        check(&rule("keep", &["a"], "fo+", "", ""), ab, Some(ab));
        check(&rule("keep", &["a"], "fo", "", ""), ab, None);
        check(&rule("drop", &["a"], "foo", "", ""), ab, None);
        check(&rule("keepequal", &["a"], "", "b", ""), ab, None);
        check(&rule("dropequal", &["a"], "", "b", ""), ab, Some(ab));
        check(&rule("labeldrop", &[], "a", "", ""), ab, Some(&[("b", "bar")]));
        check(&rule("labelkeep", &[], "a", "", ""), ab, Some(&[("a", "foo")]));
        check(
            &rule("LabelMap", &[], "(a)", "", "__$1"),
            ab,
            Some(&[("__a", "foo"), ("a", "foo"), ("b", "bar")]),
        );
        check(&rule("uppercase", &["a"], "(.*)", "a", ""), ab, Some(&[("a", "FOO"), ("b", "bar")]));
    }

    #[test]
    fn md5_is_that_of_the_rfc() {
        // RFC 1321, A.5: MD5 ("abc") = 900150983cd24fb0d6963f7d28e17f72
        assert_eq!(md5_low(b"abc"), 0xd696_3f7d_28e1_7f72);
    }

    #[test]
    fn incomplete_rules_are_refused() {
        let error =
            RelabelRule::new(RelabelAction::Replace, vec![], None, None, None, None, None).unwrap_err();
        assert_eq!(error.to_string(), "relabel action Replace needs a target label");
        let error = RelabelRule::keep(&["a"], "(").unwrap_err();
        assert_eq!(error.to_string(), "invalid regular expression \"(\": unclosed group");
    }
}
