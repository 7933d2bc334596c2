//! What pods request of a resource, which utilisation is measured against.
//!
//! Input: the pods seen. Output: thousandths for each pod, or the controller's complaint about a container without a
//! request. Usage is not looked at.

use crate::PodView;
use std::sync::Arc;
use tidewatch_manifest::Quantity;

/// The request of each pod: of one container, or of all when none is named.
///
/// # Errors
/// When a container has no request for the resource; the text is Kubernetes's.
pub(crate) fn of_pods(
    pods: &[PodView],
    resource: &str,
    container: Option<&str>,
    pod_level: bool,
) -> Result<Vec<i64>, String> {
    pods.iter()
        .map(|pod| {
            let of_whole_pod = pod_level
                && container.is_none()
                && pod.requests.iter().any(|(name, _)| is_pod_level_resource(name));
            if of_whole_pod {
                pod_level_request(pod, resource)
            } else {
                of_containers(pod, resource, container)
            }
        })
        .collect()
}

fn is_pod_level_resource(name: &str) -> bool {
    name == "cpu" || name == "memory" || name.starts_with("hugepages-")
}

/// The pod's own request where it has one, else the sum of its containers', which here may lack some.
fn pod_level_request(pod: &PodView, resource: &str) -> Result<i64, String> {
    let own = find(&pod.requests, resource).filter(|_| is_pod_level_resource(resource));
    let of_containers = || {
        pod.containers
            .iter()
            .filter_map(|container| find(&container.requests, resource))
            .reduce(Quantity::plus)
    };
    own.or_else(of_containers)
        .map(Quantity::milli_value)
        .ok_or_else(|| format!("missing pod-level request for {resource} in Pod {}", pod.name))
}

fn of_containers(pod: &PodView, resource: &str, only: Option<&str>) -> Result<i64, String> {
    // sidecars come last: the first container without a request is the one that is named
    let containers = [false, true]
        .into_iter()
        .flat_map(|sidecar| pod.containers.iter().filter(move |container| container.sidecar == sidecar));
    let mut sum = 0_i64;
    for container in containers.filter(|container| only.is_none_or(|name| *container.name == *name)) {
        let request = find(&container.requests, resource).ok_or_else(|| {
            format!("missing request for {resource} in container {} of Pod {}", container.name, pod.name)
        })?;
        sum = sum.wrapping_add(request.milli_value());
    }
    Ok(sum)
}

fn find(amounts: &[(Arc<str>, Quantity)], resource: &str) -> Option<Quantity> {
    amounts.iter().find(|(name, _)| **name == *resource).map(|(_, amount)| *amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContainerView, PodPhase};

    fn amounts(text: &str) -> Vec<(Arc<str>, Quantity)> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.into(), Quantity::parse(value).unwrap())).collect()
    }

    fn pod(own: &str, containers: &[(&str, bool, &str)]) -> PodView {
        let container = |&(name, sidecar, requests): &(&str, bool, &str)| ContainerView {
            name: name.into(),
            sidecar,
            requests: amounts(requests),
        };
        PodView {
            name: "p".into(),
            phase: PodPhase::Running,
            ready: Some(true),
            ready_transition_ms: None,
            start_ms: None,
            deleted: false,
            requests: amounts(own).into(),
            containers: containers.iter().map(container).collect(),
        }
    }

    #[test]
    fn requests_are_summed() {
        let check = |pod: PodView, container: Option<&str>, pod_level: bool, expected: Result<i64, &str>| {
            let found = of_pods(std::slice::from_ref(&pod), "cpu", container, pod_level);
            assert_eq!(found.map(|requests| requests[0]), expected.map_err(str::to_owned), "{pod:?}");
        };
        let both = || pod("", &[("a", false, "cpu=100m"), ("s", true, "cpu=1")]);
        check(both(), None, true, Ok(1100));
        check(both(), Some("s"), true, Ok(1000));
        check(both(), Some("z"), true, Ok(0));
        let one = || pod("", &[("s", true, "memory=1"), ("a", false, "cpu=100m")]);
        check(one(), None, true, Err("missing request for cpu in container s of Pod p"));
        check(one(), Some("a"), true, Ok(100));
        let own = || pod("cpu=2", &[("a", false, "")]);
        check(own(), None, true, Ok(2000));
        check(own(), None, false, Err("missing request for cpu in container a of Pod p"));
        check(own(), Some("a"), true, Err("missing request for cpu in container a of Pod p"));
        // another resource for the whole pod: containers are summed before rounding, and may lack it
        check(pod("memory=1Gi", &[("a", false, "cpu=100n"), ("b", false, "")]), None, true, Ok(1));
        check(pod("memory=1Gi", &[("a", false, "cpu=100n"), ("b", true, "cpu=100n")]), None, true, Ok(1));
        check(pod("memory=1Gi", &[]), None, true, Err("missing pod-level request for cpu in Pod p"));
        check(pod("example.com/gpu=1", &[("a", false, "cpu=1")]), None, true, Ok(1000));
    }
}
