//! Ages in the few characters that `kubectl` shows: `95s`, `4m10s`, `3h`, `5d2h`.
//!
//! Input: two points in time. Output: a text of two or three significant figures: seconds up to two minutes, minutes
//! with seconds up to ten, and so on. Times that were never set are `<unknown>`.

use serde_json::Value;
use tidewatch_model::parse_timestamp;

/// How long ago a time of an object is; `now` in milliseconds since the Unix epoch.
pub(super) fn age(time: &Value, now: i64) -> String {
    let parsed = time.as_str().and_then(|text| parse_timestamp(text).ok());
    parsed.map_or_else(|| "<unknown>".to_owned(), |time| human_duration(now - time))
}

/// Two clocks may differ by less than two seconds; a time further in the future is `<invalid>`.
fn human_duration(milliseconds: i64) -> String {
    let (seconds, minutes, hours) = (milliseconds / 1000, milliseconds / 60_000, milliseconds / 3_600_000);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let with_rest = |whole: i64, unit: char, rest: i64, smaller: char| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit}{rest}{smaller}"),
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if minutes < 2 => format!("{seconds}s"),
        () if minutes < 10 => with_rest(minutes, 'm', seconds % 60, 's'),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => with_rest(hours, 'h', minutes % 60, 'm'),
        () if days < 2 => format!("{hours}h"),
        () if days < 8 => with_rest(days, 'd', hours % 24, 'h'),
        () if years < 2 => format!("{days}d"),
        () if years < 8 => with_rest(years, 'y', days % 365, 'd'),
        () => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_or_three_figures() {
        let check = |seconds: i64, expected: &str| {
            assert_eq!(human_duration(seconds * 1000), expected, "{seconds}");
        };
        check(-2, "<invalid>");
        check(-1, "0s");
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(599, "9m59s");
        check(600, "10m");
        check(3 * 3600 - 1, "179m");
        check(3 * 3600, "3h");
        check(8 * 3600 - 1, "7h59m");
        check(8 * 3600, "8h");
        check(48 * 3600 - 1, "47h");
        check(48 * 3600, "2d");
        check(8 * 86_400 - 1, "7d23h");
        check(8 * 86_400, "8d");
        check(2 * 365 * 86_400, "2y");
        check(8 * 365 * 86_400 - 86_400, "7y364d");
        check(9 * 365 * 86_400, "9y");
    }

    #[test]
    fn times_of_objects_may_be_missing() {
        let now = 1_700_000_065_000;
        assert_eq!(age(&"2023-11-14T22:13:20Z".into(), now), "65s");
        assert_eq!(age(&Value::Null, now), "<unknown>");
    }
}
