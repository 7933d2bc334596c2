//! Label selectors as PromQL matchers.
//!
//! Input: the selector of a metric, as an autoscaler has it. Output: matchers in PromQL's text. Keys are label names as they are;
//! what is no label name is an error, since no series could have it.

use crate::MetricsError;
use tidewatch_manifest::LabelSelector;
use tidewatch_model::is_valid_label_name;

/// A selector of series.
pub(crate) struct SeriesSelector {
    matchers: Vec<String>,
}

impl SeriesSelector {
    /// All series of a name.
    pub(crate) fn named(metric: &str) -> Self {
        Self { matchers: vec![format!("__name__={}", quoted(metric))] }
    }

    /// The same with a label that must have this value.
    pub(crate) fn equal(mut self, label: &str, value: &str) -> Self {
        self.matchers.push(format!("{label}={}", quoted(value)));
        self
    }

    /// The same with a label that must have one of these values.
    pub(crate) fn any_of<'a>(mut self, label: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.matchers.push(one_of(label, "=~", values));
        self
    }

    /// The same, narrowed down by a metric's own selector.
    pub(crate) fn and(
        mut self,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Self, MetricsError> {
        let Some(selector) = selector else { return Ok(self) };
        let expressions = selector.match_expressions.iter();
        let keys = selector.match_labels.keys().chain(expressions.clone().map(|expression| &expression.key));
        if let Some(key) =
            keys.into_iter().find(|key| !is_valid_label_name(key) || key.contains(['.', '/', '-']))
        {
            return Err(MetricsError::SelectorKey { metric: metric.to_owned(), key: key.clone() });
        }
        for (key, value) in &selector.match_labels {
            self = self.equal(key, value);
        }
        for expression in expressions {
            let (key, values) = (&expression.key, expression.values.iter().map(String::as_str));
            self.matchers.push(match expression.operator.as_str() {
                "In" => one_of(key, "=~", values),
                "NotIn" => one_of(key, "!~", values),
                "Exists" => format!("{key}!=\"\""),
                _ => format!("{key}=\"\""),
            });
        }
        Ok(self)
    }
}

impl std::fmt::Display for SeriesSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{}}}", self.matchers.join(","))
    }
}

fn one_of<'a>(label: &str, operator: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let escaped: Vec<String> = values.into_iter().map(literally).collect();
    format!("{label}{operator}{}", quoted(&escaped.join("|")))
}

/// A text that matches as a regular expression what it is.
fn literally(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// A text as PromQL's string literal.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::SelectorRequirement;

    #[test]
    fn selectors_become_matchers() {
        let check = |labels: &[(&str, &str)], expressions: &[(&str, &str, &[&str])], expected: &str| {
            let selector = LabelSelector {
                match_labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
                match_expressions: expressions
                    .iter()
                    .map(|(key, operator, values)| SelectorRequirement {
                        key: (*key).to_owned(),
                        operator: (*operator).to_owned(),
                        values: values.iter().map(|value| (*value).to_owned()).collect(),
                    })
                    .collect(),
            };
            let selector = SeriesSelector::named("m").and("m", Some(&selector)).unwrap().to_string();
            assert_eq!(selector, expected);
            tidewatch_promql::parse(&selector).unwrap();
        };
        check(&[], &[], r#"{__name__="m"}"#);
        check(&[("a", "x\"y\\z")], &[], r#"{__name__="m",a="x\"y\\z"}"#);
        check(&[], &[("a", "In", &["x.y", "z"])], r#"{__name__="m",a=~"x\\.y|z"}"#);
        check(&[], &[("a", "NotIn", &["x"])], r#"{__name__="m",a!~"x"}"#);
        check(&[], &[("a", "Exists", &[]), ("b", "DoesNotExist", &[])], r#"{__name__="m",a!="",b=""}"#);
    }

    #[test]
    fn what_is_no_label_is_refused() {
        let selector = LabelSelector {
            match_labels: [("app.kubernetes.io/name".to_owned(), "x".to_owned())].into(),
            ..LabelSelector::default()
        };
        let error = SeriesSelector::named("m").and("m", Some(&selector)).err().unwrap().to_string();
        assert!(error.contains("app.kubernetes.io/name") && error.contains("hint:"), "{error}");
    }
}
