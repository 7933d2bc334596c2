//! The metrics of pods and their containers.
//!
//! Input: the states of all pods. Output: `kube_pod_*` in text exposition.

use super::{Page, STATUSES, one_if, seconds, status_of};
use crate::status::{ContainerState, ContainerStatus, PodStatus};
use tidewatch_exposition::{MetricKind, TextWriter};
use tidewatch_manifest::Quantity;

type PodLabels<'a> = [(&'a str, &'a str); 3];

fn of_pod(status: &PodStatus) -> PodLabels<'_> {
    [("namespace", &status.pod.namespace), ("pod", &status.pod.name), ("uid", &status.pod.uid)]
}

fn of_container<'a>(status: &'a PodStatus, container: &'a ContainerStatus) -> [(&'a str, &'a str); 4] {
    let [namespace, pod, uid] = of_pod(status);
    [namespace, pod, uid, ("container", &container.name)]
}

pub(super) fn write(page: &mut Page<'_>) {
    info(page);
    times(page);
    conditions(page);
    let containers = |status: &PodStatus| status.containers.clone();
    for (prefix, list) in [
        ("kube_pod_container", &containers as &dyn Fn(&PodStatus) -> Vec<ContainerStatus>),
        ("kube_pod_init_container", &|status| status.init_containers.clone()),
    ] {
        let listed: Vec<(&PodStatus, ContainerStatus)> = page
            .statuses
            .iter()
            .flat_map(|status| list(status).into_iter().map(move |container| (status, container)))
            .collect();
        container_states(page, prefix, &listed);
        container_terminations(page, prefix, &listed);
        container_resources(page, prefix, &listed);
    }
}

fn info(page: &mut Page<'_>) {
    let cluster = page.cluster;
    let priority = |status: &PodStatus| {
        let own = |workload: &&std::sync::Arc<crate::pod::Workload>| {
            workload.namespace == status.pod.namespace && workload.name == status.deployment
        };
        cluster
            .workloads
            .iter()
            .find(own)
            .map(|workload| workload.template.priority_class.clone())
            .unwrap_or_default()
    };
    page.family("kube_pod_info", "Information about pod.", page.statuses, |writer, name, status| {
        let [namespace, pod, uid] = of_pod(status);
        let labels = [
            namespace,
            pod,
            uid,
            ("host_ip", &status.pod.host_ip),
            ("pod_ip", &status.ip.to_string()),
            ("node", &status.pod.node),
            ("created_by_kind", &status.pod.controller_kind),
            ("created_by_name", &status.pod.controller_name),
            ("priority_class", &priority(status)),
            ("host_network", "false"),
        ];
        writer.sample(name, &labels, 1.0);
    });
    page.family("kube_pod_ips", "Pod IP addresses", page.statuses, |writer, name, status| {
        let [namespace, pod, uid] = of_pod(status);
        writer.sample(name, &[namespace, pod, uid, ("ip", &status.ip.to_string()), ("ip_family", "4")], 1.0);
    });
    page.family(
        "kube_pod_owner",
        "Information about the Pod's owner.",
        page.statuses,
        |writer, name, status| {
            let [namespace, pod, uid] = of_pod(status);
            let owner = [
                ("owner_kind", status.pod.controller_kind.as_str()),
                ("owner_name", &status.pod.controller_name),
                ("owner_is_controller", "true"),
            ];
            writer.sample(name, &[namespace, pod, uid, owner[0], owner[1], owner[2]], 1.0);
        },
    );
    page.family(
        "kube_pod_restart_policy",
        "Describes the restart policy in use by this pod.",
        page.statuses,
        |writer, name, status| {
            let [namespace, pod, uid] = of_pod(status);
            writer.sample(name, &[namespace, pod, uid, ("type", "Always")], 1.0);
        },
    );
}

fn times(page: &mut Page<'_>) {
    let mut family = |name: &str, help: &str, value: &dyn Fn(&PodStatus) -> Option<i64>| {
        let timed: Vec<_> =
            page.statuses.iter().filter_map(|status| Some((status, value(status)?))).collect();
        page.family(name, help, timed, |writer, name, (status, time)| {
            writer.sample(name, &of_pod(status), seconds(time));
        });
    };
    family("kube_pod_created", "Unix creation timestamp", &|status| Some(status.created_ms));
    family("kube_pod_start_time", "Start time in unix timestamp for a pod.", &|status| {
        Some(status.created_ms)
    });
    family("kube_pod_status_initialized_time", "Initialized time in unix timestamp for a pod.", &|status| {
        status.initialized_ms
    });
    family("kube_pod_status_ready_time", "Readiness achieved time in unix timestamp for a pod.", &|status| {
        status.ready_since_ms
    });
    family("kube_pod_deletion_timestamp", "Unix deletion timestamp", &|status| status.deleted_ms);
}

fn conditions(page: &mut Page<'_>) {
    page.family("kube_pod_status_phase", "The pods current phase.", page.statuses, |writer, name, status| {
        let [namespace, pod, uid] = of_pod(status);
        for phase in ["Pending", "Succeeded", "Failed", "Unknown", "Running"] {
            writer.sample(
                name,
                &[namespace, pod, uid, ("phase", phase)],
                one_if(phase == status.phase.as_str()),
            );
        }
    });
    for (name, help, holds) in [
        (
            "kube_pod_status_ready",
            "Describes whether the pod is ready to serve requests.",
            (|status| status.ready) as fn(&PodStatus) -> bool,
        ),
        ("kube_pod_status_scheduled", "Describes the status of the scheduling process for the pod.", |_| {
            true
        }),
    ] {
        page.family(name, help, page.statuses, |writer, name, status| {
            let [namespace, pod, uid] = of_pod(status);
            for answer in STATUSES {
                let labels = [namespace, pod, uid, ("condition", answer)];
                writer.sample(name, &labels, one_if(answer == status_of(holds(status))));
            }
        });
    }
}

type Listed<'a> = [(&'a PodStatus, ContainerStatus)];

fn container_states(page: &mut Page<'_>, prefix: &str, listed: &Listed<'_>) {
    page.family(
        &format!("{prefix}_info"),
        "Information about a container in a pod.",
        listed,
        |writer, name, (status, container)| {
            let [namespace, pod, uid, container_name] = of_container(status, container);
            let id = format!("tidewatch://{}", container.container_id);
            let labels = [
                namespace,
                pod,
                uid,
                container_name,
                ("image_spec", &container.image),
                ("image", &container.image),
                ("image_id", ""),
                ("container_id", if container.container_id.is_empty() { "" } else { &id }),
            ];
            writer.sample(name, &labels, 1.0);
        },
    );
    let mut flag = |suffix: &str, help: &str, holds: fn(&ContainerStatus) -> bool| {
        page.family(&format!("{prefix}_{suffix}"), help, listed, |writer, name, (status, container)| {
            writer.sample(name, &of_container(status, container), one_if(holds(container)));
        });
    };
    flag("status_waiting", "Describes whether the container is currently in waiting state.", |container| {
        container.waiting_reason().is_some()
    });
    flag(
        "status_running",
        "Describes whether the container is currently in running state.",
        ContainerStatus::is_running,
    );
    flag(
        "status_terminated",
        "Describes whether the container is currently in terminated state.",
        |container| matches!(container.state, ContainerState::Terminated(_)),
    );
    flag("status_ready", "Describes whether the containers readiness check succeeded.", |container| {
        container.ready
    });
    let waiting = listed
        .iter()
        .filter_map(|(status, container)| Some((status, container, container.waiting_reason()?)));
    page.family(
        &format!("{prefix}_status_waiting_reason"),
        "Describes the reason the container is currently in waiting state.",
        waiting,
        |writer, name, (status, container, reason)| {
            with_reason(writer, name, status, container, reason);
        },
    );
    let running = listed.iter().filter_map(|(status, container)| match container.state {
        ContainerState::Running { started_ms } => Some((status, container, started_ms)),
        _ => None,
    });
    let started: Vec<_> = running.collect();
    page.family(
        &format!("{prefix}_state_started"),
        "Start time in unix timestamp for a pod container.",
        started,
        |writer, name, (status, container, started_ms)| {
            writer.sample(name, &of_container(status, container), seconds(started_ms).floor());
        },
    );
    if !listed.is_empty() {
        let name = format!("{prefix}_status_restarts_total");
        page.writer.family(&name, MetricKind::Counter, "The number of container restarts per container.");
        for (status, container) in listed {
            page.writer.sample(&name, &of_container(status, container), container.restarts.into());
        }
    }
}

fn with_reason(
    writer: &mut TextWriter<'_>,
    name: &str,
    status: &PodStatus,
    container: &ContainerStatus,
    reason: &str,
) {
    let [namespace, pod, uid, container_name] = of_container(status, container);
    writer.sample(name, &[namespace, pod, uid, container_name, ("reason", reason)], 1.0);
}

fn container_terminations(page: &mut Page<'_>, prefix: &str, listed: &Listed<'_>) {
    let now = listed.iter().filter_map(|(status, container)| match &container.state {
        ContainerState::Terminated(termination) => Some((status, container, termination.reason)),
        _ => None,
    });
    page.family(
        &format!("{prefix}_status_terminated_reason"),
        "Describes the reason the container is currently in terminated state.",
        now,
        |writer, name, (status, container, reason)| {
            with_reason(writer, name, status, container, reason);
        },
    );
    let last = || {
        listed
            .iter()
            .filter_map(|(status, container)| Some((status, container, container.last_termination.as_ref()?)))
    };
    page.family(
        &format!("{prefix}_status_last_terminated_reason"),
        "Describes the last reason the container was in terminated state.",
        last(),
        |writer, name, (status, container, termination)| {
            with_reason(writer, name, status, container, termination.reason);
        },
    );
    page.family(
        &format!("{prefix}_status_last_terminated_exitcode"),
        "Describes the exit code for the last container in terminated state.",
        last(),
        |writer, name, (status, container, termination)| {
            writer.sample(name, &of_container(status, container), termination.exit_code.into());
        },
    );
    page.family(
        &format!("{prefix}_status_last_terminated_timestamp"),
        "Last terminated time for a pod container in unix timestamp.",
        last(),
        |writer, name, (status, container, termination)| {
            writer.sample(name, &of_container(status, container), seconds(termination.finished_ms).floor());
        },
    );
}

fn container_resources(page: &mut Page<'_>, prefix: &str, listed: &Listed<'_>) {
    for (suffix, help, list) in [
        (
            "resource_requests",
            "The number of requested request resource by a container.",
            (|container| &container.requests)
                as fn(&ContainerStatus) -> &std::collections::BTreeMap<String, Quantity>,
        ),
        ("resource_limits", "The number of requested limit resource by a container.", |container| {
            &container.limits
        }),
    ] {
        let amounts = listed.iter().flat_map(|(status, container)| {
            list(container).iter().map(move |amount| (status, container, amount))
        });
        page.family(
            &format!("{prefix}_{suffix}"),
            help,
            amounts,
            |writer, name, (status, container, (resource, amount))| {
                let [namespace, pod, uid, container_name] = of_container(status, container);
                let unit = match resource.as_str() {
                    "cpu" => "core",
                    "memory" | "ephemeral-storage" | "storage" => "byte",
                    _ => "integer",
                };
                let resource = resource.replace(['-', '.', '/'], "_");
                let labels = [
                    namespace,
                    pod,
                    uid,
                    container_name,
                    ("node", &status.pod.node),
                    ("resource", &resource),
                    ("unit", unit),
                ];
                writer.sample(name, &labels, amount.as_f64());
            },
        );
    }
}
