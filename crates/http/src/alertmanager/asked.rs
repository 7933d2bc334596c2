//! What a read asks for.
//!
//! Input: the parameters of a call. Output: filters, or what is wrong in Alertmanager's words. A flag is anything: what is not one of a few
//! words for yes means no. Of a parameter that is there for one value the last one holds.

use super::reply::Refusal;
use crate::parameters::Parameters;
use tidewatch_model::{AnchoredRegex, Matcher};
use tidewatch_notify::{AlertFilter, GroupFilter, SilenceFilter, parse_matcher};

/// Words for yes, in any case.
const YES: [&str; 10] = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];

fn last<'a>(asked: &'a Parameters, name: &'a str) -> &'a str {
    asked.all(name).last().unwrap_or_default()
}

/// A flag that is set by default.
fn flag(asked: &Parameters, name: &str) -> bool {
    let text = last(asked, name);
    text.is_empty() || YES.iter().any(|yes| text.eq_ignore_ascii_case(yes))
}

fn matchers(asked: &Parameters, name: &str) -> Result<Vec<Matcher>, String> {
    asked.all(name).map(parse_matcher).collect()
}

/// Matchers of the labels of receivers.
pub(super) fn receiver_matchers(asked: &Parameters) -> Result<Vec<Matcher>, Refusal> {
    let wrong = |error| Refusal::bad(format!("failed to parse receiver_matchers param: {error}"));
    matchers(asked, "receiver_matchers").map_err(wrong)
}

pub(super) fn alerts(asked: &Parameters) -> Result<AlertFilter, Refusal> {
    let matchers = matchers(asked, "filter").map_err(Refusal::bad)?;
    let receiver = match last(asked, "receiver") {
        "" => None,
        pattern => {
            let wrong = |error| Refusal::bad(format!("failed to parse receiver param: {error}"));
            Some(AnchoredRegex::new(pattern).map_err(wrong)?)
        }
    };
    Ok(AlertFilter {
        matchers,
        receiver,
        receiver_matchers: receiver_matchers(asked)?,
        active: flag(asked, "active"),
        silenced: flag(asked, "silenced"),
        inhibited: flag(asked, "inhibited"),
    })
}

pub(super) fn groups(asked: &Parameters) -> Result<GroupFilter, Refusal> {
    Ok(GroupFilter { alerts: alerts(asked)?, muted: flag(asked, "muted") })
}

pub(super) fn silences(asked: &Parameters) -> Result<SilenceFilter, Refusal> {
    Ok(SilenceFilter {
        matchers: matchers(asked, "filter").map_err(Refusal::bad)?,
        active: flag(asked, "active"),
        pending: flag(asked, "pending"),
        expired: flag(asked, "expired"),
    })
}
