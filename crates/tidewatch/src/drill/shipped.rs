//! The alerts that the manifests ship, with the windows that say how long they take.
//!
//! Input: `tidewatch.yaml`. Output: a rule each. Nothing is evaluated.

use super::registry::Entry;
use super::shorten::Shortening;
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_config::{UpInput, up_spec};

/// The longest range that says something of how soon an alert fires: a longer one fires by what is in it.
const LONGEST_TO_FIRE: Duration = Duration::from_secs(30 * 60);
/// The longest range that says something of how soon an alert ends.
const LONGEST_TO_END: Duration = Duration::from_secs(6 * 3600);
/// Scrapes, evaluations and looks until a change is seen.
const TO_BE_SEEN: Duration = Duration::from_secs(5 * 60);

/// An alerting rule.
#[derive(Clone, Debug)]
pub(crate) struct ShippedRule {
    pub(crate) alert: String,
    /// Those of the rule; those of its expression's result are not known before.
    pub(crate) labels: BTreeMap<String, String>,
    holds_for: Duration,
    keeps_firing_for: Duration,
    ranges: Vec<Duration>,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Shipped {
    pub(crate) rules: Vec<ShippedRule>,
}

impl Shipped {
    /// Those of the manifests that a settings file names.
    ///
    /// # Errors
    /// When there is nothing to run, or the file cannot be read.
    pub(crate) fn of(settings: &Path) -> Result<Self, Failure> {
        let input = UpInput { settings: Some(PathBuf::from(settings)), ..UpInput::default() };
        let spec = up_spec(&input).map_err(|error| Failure::from_error(&error))?;
        let groups = spec.manifests.prometheus_rules.iter().flat_map(|object| &object.groups);
        let rules = groups.flat_map(|group| &group.rules).filter_map(|rule| {
            Some(ShippedRule {
                alert: rule.alert.clone()?,
                labels: rule.labels.clone(),
                holds_for: rule.hold_for,
                keeps_firing_for: rule.keep_firing_for,
                ranges: tidewatch_promql::parse(&rule.expr).map(|read| read.ranges()).unwrap_or_default(),
            })
        });
        Ok(Self { rules: rules.collect() })
    }

    /// The rule of an entry.
    pub(crate) fn rule(&self, entry: &Entry) -> Option<&ShippedRule> {
        self.rules.iter().find(|rule| rule.is_of(entry))
    }
}

impl ShippedRule {
    /// Whether an entry is about an alert of this rule: none of its labels contradicts.
    pub(crate) fn is_of(&self, entry: &Entry) -> bool {
        let agrees = |(name, value): &(&str, &str)| self.labels.get(*name).is_none_or(|own| own == value);
        self.alert == entry.alert && entry.labels.iter().all(agrees)
    }

    /// How long after its cause it may take to be delivered.
    pub(crate) fn to_fire(&self, shortening: Shortening, waits: Duration, patience: Duration) -> Duration {
        let range = self.longest_range().min(LONGEST_TO_FIRE);
        shortening.window(self.holds_for + range + TO_BE_SEEN + waits) * 2 + patience
    }

    /// How long after its cause's end its end may take to be delivered.
    pub(crate) fn to_end(&self, shortening: Shortening, waits: Duration, patience: Duration) -> Duration {
        let range = self.longest_range().min(LONGEST_TO_END);
        shortening.window(self.keeps_firing_for + range + TO_BE_SEEN + waits) * 2 + patience
    }

    fn longest_range(&self) -> Duration {
        self.ranges.iter().copied().max().unwrap_or_default()
    }
}
