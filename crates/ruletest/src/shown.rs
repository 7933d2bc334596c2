//! How promtool prints labels, alerts, times and numbers of tests that fail.
//!
//! Input: what was expected and what there was. Output: text. It compares nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use tidewatch_model::push_go_float;

/// Names and values by name.
pub(crate) type Pairs = BTreeMap<String, String>;

/// `{a="x", b="y"}`, with the metric's name as a label.
pub(crate) fn labels(pairs: &Pairs) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in pairs.iter().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        let plain = tidewatch_model::is_valid_label_name(name);
        let written = if plain { name.clone() } else { format!("{name:?}") };
        let _ = write!(text, "{separator}{written}={value:?}");
    }
    text + "}"
}

/// Alerts by labels and annotations, one under the other.
pub(crate) fn alerts(alerts: &[(Pairs, Pairs)]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let shown = |(at, (of_labels, annotations)): (usize, &(Pairs, Pairs))| {
        let (of_labels, annotations) = (labels(of_labels), labels(annotations));
        format!("{at}:\n              Labels:{of_labels}\n              Annotations:{annotations}")
    };
    let all: Vec<String> = alerts.iter().enumerate().map(shown).collect();
    format!("[\n            {}\n            ]", all.join(",\n            "))
}

/// The alerts on one side only, marked with `-` (expected, not there) and `+` (there, not expected).
pub(crate) fn difference(expected: &[(Pairs, Pairs)], got: &[(Pairs, Pairs)]) -> String {
    let mut lines = String::new();
    for (mark, here, there) in [('-', expected, got), ('+', got, expected)] {
        for alert in here.iter().filter(|alert| !there.contains(alert)) {
            let (of_labels, annotations) = (labels(&alert.0), labels(&alert.1));
            let _ = write!(
                lines,
                "\n          {mark} Labels:{of_labels}\n          {mark} Annotations:{annotations}"
            );
        }
    }
    lines
}

/// Series with their values, between commas; `nil` for none.
pub(crate) fn samples(samples: &[(Pairs, f64)]) -> String {
    if samples.is_empty() {
        return "nil".to_owned();
    }
    let shown = |(of_labels, value): &(Pairs, f64)| format!("{} {}", labels(of_labels), exponent(*value));
    samples.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// A number as Go's format `E` writes it: `1.5E+01`.
fn exponent(value: f64) -> String {
    if !value.is_finite() {
        let mut text = String::new();
        push_go_float(&mut text, value);
        return text;
    }
    let text = format!("{value:E}");
    let (digits, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}E{sign}{:02}", exponent.abs())
}

/// A number of milliseconds as Go prints durations: `1h0m0s`.
pub(crate) fn go_duration(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let all = milliseconds.unsigned_abs();
    if all < 1000 {
        return if all == 0 { "0s".to_owned() } else { format!("{sign}{all}ms") };
    }
    let (hours, minutes) = (all / 3_600_000, all / 60_000 % 60);
    let fraction = format!(".{:03}", all % 1000);
    let seconds = format!("{}{}s", all / 1000 % 60, fraction.trim_end_matches('0').trim_end_matches('.'));
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}"),
        (0, _) => format!("{sign}{minutes}m{seconds}"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_print_as_in_go() {
        let texts = [15.0, 0.0, -0.25, 1e300, f64::INFINITY, f64::NAN].map(exponent);
        assert_eq!(texts, ["1.5E+01", "0E+00", "-2.5E-01", "1E+300", "+Inf", "NaN"]);
        let texts = [0, 500, 90_000, 3_600_000, 61_500, -1000].map(go_duration);
        assert_eq!(texts, ["0s", "500ms", "1m30s", "1h0m0s", "1m1.5s", "-1s"]);
    }
}
