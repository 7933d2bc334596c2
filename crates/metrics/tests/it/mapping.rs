//! Which series a metric of an autoscaler is.

use crate::store;
use tidewatch_manifest::LabelSelector;
use tidewatch_metrics::CustomMetrics;

const SERIES: &str = r#"
    queue_length{namespace="shop", pod="web-1"}: 5x20
    queue_length{namespace="shop", pod="web-2"}: 7.5x20
    queue_length{namespace="other", pod="web-1"}: 100x20
    http_requests_total{namespace="shop", pod="web-1", service="web", code="200"}: 0+150x20
    http_requests_total{namespace="shop", pod="web-1", service="web", code="500"}: 0+15x20
    http_requests_total{namespace="shop", pod="web-2", service="web", code="200"}: 0+300x20
    work_seconds_total{namespace="shop", pod="web-1"}: 0+7.5x20
    sick{namespace="shop", pod="web-1", service="web"}: NaNx20
    jobs{queue="mail"}: 3x20
    jobs{queue="report"}: 4x20
    old{namespace="shop", pod="web-1"}: 1
"#;
const NOW: i64 = 300_000;

fn selector(key: &str, value: &str) -> Option<LabelSelector> {
    Some(LabelSelector {
        match_labels: [(key.to_owned(), value.to_owned())].into(),
        ..LabelSelector::default()
    })
}

fn of_pods(metric: &str, selector: Option<&LabelSelector>, pods: &[&str], expected: &[(&str, i64)]) {
    let found =
        CustomMetrics::new(store(SERIES)).pods("shop", metric, selector, pods, NOW).expect("an answer");
    let found: Vec<(&str, i64)> =
        found.iter().map(|(pod, value)| (pod.as_str(), value.milli_value())).collect();
    assert_eq!(found, expected, "{metric}");
}

#[test]
fn metrics_of_pods_are_sums_by_pod_and_counters_are_rates() {
    of_pods("queue_length", None, &["web-1", "web-2"], &[("web-1", 5_000), ("web-2", 7_500)]);
    of_pods("queue_length", None, &["web-2", "web-3"], &[("web-2", 7_500)]);
    of_pods("queue_length", None, &[], &[]);
    of_pods("http_requests", None, &["web-1", "web-2"], &[("web-1", 11_000), ("web-2", 20_000)]);
    of_pods("http_requests", selector("code", "500").as_ref(), &["web-1", "web-2"], &[("web-1", 1_000)]);
    of_pods("work", None, &["web-1"], &[("web-1", 500)]);
    of_pods("sick", None, &["web-1"], &[]);
    of_pods("nothing", None, &["web-1"], &[]);
    // A name is no pattern.
    of_pods("queue_length", None, &["web-."], &[]);
}

#[test]
fn metrics_of_objects_go_by_the_label_of_their_kind() {
    let of = |object: (&str, &str), metric: &str| {
        let found = CustomMetrics::new(store(SERIES)).object("shop", object, metric, None, NOW);
        found.map(|value| value.milli_value()).map_err(|error| error.to_string())
    };
    assert_eq!(of(("Service", "web"), "http_requests"), Ok(31_000));
    assert_eq!(of(("Pod", "web-1"), "queue_length"), Ok(5_000));
    assert_eq!(of(("Namespace", "shop"), "queue_length"), Ok(12_500));
    for (object, metric) in [(("Service", "api"), "http_requests"), (("Service", "web"), "sick")] {
        let error = of(object, metric).unwrap_err();
        assert!(
            error.contains(&format!("no series for metric {metric:?}")) && error.contains("hint:"),
            "{error}"
        );
    }
}

#[test]
fn external_metrics_are_sums_of_what_the_selector_matches() {
    let of = |metric: &str, selector: Option<LabelSelector>| {
        let found = CustomMetrics::new(store(SERIES)).external(metric, selector.as_ref(), NOW).unwrap();
        found.iter().map(|value| value.milli_value()).collect::<Vec<_>>()
    };
    assert_eq!(of("jobs", None), [7_000]);
    assert_eq!(of("jobs", selector("queue", "mail")), [3_000]);
    assert_eq!(of("jobs", selector("queue", "none")), [] as [i64; 0]);
    assert_eq!(of("old", None), [] as [i64; 0], "too long ago");
}
