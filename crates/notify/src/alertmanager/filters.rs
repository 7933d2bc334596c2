//! What the API asks for: some alerts, groups or silences of all.
//!
//! Input: parameters of a request. Output: whether something is among what is asked for. By default everything is.

use crate::silences::{Silence, SilenceState};
use tidewatch_model::{AnchoredRegex, MatchOp, Matcher};

/// Which alerts are asked for.
#[derive(Clone, Debug)]
pub struct AlertFilter {
    /// Matchers of their labels, all of which have to hold.
    pub matchers: Vec<Matcher>,
    /// The receivers they go to.
    pub receiver: Option<AnchoredRegex>,
    /// Matchers of the labels of these receivers.
    pub receiver_matchers: Vec<Matcher>,
    /// With those that are told.
    pub active: bool,
    /// With those that are silenced.
    pub silenced: bool,
    /// With those that are inhibited.
    pub inhibited: bool,
}

impl Default for AlertFilter {
    fn default() -> Self {
        let (matchers, receiver_matchers) = (Vec::new(), Vec::new());
        Self { matchers, receiver: None, receiver_matchers, active: true, silenced: true, inhibited: true }
    }
}

/// Which groups are asked for.
#[derive(Clone, Debug)]
pub struct GroupFilter {
    /// Which of their alerts; groups without any are left out.
    pub alerts: AlertFilter,
    /// With those that are muted by a time interval.
    pub muted: bool,
}

impl Default for GroupFilter {
    fn default() -> Self {
        Self { alerts: AlertFilter::default(), muted: true }
    }
}

/// Which silences are asked for.
#[derive(Clone, Debug)]
pub struct SilenceFilter {
    /// Matchers that they have as they are.
    pub matchers: Vec<Matcher>,
    /// With those that hold.
    pub active: bool,
    /// With those that will hold.
    pub pending: bool,
    /// With those that are over.
    pub expired: bool,
}

impl Default for SilenceFilter {
    fn default() -> Self {
        Self { matchers: Vec::new(), active: true, pending: true, expired: true }
    }
}

impl SilenceFilter {
    pub(super) fn has(&self, silence: &Silence, now: i64) -> bool {
        let state_wanted = match silence.state(now) {
            SilenceState::Active => self.active,
            SilenceState::Pending => self.pending,
            SilenceState::Expired => self.expired,
        };
        state_wanted && self.matchers.iter().all(|matcher| silence.matchers.contains(matcher))
    }
}

/// Whether values satisfy matchers as Alertmanager's API has it: `a=""` asks for those without `a`, `a!=""` for those with it.
pub(super) fn matches<'a>(matchers: &[Matcher], value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
    matchers.iter().all(|matcher| {
        let value = value_of(matcher.name());
        let negative = matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        let by_presence = matcher.value().is_empty() && value.is_some() == negative;
        by_presence || matcher.matches(value.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matchers::parse_matchers;

    #[test]
    fn filters_look_at_values() {
        let check = |text: &str, expected: bool| {
            let matchers = parse_matchers(text).unwrap();
            let value_of = |name: &str| (name == "a").then_some("1");
            assert_eq!(matches(&matchers, value_of), expected, "{text}");
        };
        check("a=1", true);
        check("a=2", false);
        check("a=\"\"", false);
        check("b=\"\"", true);
        check("a!=\"\"", true);
        check("b!=\"\"", false);
        check("b!=x", true);
        check("a=~\"[0-9]\"", true);
    }

    #[test]
    fn silences_are_found_by_state_and_matchers_as_written() {
        let silence = Silence {
            matchers: parse_matchers("a=1,b=~x").unwrap(),
            starts_at: 5,
            ends_at: 9,
            ..Silence::default()
        };
        let check = |text: &str, now: i64, active: bool, expected: bool| {
            let filter =
                SilenceFilter { matchers: parse_matchers(text).unwrap(), active, ..SilenceFilter::default() };
            assert_eq!(filter.has(&silence, now), expected, "{text} {now}");
        };
        check("", 7, true, true);
        check("", 7, false, false);
        check("", 9, false, true);
        check("a=1", 7, true, true);
        check("a=~1", 7, true, false);
        check("b=~x,a=1", 7, true, true);
        check("c=1", 7, true, false);
    }
}
