//! The metrics of objects, with the names and labels of kube-state-metrics 2.20.
//!
//! Input: the objects and states of the cluster. Output: text exposition. Families without a series are left out.
//! Metrics that only a cluster can have (persistent volumes, jobs, leases, …) are not there, nor those that need an
//! allow-list (`*_labels`, `*_annotations`).

mod pods;

use crate::cluster::Cluster;
use crate::names::object_uid;
use crate::pod::Workload;
use crate::status::PodStatus;
use std::sync::atomic::Ordering;
use tidewatch_exposition::{MetricKind, TextWriter};
use tidewatch_manifest::{Autoscaler, MetricSource, MetricTarget, Service};

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
    page.deployments();
    page.replica_sets();
    page.services();
    page.endpoints();
    page.autoscalers();
    page.node();
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

    fn deployments(&mut self) {
        let cluster = self.cluster;
        let counts: Vec<Counts<'_>> =
            cluster.workloads.iter().map(|workload| Counts::of(workload, self.statuses)).collect();
        let family = |page: &mut Self, name: &str, help: &str, value: &dyn Fn(&Counts<'_>) -> f64| {
            page.family(name, help, &counts, |writer, name, counts| {
                let labels = [
                    ("namespace", counts.workload.namespace.as_str()),
                    ("deployment", counts.workload.name.as_str()),
                ];
                writer.sample(name, &labels, value(counts));
            });
        };
        family(self, "kube_deployment_created", "Unix creation timestamp", &|counts| {
            seconds(counts.workload.created_ms)
        });
        family(
            self,
            "kube_deployment_metadata_generation",
            "Sequence number representing a specific generation of the desired state.",
            &|_| 1.0,
        );
        family(
            self,
            "kube_deployment_status_observed_generation",
            "The generation observed by the deployment controller.",
            &|_| 1.0,
        );
        family(
            self,
            "kube_deployment_spec_replicas",
            "Number of desired pods for a deployment.",
            &|counts| counts.wanted,
        );
        family(
            self,
            "kube_deployment_spec_paused",
            "Whether the deployment is paused and will not be processed by the deployment controller.",
            &|_| 0.0,
        );
        family(
            self,
            "kube_deployment_status_replicas",
            "The number of replicas per deployment.",
            &|counts| counts.present,
        );
        family(
            self,
            "kube_deployment_status_replicas_ready",
            "The number of ready replicas per deployment.",
            &|counts| counts.ready,
        );
        family(
            self,
            "kube_deployment_status_replicas_available",
            "The number of available replicas per deployment.",
            &|counts| counts.ready,
        );
        family(
            self,
            "kube_deployment_status_replicas_unavailable",
            "The number of unavailable replicas per deployment.",
            &|counts| (counts.wanted.max(counts.present) - counts.ready).max(0.0),
        );
        family(
            self,
            "kube_deployment_status_replicas_updated",
            "The number of updated replicas per deployment.",
            &|counts| counts.present,
        );
        self.family(
            "kube_deployment_status_condition",
            "The current status conditions of a deployment.",
            &counts,
            |writer, name, counts| {
                let available = counts.ready >= counts.wanted;
                let reason =
                    if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" };
                for (condition, reason, holds) in
                    [("Available", reason, available), ("Progressing", "NewReplicaSetAvailable", true)]
                {
                    for status in STATUSES {
                        let labels = [
                            ("namespace", counts.workload.namespace.as_str()),
                            ("deployment", &counts.workload.name),
                            ("reason", reason),
                            ("condition", condition),
                            ("status", status),
                        ];
                        writer.sample(name, &labels, one_if(status == status_of(holds)));
                    }
                }
            },
        );
    }

    fn replica_sets(&mut self) {
        let cluster = self.cluster;
        let counts: Vec<Counts<'_>> =
            cluster.workloads.iter().map(|workload| Counts::of(workload, self.statuses)).collect();
        let family = |page: &mut Self, name: &str, help: &str, value: &dyn Fn(&Counts<'_>) -> f64| {
            page.family(name, help, &counts, |writer, name, counts| {
                let labels = [
                    ("namespace", counts.workload.namespace.as_str()),
                    ("replicaset", counts.workload.replica_set.as_str()),
                ];
                writer.sample(name, &labels, value(counts));
            });
        };
        family(self, "kube_replicaset_created", "Unix creation timestamp", &|counts| {
            seconds(counts.workload.created_ms)
        });
        family(
            self,
            "kube_replicaset_metadata_generation",
            "Sequence number representing a specific generation of the desired state.",
            &|_| 1.0,
        );
        family(
            self,
            "kube_replicaset_status_observed_generation",
            "The generation observed by the ReplicaSet controller.",
            &|_| 1.0,
        );
        family(
            self,
            "kube_replicaset_spec_replicas",
            "Number of desired pods for a ReplicaSet.",
            &|counts| counts.wanted,
        );
        family(
            self,
            "kube_replicaset_status_replicas",
            "The number of replicas per ReplicaSet.",
            &|counts| counts.present,
        );
        family(
            self,
            "kube_replicaset_status_fully_labeled_replicas",
            "The number of fully labeled replicas per ReplicaSet.",
            &|counts| counts.present,
        );
        family(
            self,
            "kube_replicaset_status_ready_replicas",
            "The number of ready replicas per ReplicaSet.",
            &|counts| counts.ready,
        );
        self.family(
            "kube_replicaset_owner",
            "Information about the ReplicaSet's owner.",
            &cluster.workloads,
            |writer, name, workload| {
                let labels = [
                    ("namespace", workload.namespace.as_str()),
                    ("replicaset", &workload.replica_set),
                    ("owner_kind", "Deployment"),
                    ("owner_name", &workload.name),
                    ("owner_is_controller", "true"),
                ];
                writer.sample(name, &labels, 1.0);
            },
        );
    }

    fn services(&mut self) {
        let (cluster, services) = (self.cluster, &self.cluster.manifests.services);
        let uid = |service: &Service| {
            object_uid(&cluster.instance, "Service", &service.meta.namespace, &service.meta.name)
        };
        self.family("kube_service_info", "Information about service.", services, |writer, name, service| {
            let key = (service.meta.namespace.clone(), service.meta.name.clone());
            let address = cluster.names.addresses.get(&key).map(|address| address.ip.to_string());
            let labels = [
                ("namespace", service.meta.namespace.as_str()),
                ("service", &service.meta.name),
                ("uid", &uid(service)),
                (
                    "cluster_ip",
                    if service.headless { "None" } else { address.as_deref().unwrap_or_default() },
                ),
                ("external_name", service.external_name.as_deref().unwrap_or_default()),
                ("load_balancer_ip", ""),
            ];
            writer.sample(name, &labels, 1.0);
        });
        let created = seconds(cluster.started_ms);
        self.family("kube_service_created", "Unix creation timestamp", services, |writer, name, service| {
            let labels = [
                ("namespace", service.meta.namespace.as_str()),
                ("service", &service.meta.name),
                ("uid", &uid(service)),
            ];
            writer.sample(name, &labels, created);
        });
        self.family("kube_service_spec_type", "Type about service.", services, |writer, name, service| {
            let labels = [
                ("namespace", service.meta.namespace.as_str()),
                ("service", &service.meta.name),
                ("uid", &uid(service)),
                ("type", &service.kind),
            ];
            writer.sample(name, &labels, 1.0);
        });
    }

    fn endpoints(&mut self) {
        let endpoints = std::sync::Arc::clone(&self.cluster.endpoints.borrow());
        self.family(
            "kube_endpoint_info",
            "Information about endpoint.",
            endpoints.iter(),
            |writer, name, service| {
                writer.sample(
                    name,
                    &[("namespace", &service.namespace), ("endpoint", &service.service)],
                    1.0,
                );
            },
        );
        let addresses = endpoints
            .iter()
            .flat_map(|service| service.addresses.iter().map(move |address| (service, address)));
        self.family(
            "kube_endpoint_address",
            "Information about Endpoint available and non available addresses.",
            addresses,
            |writer, name, (service, address)| {
                let labels = [
                    ("namespace", service.namespace.as_str()),
                    ("endpoint", &service.service),
                    ("ip", &address.ip.to_string()),
                    ("ready", status_of(address.ready)),
                ];
                writer.sample(name, &labels, 1.0);
            },
        );
    }

    fn autoscalers(&mut self) {
        let (cluster, statuses) = (self.cluster, self.statuses);
        let autoscalers = &cluster.manifests.autoscalers;
        let family = |page: &mut Self, name: &str, help: &str, value: &dyn Fn(&Autoscaler) -> f64| {
            page.family(name, help, autoscalers, |writer, name, autoscaler| {
                let labels = [
                    ("namespace", autoscaler.meta.namespace.as_str()),
                    ("horizontalpodautoscaler", autoscaler.meta.name.as_str()),
                ];
                writer.sample(name, &labels, value(autoscaler));
            });
        };
        let target = |autoscaler: &Autoscaler| {
            let own = |workload: &&std::sync::Arc<Workload>| {
                autoscaler.target_kind == "Deployment"
                    && workload.namespace == autoscaler.meta.namespace
                    && workload.name == autoscaler.target_name
            };
            cluster.workloads.iter().find(own).map(|workload| Counts::of(workload, statuses))
        };
        family(
            self,
            "kube_horizontalpodautoscaler_metadata_generation",
            "The generation observed by the HorizontalPodAutoscaler controller.",
            &|_| 1.0,
        );
        family(
            self,
            "kube_horizontalpodautoscaler_spec_max_replicas",
            "Upper limit for the number of pods that can be set by the autoscaler; cannot be smaller than MinReplicas.",
            &|autoscaler| autoscaler.max_replicas.into(),
        );
        family(
            self,
            "kube_horizontalpodautoscaler_spec_min_replicas",
            "Lower limit for the number of pods that can be set by the autoscaler, default 1.",
            &|autoscaler| autoscaler.min_replicas.into(),
        );
        family(
            self,
            "kube_horizontalpodautoscaler_status_current_replicas",
            "Current number of replicas of pods managed by this autoscaler.",
            &|autoscaler| target(autoscaler).map_or(0.0, |counts| counts.present),
        );
        family(
            self,
            "kube_horizontalpodautoscaler_status_desired_replicas",
            "Desired number of replicas of pods managed by this autoscaler.",
            &|autoscaler| target(autoscaler).map_or(0.0, |counts| counts.wanted),
        );
        self.family(
            "kube_horizontalpodautoscaler_info",
            "Information about this autoscaler.",
            autoscalers,
            |writer, name, autoscaler| {
                let labels = [
                    ("namespace", autoscaler.meta.namespace.as_str()),
                    ("horizontalpodautoscaler", &autoscaler.meta.name),
                    ("scaletargetref_api_version", "apps/v1"),
                    ("scaletargetref_kind", &autoscaler.target_kind),
                    ("scaletargetref_name", &autoscaler.target_name),
                ];
                writer.sample(name, &labels, 1.0);
            },
        );
        let metrics = autoscalers
            .iter()
            .flat_map(|autoscaler| autoscaler.metrics.iter().map(move |metric| (autoscaler, metric)));
        self.family(
            "kube_horizontalpodautoscaler_spec_target_metric",
            "The metric specifications used by this autoscaler when calculating the desired replica count.",
            metrics,
            |writer, name, (autoscaler, metric)| {
                let (metric_name, container) = match &metric.source {
                    MetricSource::ContainerResource { name, container } => (name, container.as_str()),
                    MetricSource::Resource { name }
                    | MetricSource::Pods { name, .. }
                    | MetricSource::Object { name, .. }
                    | MetricSource::External { name, .. } => (name, ""),
                };
                let (kind, value) = match metric.target {
                    MetricTarget::Utilization(percent) => ("utilization", f64::from(percent)),
                    MetricTarget::Value(value) => ("value", value.as_f64()),
                    MetricTarget::AverageValue(value) => ("average", value.as_f64()),
                };
                let mut labels = vec![
                    ("namespace", autoscaler.meta.namespace.as_str()),
                    ("horizontalpodautoscaler", &autoscaler.meta.name),
                    ("metric_name", metric_name),
                    ("metric_target_type", kind),
                ];
                if !container.is_empty() {
                    labels.push(("container", container));
                }
                writer.sample(name, &labels, value);
            },
        );
    }

    fn node(&mut self) {
        let node = &self.cluster.node;
        let name_label = ("node", node.name.as_str());
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let ip = node.ip.to_string();
        let info = [
            name_label,
            ("kernel_version", &kernel),
            ("os_image", "linux"),
            ("container_runtime_version", concat!("tidewatch://", env!("CARGO_PKG_VERSION"))),
            ("kubelet_version", concat!("tidewatch-", env!("CARGO_PKG_VERSION"))),
            ("kubeproxy_version", "deprecated"),
            ("provider_id", ""),
            ("pod_cidr", ""),
            ("system_uuid", ""),
            ("internal_ip", &ip),
        ];
        let amounts = [
            ("cpu", "core", node.cores as f64),
            ("memory", "byte", node.memory_bytes as f64),
            ("pods", "integer", 60_706.0),
        ];
        self.writer.family("kube_node_info", Gauge, "Information about a cluster node.").sample(
            "kube_node_info",
            &info,
            1.0,
        );
        self.writer
            .family("kube_node_created", Gauge, "Unix creation timestamp")
            .sample("kube_node_created", &[name_label], seconds(self.cluster.started_ms))
            .family("kube_node_spec_unschedulable", Gauge, "Whether a node can schedule new pods.")
            .sample("kube_node_spec_unschedulable", &[name_label], 0.0);
        for (name, help) in [
            ("kube_node_status_capacity", "The total amount of resources available for a node."),
            (
                "kube_node_status_allocatable",
                "The amount of resources allocatable for pods (after reserving some for system daemons).",
            ),
        ] {
            self.family(name, help, amounts, |writer, name, (resource, unit, value)| {
                writer.sample(name, &[name_label, ("resource", resource), ("unit", unit)], value);
            });
        }
        // What the kubelet calls pressure: less than 100 MiB of memory, a full disk below the pods, no pids.
        let pressure = crate::node_exporter::available_memory_bytes() < 100 << 20;
        let full = rustix::fs::statvfs(&self.cluster.data_folder)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(10) < disk.f_blocks);
        let conditions =
            [("Ready", true), ("MemoryPressure", pressure), ("DiskPressure", full), ("PIDPressure", false)];
        self.family(
            "kube_node_status_condition",
            "The condition of a cluster node.",
            conditions,
            |writer, name, (condition, holds)| {
                for status in STATUSES {
                    let labels = [name_label, ("condition", condition), ("status", status)];
                    writer.sample(name, &labels, one_if(status == status_of(holds)));
                }
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

/// How many pods a Deployment wants, has, and has ready.
struct Counts<'a> {
    workload: &'a Workload,
    wanted: f64,
    present: f64,
    ready: f64,
}

impl<'a> Counts<'a> {
    fn of(workload: &'a Workload, statuses: &[PodStatus]) -> Self {
        let own = || {
            statuses.iter().filter(|status| {
                status.pod.namespace == workload.namespace
                    && status.deployment == workload.name
                    && status.deleted_ms.is_none()
            })
        };
        Self {
            workload,
            wanted: workload.replicas.load(Ordering::Relaxed).into(),
            present: own().count() as f64,
            ready: own().filter(|status| status.ready).count() as f64,
        }
    }
}
