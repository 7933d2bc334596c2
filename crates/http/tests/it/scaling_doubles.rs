//! Stand-ins for autoscalers and the metrics they are given.

use crate::served::NOW;
use std::sync::Arc;
use tidewatch_autoscale::{
    AutoscalerView, Condition, ConditionKind, Decided, Decision, MetricSpec, MetricTarget, MetricValue,
    MetricView, ObjectRef, Observed, Origin, ScaledObjectView, Scaling, ScalingEvent, Step, TargetKind,
};
use tidewatch_http::{Autoscaling, CustomMetrics, ExternalMetrics, MetricFailure, ResourceMetrics};
use tidewatch_manifest::{LabelSelector, MetricSource, Quantity};
use tidewatch_metrics::{ContainerMetrics, NodeMetrics, PodMetrics};

pub(crate) const NAMESPACE: &str = "todo-app-prod";

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap()
}

fn metric(source: MetricSource, target: MetricTarget, current: Option<MetricValue>) -> MetricView {
    MetricView { spec: MetricSpec { source, target }, current }
}

/// CPU and memory of the backend: 2 to 10, at 4, scaled a minute ago.
pub(crate) fn backend() -> AutoscalerView {
    let percent = |percent| MetricTarget {
        kind: TargetKind::Utilization,
        average_utilization: Some(percent),
        value: None,
        average_value: None,
    };
    let cpu =
        MetricValue { average_utilization: Some(143), average_value: Some(quantity("143m")), value: None };
    AutoscalerView {
        namespace: NAMESPACE.to_owned(),
        name: "todo-backend-hpa".to_owned(),
        origin: Origin::HorizontalPodAutoscaler,
        target_kind: "Deployment".to_owned(),
        target_name: "todo-backend".to_owned(),
        min_replicas: 2,
        max_replicas: 10,
        current_replicas: 2,
        desired_replicas: 4,
        last_scale_ms: Some(NOW - 60_000),
        created_ms: NOW - 3_600_000,
        last_sync_ms: Some(NOW - 1_500),
        conditions: vec![Condition {
            kind: ConditionKind::AbleToScale,
            status: true,
            reason: "SucceededRescale",
            message: "the HPA controller was able to update the target scale to 4".into(),
            last_transition_ms: NOW - 3_500_000,
        }],
        metrics: vec![
            metric(MetricSource::Resource { name: "cpu".to_owned() }, percent(70), Some(cpu)),
            metric(MetricSource::Resource { name: "memory".to_owned() }, percent(80), None),
        ],
        scaled_object: None,
    }
}

/// The event service, by the lag of its consumers, out of a ScaledObject; it has not synced yet.
pub(crate) fn event_service() -> AutoscalerView {
    let selector = LabelSelector {
        match_labels: [("scaledobject.keda.sh/name".to_owned(), "event-service".to_owned())].into(),
        ..LabelSelector::default()
    };
    let lag = MetricSource::External { name: "s0-kafka-task-events".to_owned(), selector: Some(selector) };
    let target = MetricTarget {
        kind: TargetKind::AverageValue,
        average_utilization: None,
        value: None,
        average_value: Some(quantity("10")),
    };
    AutoscalerView {
        name: "keda-hpa-event-service".to_owned(),
        origin: Origin::ScaledObject,
        target_name: "event-service".to_owned(),
        min_replicas: 1,
        max_replicas: 5,
        current_replicas: 0,
        desired_replicas: 0,
        last_scale_ms: None,
        last_sync_ms: None,
        conditions: Vec::new(),
        metrics: vec![metric(lag, target, None)],
        scaled_object: Some(ScaledObjectView { name: "event-service".to_owned(), ..Default::default() }),
        ..backend()
    }
}

/// What the backend's autoscaler decided: nothing at first, then to go from 2 to 4.
fn decided() -> Vec<Arc<Decided>> {
    let decision = Decision {
        time_ms: NOW - 60_000,
        current_replicas: 2,
        desired_replicas: 4,
        scaled: true,
        last_scale_ms: Some(NOW - 60_000),
        conditions: backend().conditions,
        current_metrics: backend().metrics.iter().map(|metric| metric.current).collect(),
        events: vec![ScalingEvent {
            reason: "SuccessfulRescale",
            message: "New size: 4; reason: cpu resource utilization above target".to_owned(),
            warning: false,
        }],
        steps: vec![Step::Disabled],
    };
    let earlier = Decision { time_ms: NOW - 75_250, desired_replicas: 2, scaled: false, ..decision.clone() };
    let with_input = |decision| Arc::new(Decided { decision, observed: Observed::of_scale(2, 2) });
    vec![with_input(decision), with_input(earlier)]
}

pub(crate) struct TwoAutoscalers;

impl Autoscaling for TwoAutoscalers {
    fn autoscalers(&self) -> Vec<AutoscalerView> {
        vec![backend(), event_service()]
    }

    fn decisions(&self, namespace: &str, name: &str, limit: usize) -> Option<Vec<Arc<Decided>>> {
        let known = namespace == NAMESPACE && name == "todo-backend-hpa";
        known.then(|| decided().into_iter().take(limit).collect())
    }

    fn scalings(&self, from_ms: i64, to_ms: i64) -> Vec<Scaling> {
        let scaling = |time_ms, from, to, text: &str| Scaling {
            time_ms,
            autoscaler: "todo-backend-hpa".to_owned(),
            target: ObjectRef {
                kind: "Deployment".to_owned(),
                namespace: NAMESPACE.to_owned(),
                name: "todo-backend".to_owned(),
            },
            from,
            to,
            text: text.to_owned(),
        };
        let all = [
            scaling(NOW - 600_000, 4, 2, "all metrics are below their targets"),
            scaling(NOW - 60_000, 2, 4, "CPU 143 % of 70 % asks for 5; the 100 %/30 s policy allows 4"),
        ];
        all.into_iter().filter(|scaling| (from_ms..=to_ms).contains(&scaling.time_ms)).collect()
    }

    fn write_metrics(&self, out: &mut String) {
        out.push_str("horizontal_pod_autoscaler_controller_num_horizontal_pod_autoscalers 2\n");
    }
}

/// One pod with two containers, and the node; or nothing, with the reason.
pub(crate) struct Measured(pub(crate) Result<(), String>);

impl ResourceMetrics for Measured {
    fn pods(&self) -> Result<Vec<PodMetrics>, String> {
        self.0.clone()?;
        let container = |name: &str, cpu_nano_cores, memory_bytes| ContainerMetrics {
            name: name.to_owned(),
            cpu_nano_cores,
            memory_bytes,
        };
        Ok(vec![PodMetrics {
            namespace: NAMESPACE.to_owned(),
            name: "todo-backend-1".to_owned(),
            labels: [("app".to_owned(), "todo-backend".to_owned())].into(),
            timestamp_ms: NOW - 4_600,
            window_ms: 15_012,
            containers: vec![
                container("backend", 143_256_789, 52_428_800),
                container("daprd", 2_000_000, 1_234_000),
            ],
        }])
    }

    fn nodes(&self) -> Result<Vec<NodeMetrics>, String> {
        self.0.clone()?;
        Ok(vec![NodeMetrics {
            name: "local".to_owned(),
            timestamp_ms: NOW - 4_600,
            window_ms: 15_000,
            cpu_nano_cores: 500_000_000,
            memory_bytes: 1 << 30,
        }])
    }
}

/// `http_requests` of pods, `queue_length` of a Service, a lag from outside; nothing else.
pub(crate) struct OneOfEach;

impl CustomMetrics for OneOfEach {
    fn pods(
        &self,
        namespace: &str,
        metric: &str,
        _: Option<&LabelSelector>,
        pods: &[&str],
    ) -> Result<Vec<(String, Quantity)>, MetricFailure> {
        if (namespace, metric) != (NAMESPACE, "http_requests") {
            return Err(MetricFailure::NotFound(format!("no series for metric {metric:?} of pods")));
        }
        Ok(pods.iter().map(|pod| ((*pod).to_owned(), quantity("1200m"))).collect())
    }

    fn object(
        &self,
        _: &str,
        kind: &str,
        name: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Quantity, MetricFailure> {
        match (kind, name, metric, selector) {
            ("Service", "web", "queue_length", None) => Ok(quantity("7")),
            ("Service", "web", "queue_length", Some(_)) => Ok(quantity("3")),
            ("Namespace", NAMESPACE, "pods_ready", None) => Ok(quantity("2k")),
            _ => Err(MetricFailure::Unavailable("the store is closed".to_owned())),
        }
    }
}

impl ExternalMetrics for OneOfEach {
    fn values(
        &self,
        namespace: &str,
        metric: &str,
        selector: Option<&LabelSelector>,
    ) -> Result<Vec<Quantity>, MetricFailure> {
        let of = selector.and_then(|selector| selector.match_expressions.first());
        match (namespace, metric, of.map(|of| of.values[0].as_str())) {
            (NAMESPACE, "s0-kafka-task-events", Some("event-service")) => Ok(vec![quantity("42")]),
            _ => Err(MetricFailure::NotFound(format!("no metric {metric:?}"))),
        }
    }
}
