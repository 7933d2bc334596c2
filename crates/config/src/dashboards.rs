//! Dashboards: from ConfigMaps with the label that Grafana's sidecar looks for to a catalogue.
//!
//! Input: manifests. Output: the dashboards, and the complaints about those left out.

use tidewatch_dashboard::{Catalog, FOLDER_ANNOTATION, is_dashboard, load_configmap};
use tidewatch_manifest::{ConfigMap, Manifests};

/// The dashboards of the ConfigMaps, and why others were left out.
pub fn dashboards_of(manifests: &Manifests) -> (Catalog, Vec<String>) {
    let (mut catalog, mut complaints) = (Catalog::new(), Vec::new());
    for config_map in &manifests.config_maps {
        if !is_dashboard(config_map.meta.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))) {
            continue;
        }
        for loaded in load(config_map) {
            let refused = match loaded {
                Ok(dashboard) => catalog.add(dashboard).err(),
                Err(error) => Some(error),
            };
            complaints.extend(refused.map(|error| error.to_string()));
        }
    }
    (catalog, complaints)
}

fn load(config_map: &ConfigMap) -> Vec<Result<tidewatch_dashboard::Dashboard, tidewatch_dashboard::Error>> {
    let folder = config_map.meta.annotations.get(FOLDER_ANNOTATION).map(String::as_str);
    let data = config_map.data.iter().map(|(key, text)| (key.as_str(), text.as_str()));
    let name = format!("{}/{}", config_map.meta.namespace, config_map.meta.name);
    load_configmap(&config_map.meta.source.file, &name, folder, data)
}
