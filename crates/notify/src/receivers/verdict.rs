//! What an answer means: delivered, to be tried again, or not to be tried again in this flush.
//!
//! Input: an [`Answer`]. Output: nothing, or an error. 2xx is delivered; 5xx and 429 are tried again, 429 not before the time the server
//! names; what else a receiver wants to have tried again it says. Anything else would be refused again, so it waits for the next flush.
//! Alertmanager tries 429 again for PagerDuty only; elsewhere the notification is a `group_interval` late there.

use super::http_client::Answer;
use crate::SendError;

/// Characters of an answer that are repeated in an error.
const SHOWN: usize = 512;

/// Judges an answer by its status. `details` stands in for its body.
///
/// # Errors
/// When it is not 2xx.
pub(crate) fn judge(answer: &Answer, retry_also: &[u16], details: Option<String>) -> Result<(), SendError> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let retry =
        (500..600).contains(&answer.status) || answer.status == 429 || retry_also.contains(&answer.status);
    let details = details.unwrap_or_else(|| answer.body.clone());
    let mut message = format!("unexpected status code {}", answer.status);
    if !details.is_empty() {
        message.push_str(": ");
        message.push_str(&shortened(&details));
    }
    Err(SendError { message, retry, retry_after: answer.retry_after.filter(|_| retry) })
}

/// A text of another server as far as an error should repeat it.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_may_be_tried_again() {
        let check = |status: u16, retry_also: &[u16], expected: Option<(bool, &str)>| {
            let wait = Some(Duration::from_secs(7));
            let answer = Answer { status, body: "why".into(), retry_after: wait, ..Answer::default() };
            let found = judge(&answer, retry_also, None).err();
            if let Some(error) = &found {
                assert_eq!(error.retry_after, wait.filter(|_| error.retry));
            }
            assert_eq!(found.as_ref().map(|error| (error.retry, error.message.as_str())), expected);
        };
        check(200, &[], None);
        check(202, &[], None);
        check(302, &[], Some((false, "unexpected status code 302: why")));
        check(400, &[], Some((false, "unexpected status code 400: why")));
        check(403, &[403], Some((true, "unexpected status code 403: why")));
        check(429, &[], Some((true, "unexpected status code 429: why")));
        check(500, &[], Some((true, "unexpected status code 500: why")));
        check(503, &[], Some((true, "unexpected status code 503: why")));
    }

    #[test]
    fn long_answers_are_shortened() {
        assert_eq!(shortened(&"é".repeat(512)), "é".repeat(512));
        assert_eq!(shortened(&"é".repeat(513)), format!("{}…", "é".repeat(512)));
    }
}
