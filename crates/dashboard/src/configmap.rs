//! Which ConfigMaps hold dashboards, by the conventions of Grafana's sidecar, and their entries as dashboards.
//! Input: labels, annotations and `data` of a ConfigMap, from whoever reads manifests. Output: one result per entry, so
//! that one broken dashboard keeps no other from being shown. Does not read YAML and does not watch anything.

use crate::error::{Error, Source};
use crate::model::Dashboard;

/// The label by which the sidecar of kube-prometheus-stack finds dashboards.
pub const DASHBOARD_LABEL: &str = "grafana_dashboard";
/// The value the label must have.
pub const DASHBOARD_LABEL_VALUE: &str = "1";
/// The annotation that names the folder a ConfigMap's dashboards go into.
pub const FOLDER_ANNOTATION: &str = "grafana_folder";

/// Whether a ConfigMap with these labels holds dashboards.
pub fn is_dashboard<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
    labels.into_iter().any(|label| label == (DASHBOARD_LABEL, DASHBOARD_LABEL_VALUE))
}

/// The dashboards of one ConfigMap: each entry of `data` whose key ends in `.json`, in the order given.
///
/// `file` is the manifest's path, `configmap` is `namespace/name`, `folder` the value of [`FOLDER_ANNOTATION`]; all
/// three are kept for messages and for the folder title.
pub fn load_configmap<'a>(
    file: &str,
    configmap: &str,
    folder: Option<&str>,
    data: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<Result<Dashboard, Error>> {
    data.into_iter()
        .filter(|(key, _)| key.ends_with(".json"))
        .map(|(key, json)| {
            let origin = Source { file: file.into(), configmap: configmap.into(), key: key.into() };
            Dashboard::parse(origin, folder, json)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_label_with_the_value_one_makes_a_dashboard() {
        let check = |labels: &[(&str, &str)], expected| {
            assert_eq!(is_dashboard(labels.iter().copied()), expected, "{labels:?}");
        };
        check(&[("grafana_dashboard", "1")], true);
        check(&[("app", "x"), ("grafana_dashboard", "1")], true);
        check(&[("grafana_dashboard", "true")], false);
        check(&[], false);
    }

    #[test]
    fn one_broken_entry_leaves_the_others() {
        let good = r#"{"uid":"a","title":"A","panels":[{"id":1,"type":"text","title":"t"}]}"#;
        let data = [("a.json", good), ("b.json", "{"), ("readme.md", "not a dashboard")];
        let loaded = load_configmap("f.yaml", "monitoring/c", Some("Folder"), data);
        assert_eq!(loaded.len(), 2);
        assert_eq!(loaded[0].as_ref().unwrap().folder(), Some("Folder"));
        let text = loaded[1].as_ref().unwrap_err().to_string();
        assert!(text.starts_with("f.yaml: ConfigMap monitoring/c: b.json: not valid JSON"), "{text}");
    }
}
