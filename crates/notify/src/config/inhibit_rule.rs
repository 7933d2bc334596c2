//! Rules by which an alert inhibits others.
//!
//! Input: an entry of `inhibit_rules`. Output: an [`InhibitRule`]; mistakes go to the report of the fields.

use super::matchers_field;
use crate::matchers::{Matchers, is_label_name};
use tidewatch_manifest::reading::{self, Fields};

/// While an alert that matches the source fires, those that match the target and have equal labels are not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InhibitRule {
    /// Its name; may be empty.
    pub name: String,
    /// Which alerts inhibit.
    pub source_matchers: Matchers,
    /// Which alerts are inhibited.
    pub target_matchers: Matchers,
    /// The labels that both must have with equal values, or lack.
    pub equal: Vec<String>,
}

impl InhibitRule {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let equal = reading::texts(fields, "equal");
        for (index, name) in equal.iter().enumerate().filter(|(_, name)| !is_label_name(name)) {
            fields.wrong_item("equal", index, format!("invalid label name {name:?} in equal list"), "");
        }
        Self {
            name: reading::text(fields, "name").unwrap_or_default(),
            source_matchers: matchers_field::read(
                fields,
                ["source_match", "source_match_re", "source_matchers"],
            ),
            target_matchers: matchers_field::read(
                fields,
                ["target_match", "target_match_re", "target_matchers"],
            ),
            equal,
        }
    }
}
