//! The relabel rules that the Prometheus operator generates for an endpoint of a ServiceMonitor, in its order.
//!
//! Input: a monitor and one of its endpoints. Output: the rules before the user's own. The order matters: a later rule
//! overwrites an earlier one, which is how `podTargetLabels` can win over `pod`, and nothing over `job` but `jobLabel`.

use crate::endpoints::sanitize;
use tidewatch_manifest::{MonitorEndpoint, MonitorPort, SelectorRequirement, ServiceMonitor};
use tidewatch_model::{RelabelAction, RelabelError, RelabelRule};

const NAMESPACE: &str = "__meta_kubernetes_namespace";
const SERVICE: &str = "__meta_kubernetes_service_name";
const POD: &str = "__meta_kubernetes_pod_name";
const CONTAINER: &str = "__meta_kubernetes_pod_container_name";
const TARGET: [&str; 2] =
    ["__meta_kubernetes_endpoint_address_target_kind", "__meta_kubernetes_endpoint_address_target_name"];

type Rules = Result<Vec<RelabelRule>, RelabelError>;

/// All rules of an endpoint, the user's own last.
pub(crate) fn generate(monitor: &ServiceMonitor, endpoint: &MonitorEndpoint) -> Rules {
    let mut rules = vec![copy(&["job"], "__tmp_prometheus_job_name")?];
    for (name, value) in &monitor.selector.match_labels {
        rules.push(with_label(RelabelAction::Keep, name, &format!("({value});true"))?);
    }
    for requirement in &monitor.selector.match_expressions {
        rules.push(requirement_rule(requirement)?);
    }
    rules.extend(endpoint.port.as_ref().map(port_rule).transpose()?);
    rules.push(RelabelRule::replace(&TARGET, "Node;(.*)", "node", "${1}")?);
    rules.push(RelabelRule::replace(&TARGET, "Pod;(.*)", "pod", "${1}")?);
    for (source, target) in
        [(NAMESPACE, "namespace"), (SERVICE, "service"), (POD, "pod"), (CONTAINER, "container")]
    {
        rules.push(copy(&[source], target)?);
    }
    if endpoint.filter_running {
        rules.push(matching(RelabelAction::Drop, &["__meta_kubernetes_pod_phase"], "(Failed|Succeeded)")?);
    }
    for label in &monitor.target_labels {
        rules.push(copy_label("service", label, &sanitize(label))?);
    }
    for label in &monitor.pod_target_labels {
        rules.push(copy_label("pod", label, &sanitize(label))?);
    }
    rules.push(RelabelRule::replace(&[SERVICE], "(.*)", "job", "${1}")?);
    if let Some(label) = &monitor.job_label {
        rules.push(copy_label("service", label, "job")?);
    }
    if let Some(port) = &endpoint.port {
        rules.push(RelabelRule::replace(&[], "(.*)", "endpoint", &port.label())?);
    }
    rules.extend(endpoint.relabelings.iter().cloned());
    Ok(rules)
}

fn copy(source: &[&str], target: &str) -> Result<RelabelRule, RelabelError> {
    RelabelRule::replace(source, "(.*)", target, "$1")
}

/// Copies a label of the Service or pod where it has a value.
fn copy_label(object: &str, label: &str, target: &str) -> Result<RelabelRule, RelabelError> {
    let source = format!("__meta_kubernetes_{object}_label_{}", sanitize(label));
    RelabelRule::replace(&[&source], "(.+)", target, "${1}")
}

fn matching(action: RelabelAction, source: &[&str], regex: &str) -> Result<RelabelRule, RelabelError> {
    let source = source.iter().map(|label| (*label).to_owned()).collect();
    RelabelRule::new(action, source, None, Some(regex), None, None, None)
}

fn with_label(action: RelabelAction, label: &str, regex: &str) -> Result<RelabelRule, RelabelError> {
    let label = sanitize(label);
    let value = format!("__meta_kubernetes_service_label_{label}");
    let present = format!("__meta_kubernetes_service_labelpresent_{label}");
    matching(action, &[&value, &present], regex)
}

fn requirement_rule(requirement: &SelectorRequirement) -> Result<RelabelRule, RelabelError> {
    let present = format!("__meta_kubernetes_service_labelpresent_{}", sanitize(&requirement.key));
    let one_of = format!("({});true", requirement.values.join("|"));
    match requirement.operator.as_str() {
        "In" => with_label(RelabelAction::Keep, &requirement.key, &one_of),
        "NotIn" => with_label(RelabelAction::Drop, &requirement.key, &one_of),
        "Exists" => matching(RelabelAction::Keep, &[&present], "true"),
        _ => matching(RelabelAction::Drop, &[&present], "true"),
    }
}

fn port_rule(port: &MonitorPort) -> Result<RelabelRule, RelabelError> {
    let source = match port {
        MonitorPort::Service(_) => "__meta_kubernetes_endpoint_port_name",
        MonitorPort::ContainerName(_) => "__meta_kubernetes_pod_container_port_name",
        MonitorPort::ContainerNumber(_) => "__meta_kubernetes_pod_container_port_number",
    };
    RelabelRule::keep(&[source], &port.label())
}
