//! From target groups to the URLs of Alertmanagers.
//!
//! Input: groups, written down or found in files, and an entry of `alertmanagers`. Output: the URLs that alerts go to, each once, and
//! those that relabeling dropped.

use tidewatch_manifest::AlertmanagerConfig;
use tidewatch_model::{Labels, TargetGroup, relabel};

/// An Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Where alerts are posted.
    pub(super) url: String,
}

/// The label with the path, which relabeling may change.
const PATH_LABEL: &str = "__alerts_path__";

/// Those that alerts go to, and those that are dropped.
pub(super) fn targets_of<'a>(
    groups: impl Iterator<Item = &'a TargetGroup>,
    config: &AlertmanagerConfig,
) -> (Vec<Target>, Vec<Target>) {
    let (mut active, mut dropped) = (Vec::new(), Vec::new());
    for group in groups {
        for target in &group.targets {
            let mut labels = target.to_builder();
            labels.set("__scheme__", config.scheme.as_str());
            labels.set(PATH_LABEL, post_path(&config.path_prefix));
            for (name, value) in group.labels.iter().filter(|(name, _)| target.get(name).is_none()) {
                labels.set(name, value);
            }
            let before = labels.build();
            if !relabel(&mut labels, &config.relabel_configs) {
                dropped.push(target_of(&before));
                continue;
            }
            let found = target_of(&labels.build());
            if is_address(labels.get("__address__").unwrap_or_default()) {
                if !active.contains(&found) {
                    active.push(found);
                }
            } else {
                tracing::warn!(
                    url = found.url,
                    "an Alertmanager's address is not host:port; no alerts go there"
                );
            }
        }
    }
    (active, dropped)
}

fn target_of(labels: &Labels) -> Target {
    let part = |name| labels.get(name).unwrap_or_default();
    Target { url: format!("{}://{}{}", part("__scheme__"), part("__address__"), part(PATH_LABEL)) }
}

fn is_address(address: &str) -> bool {
    !address.is_empty() && !address.contains(['/', '@', '?', '#']) && !address.contains(char::is_whitespace)
}

/// The path below `prefix`, without doubled slashes.
fn post_path(prefix: &str) -> String {
    let parts = prefix.split('/').filter(|part| !part.is_empty());
    let prefix: String = parts.map(|part| format!("/{part}")).collect();
    format!("{prefix}/api/v2/alerts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_manifest::PrometheusConfig;

    #[test]
    fn groups_become_urls() {
        let check = |entry: &str, active: &[&str], dropped: &[&str]| {
            let text = format!("alerting: {{alertmanagers: [{entry}]}}");
            let config = PrometheusConfig::parse("p", &text).unwrap().alerting.alertmanagers.remove(0);
            let found = targets_of(config.static_configs.iter(), &config);
            let urls =
                |targets: Vec<Target>| targets.into_iter().map(|target| target.url).collect::<Vec<_>>();
            assert_eq!(
                (urls(found.0), urls(found.1)),
                (
                    active.iter().map(ToString::to_string).collect(),
                    dropped.iter().map(ToString::to_string).collect()
                ),
                "{entry}"
            );
        };
        check(
            "{static_configs: [{targets: ['a:9093', 'b:9093', 'a:9093']}]}",
            &["http://a:9093/api/v2/alerts", "http://b:9093/api/v2/alerts"],
            &[],
        );
        check(
            "{scheme: https, path_prefix: /am//x/, static_configs: [{targets: ['a:1']}]}",
            &["https://a:1/am/x/api/v2/alerts"],
            &[],
        );
        check(
            "{static_configs: [{targets: ['a:1', 'b:1']}], \
              relabel_configs: [{action: drop, source_labels: [__address__], regex: 'a:1'}, \
                                {target_label: __alerts_path__, replacement: /else}]}",
            &["http://b:1/else"],
            &["http://a:1/api/v2/alerts"],
        );
    }
}
