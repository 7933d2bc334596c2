//! Messages of conditions and events, in Kubernetes's words, and what the status shows of metrics.

use tidewatch_autoscale::{
    ConditionKind, ControllerOptions, Decision, Hpa, HpaController, MetricKey, Observed, SelectorState,
};
use tidewatch_manifest::{Quantity, load_text};

const HPA: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: events, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: events}
  maxReplicas: 5
  metrics:
  - type: External
    external:
      metric: {name: lag, selector: {matchLabels: {topic: orders}}}
      target: {type: AverageValue, averageValue: \"10\"}
";

fn controller() -> HpaController {
    let manifests = load_text("hpa.yaml", HPA).unwrap();
    HpaController::new(Hpa::from_manifest(&manifests.autoscalers[0]).unwrap(), ControllerOptions::default())
}

fn observed(replicas: i32, lag: Option<&str>) -> Observed {
    let mut observed = Observed::of_scale(replicas, replicas);
    if let Some(lag) = lag {
        let key = MetricKey::of(&controller().hpa().metrics[0].source).unwrap();
        observed.external_metrics.set(key, Ok(vec![Quantity::parse(lag).unwrap()]));
    }
    observed
}

fn check(decision: &Decision, kind: ConditionKind, message: &str, events: &[&str]) {
    let condition = decision.condition(kind).unwrap();
    assert_eq!(condition.message, message);
    let found: Vec<String> =
        decision.events.iter().map(|event| format!("{}: {}", event.reason, event.message)).collect();
    assert_eq!(found, events);
}

#[test]
fn conditions_and_events_say_what_kubernetes_says() {
    let mut controller = controller();
    let selector = "&LabelSelector{MatchLabels:map[string]string{topic: orders,},MatchExpressions:[]LabelSelectorRequirement{},}";
    let scaled = controller.sync(0, &observed(1, Some("25")), &mut |_| Ok(()));
    let event =
        format!("SuccessfulRescale: New size: 3; reason: external metric lag({selector}) above target");
    let found = format!(
        "the HPA was able to successfully calculate a replica count from external metric lag({selector})"
    );
    check(&scaled, ConditionKind::ScalingActive, &found, &[&event]);
    check(
        &scaled,
        ConditionKind::AbleToScale,
        "the HPA controller was able to update the target scale to 3",
        &[&event],
    );
    assert_eq!(scaled.last_scale_ms, Some(0));
    assert_eq!(scaled.sentence(), "lag 25 of 10 asks for 3");
    let json = serde_json::to_value(&scaled).unwrap();
    assert_eq!(json["currentMetrics"][0]["averageValue"], "25");
    assert_eq!(json["conditions"][1]["type"], "ScalingActive");
    assert_eq!(json["conditions"][1]["status"], "True");

    let blind = controller.sync(15_000, &observed(3, None), &mut |_| Ok(()));
    let failure = format!(
        "unable to get external metric shop/lag/{selector}: no metrics returned from external metrics API"
    );
    let events = [
        format!("FailedGetExternalMetric: {failure}"),
        format!(
            "FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get lag \
             external metric value: failed to get lag external metric: {failure}"
        ),
    ];
    let message = format!("the HPA was unable to compute the replica count: {failure}");
    check(&blind, ConditionKind::ScalingActive, &message, &events.each_ref().map(String::as_str));
    assert_eq!((blind.current_replicas, blind.desired_replicas), (3, 3));
    assert_eq!(blind.condition(ConditionKind::ScalingActive).unwrap().last_transition_ms, 15_000);
    assert_eq!(blind.condition(ConditionKind::AbleToScale).unwrap().last_transition_ms, 0);

    let mut gone = observed(3, None);
    gone.scale = Err("deployments.apps \"events\" not found".into());
    let gone = controller.sync(30_000, &gone, &mut |_| Ok(()));
    check(
        &gone,
        ConditionKind::AbleToScale,
        "the HPA controller was unable to get the target's current scale: deployments.apps \"events\" not found",
        &["FailedGetScale: deployments.apps \"events\" not found"],
    );
    let many = controller.sync(45_000, &observed(9, None), &mut |_| Err("refused".into()));
    check(
        &many,
        ConditionKind::AbleToScale,
        "the HPA controller was unable to update the target scale: refused",
        &[
            "FailedRescale: New size: 5; reason: Current number of replicas above Spec.MaxReplicas; error: refused",
        ],
    );
}

#[test]
fn two_autoscalers_on_one_target_are_told() {
    let mut observed = observed(1, Some("25"));
    observed.selector = SelectorState::Ambiguous {
        selector: "app=events".into(),
        autoscalers: vec!["shop/events".into(), "shop/other".into()],
    };
    let decision = controller().sync(0, &observed, &mut |_| Ok(()));
    let message = "pods by selector app=events are controlled by multiple HPAs: [shop/events shop/other]";
    let events =
        [format!("AmbiguousSelector: {message}"), format!("FailedComputeMetricsReplicas: {message}")];
    check(&decision, ConditionKind::ScalingActive, message, &events.each_ref().map(String::as_str));
    assert!(!decision.scaled);
}
