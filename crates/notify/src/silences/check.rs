//! What a silence must be.
//!
//! Input: a silence with its start. Output: nothing, or what is wrong in Alertmanager's words.

use super::Silence;
use crate::matchers::is_label_name;

pub(super) fn check(silence: &Silence, now: i64) -> Result<(), String> {
    if silence.starts_at >= silence.ends_at {
        return Err("Failed to create silence: start time must be before end time".to_owned());
    }
    if silence.ends_at < now {
        return Err("Failed to create silence: end time can't be in the past".to_owned());
    }
    if silence.matchers.is_empty() {
        return Err("invalid silence: matcher set 0 is empty".to_owned());
    }
    for (index, matcher) in silence.matchers.iter().enumerate() {
        if !is_label_name(matcher.name()) {
            let name = matcher.name();
            return Err(format!(
                "invalid silence: invalid label matcher {index} in set 0: invalid label name {name:?}"
            ));
        }
    }
    // a negative matcher that holds for the empty value does not count as matching it, as in Alertmanager
    if silence.matchers.iter().all(|matcher| !matcher.is_negative() && matcher.matches_empty()) {
        let message = "invalid silence: matcher set 0: at least one matcher must not match the empty string";
        return Err(message.to_owned());
    }
    Ok(())
}
