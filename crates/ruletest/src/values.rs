//! The expanding notation of test samples: `0+10x3 _ stale 5x2`.
//!
//! Input: the text of `values`. Output: one value for each interval, absent where there is no sample. Semantics: Prometheus 3.16. Native
//! histograms are refused by name, as the query engine has none.

use tidewatch_model::stale_nan;

/// Most values a series may have, against slips such as `1x1000000000`.
const MOST: usize = 10_000_000;

/// Reads a sequence of values; an absent value is an interval without a sample.
pub(crate) fn parse_values(text: &str) -> Result<Vec<Option<f64>>, String> {
    if text.contains("{{") {
        return Err("native histograms ({{...}}) are not supported; hint: test classic histograms by their _bucket series".to_owned());
    }
    let mut values = Vec::new();
    for item in text.split_ascii_whitespace() {
        add_item(item, &mut values).ok_or_else(|| {
            format!(
                "unexpected {item:?} in series values; hint: write e.g. 0+10x5, 3x4, -2-1x3, _, _x3 or stale, with spaces between"
            )
        })?;
    }
    Ok(values)
}

/// Adds what one item stands for; `None` when it is wrong.
fn add_item(item: &str, values: &mut Vec<Option<f64>>) -> Option<()> {
    let most = MOST.checked_sub(values.len())?;
    if let Some(rest) = item.strip_prefix('_') {
        let count = if rest.is_empty() { 1 } else { count(rest.strip_prefix('x')?)? };
        values.resize(values.len() + Some(count).filter(|count| *count <= most)?, None);
        return Some(());
    }
    let (mut value, rest) = number(item, true)?;
    let (step, rest) = match rest.chars().next() {
        None => {
            values.push(Some(value));
            return Some(());
        }
        Some('+' | '-') => {
            let (step, rest) = number(rest, false)?;
            (Some(step), rest)
        }
        Some(_) => (None, rest),
    };
    // one more than is written: the first stands at time 0
    let count = count(rest.strip_prefix('x')?)?.checked_add(1).filter(|count| *count <= most)?;
    for _ in 0..count {
        values.push(Some(value));
        if let Some(step) = step {
            value += step;
        }
    }
    Some(())
}

fn count(text: &str) -> Option<usize> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A number with or without a sign, or `stale`, and what follows it.
fn number(text: &str, may_be_stale: bool) -> Option<(f64, &str)> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if digits.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let (word, rest) = digits.split_at(digits.find(|c| !is_word(c)).unwrap_or(digits.len()));
        return match word.to_ascii_lowercase().as_str() {
            "inf" => Some((sign * f64::INFINITY, rest)),
            "nan" => Some((f64::NAN, rest)),
            _ if word == "stale" && may_be_stale && digits.len() == text.len() => Some((stale_nan(), rest)),
            _ => None,
        };
    }
    let run = |from: &str| from.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    let mut end = run(digits);
    if digits[end..].starts_with('.') {
        end += 1 + run(&digits[end + 1..]);
    }
    if digits[end..].starts_with(['e', 'E']) {
        let signed = usize::from(digits[end + 1..].starts_with(['+', '-']));
        let exponent = run(&digits[end + 1 + signed..]);
        end += if exponent > 0 { 1 + signed + exponent } else { 0 };
    }
    Some((sign * literal(&digits[..end])?, &digits[end..]))
}

/// A number without a sign as Go reads it: `_` between digits counts for nothing, and whole numbers that begin with 0 are octal.
fn literal(text: &str) -> Option<f64> {
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    let plain = text.replace('_', "");
    let octal =
        plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if octal { i64::from_str_radix(&plain, 8).ok().map(|number| number as f64) } else { plain.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_expand() {
        let check = |text: &str, expected: &[f64]| {
            let values = parse_values(text).unwrap();
            let got: Vec<f64> = values.into_iter().map(|value| value.unwrap_or(-99.0)).collect();
            assert_eq!(got, expected, "{text}");
        };
        check("", &[]);
        check("1 2.5 -3 +4 .5 1e3", &[1.0, 2.5, -3.0, 4.0, 0.5, 1000.0]);
        check("1+2x3", &[1.0, 3.0, 5.0, 7.0]);
        check("-2-1x2", &[-2.0, -3.0, -4.0]);
        check("5x2", &[5.0, 5.0, 5.0]);
        check("5x0", &[5.0]);
        check("1_000+017x1 08", &[1000.0, 1015.0, 8.0]);
        check("_ _x2 1", &[-99.0, -99.0, -99.0, 1.0]);
        check("-Inf Inf+1x1", &[f64::NEG_INFINITY, f64::INFINITY, f64::INFINITY]);
        let stale = parse_values("1 stale").unwrap()[1].unwrap();
        assert!(tidewatch_model::is_stale(stale));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in
            ["a", "1x", "1+1", "x3", "__", "stalex3", "0x10x2x", "1 + 2x3", "-stale", "1x-1", "1x1000000000"]
        {
            let error = parse_values(text).unwrap_err();
            assert!(error.contains("hint: write e.g."), "{text}: {error}");
        }
        assert!(parse_values("{{schema:0}}x3").unwrap_err().contains("native histograms"));
    }
}
