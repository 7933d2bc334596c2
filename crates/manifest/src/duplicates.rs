//! Objects that are there twice: the first one counts.
//!
//! Input: the objects of all files in the order they were read. Output: the same without those whose API group, kind,
//! namespace and name were there already, and an error with both places for each that is left out. Whether the two are
//! equal is not looked at: applying both to a cluster would keep the later one, so one of them is not meant.

use crate::{ManifestError, Manifests, ObjectMeta, Source};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Leaves out every object that is there already.
pub(crate) fn leave_out(manifests: &mut Manifests, errors: &mut Vec<ManifestError>) {
    let mut seen = Seen { first: BTreeMap::new(), errors };
    manifests.namespaces.retain(|meta| seen.is_new("", "Namespace", meta));
    manifests.deployments.retain(|object| seen.is_new("apps", "Deployment", &object.meta));
    manifests.services.retain(|object| seen.is_new("", "Service", &object.meta));
    manifests
        .autoscalers
        .retain(|object| seen.is_new("autoscaling", "HorizontalPodAutoscaler", &object.meta));
    manifests.scaled_objects.retain(|object| seen.is_new("keda.sh", "ScaledObject", &object.meta));
    manifests.config_maps.retain(|object| seen.is_new("", "ConfigMap", &object.meta));
    manifests.secrets.retain(|object| seen.is_new("", "Secret", &object.meta));
    manifests
        .prometheus_rules
        .retain(|object| seen.is_new("monitoring.coreos.com", "PrometheusRule", &object.meta));
    manifests
        .service_monitors
        .retain(|object| seen.is_new("monitoring.coreos.com", "ServiceMonitor", &object.meta));
    manifests.others.retain(|object| {
        let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
        seen.is_new(group, &object.kind, &object.meta)
    });
}

struct Seen<'a> {
    /// Where each API group, kind, namespace and name was read first.
    first: BTreeMap<[String; 4], Source>,
    errors: &'a mut Vec<ManifestError>,
}

impl Seen<'_> {
    fn is_new(&mut self, group: &str, kind: &str, meta: &ObjectMeta) -> bool {
        match self.first.entry([group, kind, &meta.namespace, &meta.name].map(str::to_owned)) {
            Entry::Vacant(entry) => {
                entry.insert(meta.source.clone());
                true
            }
            Entry::Occupied(entry) => {
                let message = format!("is there twice and left out here; the first is at {}", entry.get());
                self.errors.push(
                    ManifestError::new(&meta.source.file, message)
                        .at(meta.source.line, 1)
                        .object(format!("{kind}/{}", meta.name))
                        .hint("remove or rename one of the two"),
                );
                false
            }
        }
    }
}
