//! Limits on the labels of a series, with Prometheus's words when one is exceeded.

use crate::ScrapeError;
use tidewatch_manifest::ScrapeLimits;
use tidewatch_model::Labels;

/// Checks a series after relabeling.
///
/// # Errors
/// When it has too many labels, or a name or value that is too long; the scrape fails.
pub(crate) fn check_label_limits(labels: &Labels, limits: &ScrapeLimits) -> Result<(), ScrapeError> {
    let metric = cut(labels.metric_name().unwrap_or_default());
    if limits.labels > 0 && labels.len() as u64 > limits.labels {
        return Err(ScrapeError::LabelLimit(format!(
            "label_limit exceeded (metric: {metric}, number of labels: {}, limit: {})",
            labels.len(),
            limits.labels
        )));
    }
    if limits.label_name_bytes == 0 && limits.label_value_bytes == 0 {
        return Ok(());
    }
    for (name, value) in labels {
        if limits.label_name_bytes > 0 && name.len() as u64 > limits.label_name_bytes {
            return Err(ScrapeError::LabelLimit(format!(
                "label_name_length_limit exceeded (metric: {metric}, label name: {}, length: {}, limit: {})",
                cut(name),
                name.len(),
                limits.label_name_bytes
            )));
        }
        if limits.label_value_bytes > 0 && value.len() as u64 > limits.label_value_bytes {
            return Err(ScrapeError::LabelLimit(format!(
                "label_value_length_limit exceeded (metric: {metric}, label name: {}, value: {:?}, length: {}, limit: {})",
                cut(name),
                cut(value),
                value.len(),
                limits.label_value_bytes
            )));
        }
    }
    Ok(())
}

/// The first 50 characters.
fn cut(text: &str) -> &str {
    text.char_indices().nth(50).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_names_what_exceeds_it() {
        let labels = Labels::from_pairs([("__name__", "m"), ("long_name", "v"), ("x", "value")]);
        let check = |limits: ScrapeLimits, expected: Result<(), &str>| {
            let found = check_label_limits(&labels, &limits).map_err(|error| error.to_string());
            assert_eq!(found.as_ref().copied().map_err(String::as_str), expected);
        };
        let none = ScrapeLimits::default();
        check(none, Ok(()));
        check(ScrapeLimits { labels: 3, label_name_bytes: 9, label_value_bytes: 5, ..none }, Ok(()));
        check(
            ScrapeLimits { labels: 2, ..none },
            Err("label_limit exceeded (metric: m, number of labels: 3, limit: 2)"),
        );
        check(
            ScrapeLimits { label_name_bytes: 8, ..none },
            Err("label_name_length_limit exceeded (metric: m, label name: long_name, length: 9, limit: 8)"),
        );
        check(
            ScrapeLimits { label_value_bytes: 4, ..none },
            Err(
                "label_value_length_limit exceeded (metric: m, label name: x, value: \"value\", length: 5, limit: 4)",
            ),
        );
    }
}
