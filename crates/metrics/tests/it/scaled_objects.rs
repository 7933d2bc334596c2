//! ScaledObjects at work: what their autoscalers are given, and what switches their targets on and off.

use crate::store;
use tidewatch_manifest::load_text;
use tidewatch_metrics::{Poll, ReplicaCounts, Scaler};

/// A ScaledObject with these triggers, fields of its `spec`, and series.
fn scaler(spec: &str, triggers: &str, series: &str) -> Scaler {
    let text = format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: worker, namespace: shop}}\nspec:\n  \
         scaleTargetRef: {{name: worker}}\n{spec}  triggers:\n{triggers}"
    );
    let mut manifests = load_text("so.yaml", &text).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"));
    Scaler::new(manifests.scaled_objects.remove(0), store(series), 0)
}

fn kafka(more: &str) -> String {
    format!(
        "    - {{type: kafka, metadata: {{bootstrapServers: 'k:9092', consumerGroup: g, topic: t{more}}}}}\n"
    )
}

fn prometheus(query: &str, more: &str) -> String {
    format!(
        "    - {{type: prometheus, metadata: {{serverAddress: 'http://p', threshold: '5', query: '{query}'{more}}}}}\n"
    )
}

const REPLICAS: ReplicaCounts = ReplicaCounts { wanted: 2, ready: 2 };

/// Expects a metric's value in thousandths, or a text in its error.
fn check(mut scaler: Scaler, metric: &str, now_ms: i64, expected: Result<i64, &str>) {
    let found = scaler.metric(metric, now_ms, REPLICAS);
    match (found, expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value.milli_value(), expected, "{metric}"),
        (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
        (found, expected) => panic!("{metric}: {found:?} instead of {expected:?}"),
    }
}

const LAG: &str = r#"
    kafka_topic_partition_current_offset{topic="t", partition="0"}: 100x20
    kafka_topic_partition_current_offset{topic="t", partition="1"}: 40x20
    kafka_topic_partition_current_offset{topic="t", partition="2"}: 7x20
    kafka_topic_partition_current_offset{topic="u", partition="0"}: 9x20
    kafka_consumergroup_current_offset{consumergroup="g", topic="t", partition="0"}: 88x20
    kafka_consumergroup_current_offset{consumergroup="g", topic="t", partition="1"}: 40x20
    kafka_consumergroup_current_offset{consumergroup="g", topic="t", partition="2"}: -1x20
    kafka_consumergroup_current_offset{consumergroup="h", topic="u", partition="0"}: 4x20
    kafka_consumergroup_lag{consumergroup="g", topic="t", partition="0"}: 12x20
    kafka_consumergroup_lag{consumergroup="g", topic="t", partition="1"}: 0x20
    kafka_consumergroup_lag{consumergroup="g", topic="t", partition="2"}: -1x20
    kafka_consumergroup_lag{consumergroup="h", topic="u", partition="0"}: 5x20
"#;

#[test]
fn the_lag_is_what_the_exporter_says_of_the_group() {
    let of = |more: &str, series: &str, expected: Result<i64, &str>| {
        check(scaler("", &kafka(more), series), "s0-kafka-t", 300_000, expected);
    };
    of("", LAG, Ok(13_000));
    of(", offsetResetPolicy: earliest", LAG, Ok(19_000));
    of(", partitionLimitation: '0-1'", LAG, Ok(12_000));
    of(", partitionLimitation: '7'", LAG, Err("no series kafka_topic_partition_current_offset"));
    of(", lagThreshold: '2'", LAG, Ok(6_000));
    // The group has never committed anything: one for each partition.
    let topic_only: String =
        LAG.lines().filter(|line| line.contains("_partition_")).map(|line| format!("{line}\n")).collect();
    of("", &topic_only, Ok(3_000));
    // The exporter is gone: that is no lag of 0.
    of("", "", Err("no series kafka_topic_partition_current_offset for topic \"t\"; hint:"));
}

#[test]
fn without_a_topic_all_topics_of_the_group_count() {
    let all = "    - {type: kafka, metadata: {bootstrapServers: 'k:9092', consumerGroup: h}}\n";
    check(scaler("", all, LAG), "s0-kafka-h-topics", 300_000, Ok(5_000));
    check(scaler("", all, ""), "s0-kafka-h-topics", 300_000, Ok(0));
}

#[test]
fn a_query_gives_one_number_or_none() {
    let series = "a{x=\"1\"}: 3.25x20\na{x=\"2\"}: 4x20\nb: NaNx20\n";
    let of = |query: &str, more: &str, expected: Result<i64, &str>| {
        check(scaler("", &prometheus(query, more), series), "s0-prometheus", 300_000, expected);
    };
    of("sum(a)", "", Ok(7_250));
    of("-sum(a)", "", Ok(-7_250));
    of("a", "", Err("prometheus query a returned multiple elements; hint:"));
    of("c", "", Ok(0));
    of("b", "", Ok(0));
    of("c", ", ignoreNullValues: 'false'", Err("target may be lost, the result is empty"));
    of("b", ", ignoreNullValues: 'false'", Err("target may be lost, the result is NaN"));
    of("scalar(sum(a))", "", Err("gives a scalar, not series; hint: wrap"));
    of("sum(", "", Err("query \"sum(\":"));
    check(
        scaler("", &prometheus("a", ""), series),
        "s1-prometheus",
        300_000,
        Err("has no metric \"s1-prometheus\""),
    );
}

fn polled(scaler: &mut Scaler, now_ms: i64, wanted: u32) -> Poll {
    assert!(scaler.is_due(now_ms), "{now_ms}");
    let poll = scaler.poll(now_ms, ReplicaCounts { wanted, ready: wanted });
    assert!(!scaler.is_due(now_ms + 29_999));
    poll
}

fn reason(poll: &Poll, kind: &str) -> Option<&'static str> {
    poll.conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.reason)
}

#[test]
fn lag_switches_on_and_its_end_switches_off_after_the_cooldown() {
    // Work from 30 s to 60 s.
    let series = "work: 0 0 8 8 8 0x40\n";
    let mut scaler = scaler("  cooldownPeriod: 120\n", &prometheus("work", ""), series);
    assert_eq!(polled(&mut scaler, 0, 1).scale_to, None, "not before the initial cool-down is over");
    assert_eq!(polled(&mut scaler, 30_000, 0).scale_to, Some(1));
    let poll = polled(&mut scaler, 60_000, 1);
    assert_eq!((poll.scale_to, reason(&poll, "Active")), (None, Some("ScalerActive")));
    for now in [90_000, 120_000, 150_000, 180_000] {
        let poll = polled(&mut scaler, now, 2);
        assert_eq!((poll.scale_to, reason(&poll, "Active")), (None, Some("ScalerCooldown")), "{now}");
    }
    let poll = polled(&mut scaler, 210_000, 2);
    assert_eq!((poll.scale_to, reason(&poll, "Active")), (Some(0), Some("ScalerNotActive")));
    assert_eq!(poll.event.unwrap().message, "Deactivated Deployment shop/worker from 2 to 0");
}

#[test]
fn a_trigger_that_fails_keeps_the_replicas_until_the_fallback_holds() {
    let spec = "  minReplicaCount: 1\n  fallback: {failureThreshold: 2, replicas: 6}\n";
    let mut scaler = scaler(spec, &kafka(", lagThreshold: '50'"), "");
    for now in [0, 15_000] {
        assert!(scaler.metric("s0-kafka-t", now, REPLICAS).is_err(), "{now}");
    }
    assert_eq!(
        scaler.metric("s0-kafka-t", 30_000, REPLICAS).unwrap().milli_value(),
        300_000,
        "50 each for 6"
    );
    let poll = polled(&mut scaler, 30_000, 2);
    assert_eq!((reason(&poll, "Fallback"), poll.failures.len()), (Some("FallbackExists"), 0));
    assert_eq!(reason(&poll, "Active"), Some("ScalerActive"), "a fallback counts as work");
}

#[test]
fn a_fallback_can_go_by_the_replicas_there_are() {
    let of = |behavior: &str, whole: bool, replicas: ReplicaCounts, expected: Option<i64>| {
        let spec = format!("  fallback: {{failureThreshold: 0, replicas: 6, behavior: {behavior}}}\n");
        let kind = if whole { "Value" } else { "AverageValue" };
        let trigger = kafka("").replace("type: kafka", &format!("type: kafka, metricType: {kind}"));
        let value = scaler(&spec, &trigger, "").metric("s0-kafka-t", 0, replicas);
        assert_eq!(value.ok().map(|value| value.milli_value()), expected, "{behavior} {whole} {replicas:?}");
    };
    let counts = |wanted, ready| ReplicaCounts { wanted, ready };
    of("static", false, counts(2, 2), Some(60_000));
    of("currentReplicas", false, counts(2, 2), Some(20_000));
    of("currentReplicasIfHigher", false, counts(8, 2), Some(80_000));
    of("currentReplicasIfHigher", false, counts(2, 2), Some(60_000));
    of("currentReplicasIfLower", false, counts(2, 2), Some(20_000));
    of("currentReplicasIfLower", false, counts(8, 2), Some(60_000));
    of("static", true, counts(4, 4), Some(15_000));
    of("static", true, counts(4, 0), None);
}

#[test]
fn a_cached_metric_is_that_of_the_last_poll() {
    let trigger =
        prometheus("work", "").replace("type: prometheus", "type: prometheus, useCachedMetrics: true");
    let mut scaler = scaler("", &trigger, "work: 1 2 3 4\n");
    let value =
        |scaler: &mut Scaler, now| scaler.metric("s0-prometheus", now, REPLICAS).unwrap().milli_value();
    assert_eq!(value(&mut scaler, 0), 1_000, "before the first poll it is read");
    scaler.poll(15_000, REPLICAS);
    assert_eq!(value(&mut scaler, 45_000), 2_000);
}

#[test]
fn cpu_alone_is_always_active() {
    let cpu = "    - {type: cpu, metricType: Utilization, metadata: {value: '60'}}\n";
    let mut scaler = scaler("", cpu, "");
    let poll = polled(&mut scaler, 0, 0);
    assert_eq!((poll.scale_to, reason(&poll, "Active")), (Some(1), Some("ScalerActive")));
}
