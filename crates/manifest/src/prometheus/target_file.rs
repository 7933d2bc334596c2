//! Files that list targets, for `file_sd_configs`: JSON or YAML, a list of groups.
//!
//! Input: the text of a file. Output: its groups, or all mistakes with their lines. It reads and watches no file.

use super::values::{keep_as_written, text_map, texts};
use crate::ManifestError;
use crate::fields::{Fields, Report};
use crate::node::{self, NodeValue};
use crate::settings_file::{UNKNOWN_FIELD, refused};
use std::cell::RefCell;
use tidewatch_model::{Labels, TargetGroup};

/// The groups in the text of `file`. The label `__meta_filepath` names the file, as in Prometheus.
///
/// # Errors
/// All mistakes of the file; nothing of a file with mistakes is used.
pub fn parse_target_file(file: &str, text: &str) -> Result<Vec<TargetGroup>, Vec<ManifestError>> {
    let report = RefCell::new(Report { file: file.to_owned(), ..Report::default() });
    let mut groups = Vec::new();
    for (_, document) in node::documents(file, text) {
        let node = match document {
            Ok(mut node) => {
                keep_as_written(&mut node, text);
                node
            }
            Err(error) => {
                report.borrow_mut().errors.push(error);
                continue;
            }
        };
        let NodeValue::List(items) = &node.value else {
            let error =
                ManifestError::new(file, format!("must be a list of target groups, is {}", node.describe()));
            let error = error
                .at(node.line, node.column)
                .hint("write e.g. [{targets: ['host:9100'], labels: {env: test}}]");
            report.borrow_mut().errors.push(error);
            continue;
        };
        for item in items {
            let Some(fields) = Fields::open(item, format!("[{}]", groups.len()), &report) else { continue };
            groups.push(group(&fields, file, groups.len()));
            fields.finish();
        }
    }
    let Report { mut errors, warnings, .. } = report.into_inner();
    errors.extend(warnings.into_iter().filter(|w| w.message == UNKNOWN_FIELD).map(refused));
    if errors.is_empty() { Ok(groups) } else { Err(errors) }
}

fn group(fields: &Fields<'_>, file: &str, index: usize) -> TargetGroup {
    let mut labels = text_map(fields, "labels");
    labels.insert("__meta_filepath".to_owned(), file.to_owned());
    let address = |target| Labels::from_pairs([("__address__", target)]);
    TargetGroup {
        source: format!("{file}:{index}"),
        labels: Labels::from_pairs(labels),
        targets: texts(fields, "targets").into_iter().map(address).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_mean_the_same() {
        let json = parse_target_file("f", "[{\"targets\": [\"a:1\", \"b:2\"], \"labels\": {\"x\": \"y\"}}]")
            .unwrap();
        let yaml = parse_target_file("f", "- targets: ['a:1', 'b:2']\n  labels:\n    x: y\n").unwrap();
        assert_eq!(json, yaml);
        assert_eq!(json[0].labels, Labels::from_pairs([("__meta_filepath", "f"), ("x", "y")]));
        assert_eq!(json[0].source, "f:0");
        let tabs =
            parse_target_file("f", "[\n\t{\"targets\": [\"a:1\"], \"labels\": {\"n\": 1, \"m\": 1.5}}]")
                .unwrap();
        assert_eq!(tabs[0].labels.get("n"), Some("1"));
        assert_eq!(parse_target_file("f", "[]"), Ok(vec![]));
    }

    #[test]
    fn mistakes_name_their_line() {
        let check = |text: &str, expected: &str| {
            let errors = parse_target_file("f.yml", text).unwrap_err();
            assert!(errors[0].to_string().starts_with(expected), "{}", errors[0]);
        };
        check("a: 1\n", "f.yml:1:1: must be a list of target groups, is a map");
        check("- targets: ['a:1']\n  lables: {}\n", "f.yml:2:3: [0].lables: unknown field");
        check("- targets: a:1\n", "f.yml:1:12: [0].targets: must be a list of text");
    }
}
