//! The address a target is scraped at, from its labels and the job's parameters.
//!
//! Input: `__scheme__`, `__address__`, `__metrics_path__`, `__param_*`. Output: the URL, escaped as Go's `net/url` does:
//! a `?` in the path is part of the path.

use std::collections::BTreeMap;
use tidewatch_model::{Labels, push_percent_encoded};

/// The URL of a target.
pub(crate) fn target_url(labels: &Labels, params: &BTreeMap<String, Vec<String>>) -> String {
    let get = |name| labels.get(name).unwrap_or_default();
    let mut url = format!("{}://{}", get("__scheme__"), get("__address__"));
    let path = get("__metrics_path__");
    if !path.is_empty() && !path.starts_with('/') {
        url.push('/');
    }
    push_percent_encoded(&mut url, path, |byte| b"-_.~$&+,/:;=@".contains(&byte));
    let mut params = params.clone();
    for (name, value) in labels.iter() {
        let Some(name) = name.strip_prefix("__param_") else { continue };
        let values = params.entry(name.to_owned()).or_default();
        match values.first_mut() {
            Some(first) => value.clone_into(first),
            None => values.push(value.to_owned()),
        }
    }
    let mut separator = '?';
    for (name, values) in &params {
        for value in values {
            url.push(separator);
            push_query_text(&mut url, name);
            url.push('=');
            push_query_text(&mut url, value);
            separator = '&';
        }
    }
    url
}

/// Appends a name or value of a query, `+` for a space.
fn push_query_text(out: &mut String, text: &str) {
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            out.push('+');
        }
        push_percent_encoded(out, word, |byte| b"-_.~".contains(&byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_escaped_as_go_does() {
        let check = |labels: &[(&str, &str)], expected: &str| {
            let mut all =
                vec![("__scheme__", "http"), ("__address__", "h:1"), ("__metrics_path__", "/metrics")];
            all.extend_from_slice(labels);
            let params = BTreeMap::from([("m[]".to_owned(), vec!["a b".to_owned(), "é&".to_owned()])]);
            assert_eq!(target_url(&Labels::from_pairs(all), &params), expected);
        };
        check(&[], "http://h:1/metrics?m%5B%5D=a+b&m%5B%5D=%C3%A9%26");
        check(
            &[("__param_m[]", "x"), ("__param_z", "1/2")],
            "http://h:1/metrics?m%5B%5D=x&m%5B%5D=%C3%A9%26&z=1%2F2",
        );
        check(&[("__param_m[]", " x  y ")], "http://h:1/metrics?m%5B%5D=+x++y+&m%5B%5D=%C3%A9%26");
        check(&[("__metrics_path__", "a b?c")], "http://h:1/a%20b%3Fc?m%5B%5D=a+b&m%5B%5D=%C3%A9%26");
    }
}
