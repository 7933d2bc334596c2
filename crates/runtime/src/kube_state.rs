//! The metrics of objects, with the names and labels of kube-state-metrics 2.20.
//!
//! Input: the objects and states of the cluster. Output: text exposition. Families without a series are left out.
//! Metrics that only a cluster can have (persistent volumes, jobs, leases, …) are not there, nor those that need an
//! allow-list (`*_labels`, `*_annotations`).

mod autoscalers;
mod node;
mod pods;
mod services;
mod workloads;

use crate::cluster::Cluster;
use crate::status::PodStatus;
use tidewatch_exposition::{MetricKind, TextWriter};

use MetricKind::Gauge;

/// Milliseconds as seconds.
pub(crate) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Writes a page.
pub(crate) fn write(cluster: &Cluster, out: &mut String) {
    let statuses: Vec<PodStatus> = cluster.pods().iter().map(|pod| pod.status().clone()).collect();
    let mut page = Page { writer: TextWriter::new(out), cluster, statuses: &statuses };
    page.namespaces();
    workloads::write(&mut page);
    services::write(&mut page);
    autoscalers::write(&mut page);
    node::write(&mut page);
    page.configuration();
    pods::write(&mut page);
}

struct Page<'a> {
    writer: TextWriter<'a>,
    cluster: &'a Cluster,
    statuses: &'a [PodStatus],
}

/// The three answers of a condition, of which one holds.
const STATUSES: [&str; 3] = ["true", "false", "unknown"];

fn status_of(holds: bool) -> &'static str {
    if holds { "true" } else { "false" }
}

fn one_if(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

impl Page<'_> {
    /// Writes a family with one series for each item.
    fn family<T>(
        &mut self,
        name: &str,
        help: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut TextWriter<'_>, &str, T),
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.writer.family(name, Gauge, help);
        }
        for item in items {
            write(&mut self.writer, name, item);
        }
    }

    fn namespaces(&mut self) {
        let mut names: Vec<&str> =
            self.cluster.manifests.namespaces.iter().map(|meta| meta.name.as_str()).collect();
        names.extend(self.cluster.workloads.iter().map(|workload| workload.namespace.as_str()));
        names.sort_unstable();
        names.dedup();
        let created = seconds(self.cluster.started_ms);
        self.family(
            "kube_namespace_created",
            "Unix creation timestamp",
            &names,
            |writer, name, namespace| {
                writer.sample(name, &[("namespace", namespace)], created);
            },
        );
        self.family(
            "kube_namespace_status_phase",
            "kubernetes namespace status phase.",
            &names,
            |writer, name, namespace| {
                writer.sample(name, &[("namespace", namespace), ("phase", "Active")], 1.0);
                writer.sample(name, &[("namespace", namespace), ("phase", "Terminating")], 0.0);
            },
        );
    }

    fn configuration(&mut self) {
        let manifests = &self.cluster.manifests;
        self.family(
            "kube_configmap_info",
            "Information about configmap.",
            &manifests.config_maps,
            |writer, name, map| {
                writer.sample(
                    name,
                    &[("namespace", &map.meta.namespace), ("configmap", &map.meta.name)],
                    1.0,
                );
            },
        );
        self.family(
            "kube_secret_info",
            "Information about secret.",
            &manifests.secrets,
            |writer, name, secret| {
                writer.sample(
                    name,
                    &[("namespace", &secret.meta.namespace), ("secret", &secret.meta.name)],
                    1.0,
                );
            },
        );
        self.family("kube_secret_type", "Type about secret.", &manifests.secrets, |writer, name, secret| {
            let labels = [
                ("namespace", secret.meta.namespace.as_str()),
                ("secret", &secret.meta.name),
                ("type", &secret.kind),
            ];
            writer.sample(name, &labels, 1.0);
        });
    }
}
