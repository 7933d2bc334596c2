//! What becomes of events: taken, tried again, dropped, dead letters; in order and within bounds.

use crate::fixture::{App, Asked, World, ask, publish, subscription, until, until_counted};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn success(_: &Asked, _: usize) -> (u16, String) {
    (200, String::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_goes_from_one_application_to_another() {
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 3)]);
    let app = App::start(success).await;
    let sidecar = world.start(Some(&app)).await;
    publish(&sidecar, "things", "k", "hello").await;
    let asked = app.wait_for(1).await;
    assert_eq!(asked[0].path, "/events");
    let header = |name: &str| asked[0].headers.get(name).map(String::as_str);
    assert_eq!(header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(
        (header("__key"), header("partitionkey"), header("pubsubname")),
        (Some("k"), Some("k"), Some("bus"))
    );
    assert_eq!((header("__offset"), header("__topic")), (Some("0"), Some("things")));
    let event = asked[0].json();
    assert_eq!((event["source"].as_str(), event["data"].as_str()), (Some("app"), Some("hello")));
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_taken_comes_again_before_what_follows() {
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 1)]);
    let app = App::start(|asked, earlier| match (asked.data().as_str(), earlier) {
        ("first", 0) => (200, r#"{"status":"RETRY"}"#.to_owned()),
        ("first", 1) => (500, "broken".to_owned()),
        ("first", 2) => (200, r#"{"status":"LATER"}"#.to_owned()),
        _ => (200, r#"{"status":"SUCCESS"}"#.to_owned()),
    })
    .await;
    let sidecar = world.start(Some(&app)).await;
    publish(&sidecar, "things", "k", "first").await;
    publish(&sidecar, "things", "k", "second").await;
    let came: Vec<String> = app.wait_for(5).await.iter().map(Asked::data).collect();
    assert_eq!(came, ["first", "first", "first", "first", "second"]);
    let counted = [("retry", 3), ("success", 2)].map(|(status, count)| {
        format!(
            "dapr_component_pubsub_ingress_count{{app_id=\"app\",component=\"bus\",namespace=\"ns\",process_status=\"{status}\",status=\"{status}\",topic=\"things\"}} {count}"
        )
    });
    until_counted(&sidecar, &counted).await;
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_or_fails_becomes_a_dead_letter_as_in_daprd() {
    let files = [
        subscription("things", "/events", Some("dead")),
        subscription("quiet", "/quiet", None),
        subscription("dead", "/dead", None),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let world = World::with_topics(&files, &[("things", 1), ("dead", 1), ("quiet", 1)]);
    let app = App::start(|asked, _| match (asked.path.as_str(), asked.data().as_str()) {
        ("/dead", _) => (200, String::new()),
        (_, "drop") => (200, r#"{"status":"DROP"}"#.to_owned()),
        (_, "fail") => (503, String::new()),
        (_, "nowhere") => (404, String::new()),
        _ => (200, String::new()),
    })
    .await;
    let sidecar = world.start(Some(&app)).await;
    publish(&sidecar, "things", "k", "drop").await;
    publish(&sidecar, "things", "k", "fail").await;
    publish(&sidecar, "things", "k", "nowhere").await;
    publish(&sidecar, "quiet", "k", "drop").await;
    publish(&sidecar, "quiet", "k", "fine").await;
    publish(&sidecar, "things", "k", "last").await;
    until("both dead letters and the last event", || {
        let asked = app.asked();
        let dead = asked.iter().filter(|one| one.path == "/dead").count();
        dead >= 2 && ["fine", "last"].iter().all(|text| asked.iter().any(|one| one.data() == *text))
    })
    .await;
    let asked = app.asked();
    let dead: Vec<(String, Option<&String>)> = asked
        .iter()
        .filter(|one| one.path == "/dead")
        .map(|one| (one.data(), one.headers.get("__topic")))
        .collect();
    // A dead letter's headers tell where it came from.
    let origin = "things".to_owned();
    assert_eq!(dead, [("drop".to_owned(), Some(&origin)), ("fail".to_owned(), Some(&origin))]);
    assert_eq!(asked.len(), 8, "without a retry policy each was tried once: {asked:?}");
    sidecar.shutdown().await;
}

const RESILIENCY: &str = "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: r}\nspec:\n  policies:\n    timeouts: {short: 200ms}\n    retries:\n      twice: {policy: constant, duration: 10ms, maxRetries: 2}\n  targets:\n    components:\n      bus:\n        inbound: {retry: twice, timeout: short}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_comes_before_the_dead_letter() {
    let files = [
        subscription("things", "/events", Some("dead")),
        subscription("dead", "/dead", None),
        RESILIENCY.to_owned(),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let world = World::with_topics(&files, &[("things", 1), ("dead", 1)]);
    let app = App::start(|asked, earlier| match (asked.path.as_str(), asked.data().as_str()) {
        ("/events", "fail") => (500, String::new()),
        ("/events", "once") if earlier == 0 => (500, String::new()),
        _ => (200, String::new()),
    })
    .await;
    let sidecar = world.start(Some(&app)).await;
    publish(&sidecar, "things", "k", "fail").await;
    publish(&sidecar, "things", "k", "once").await;
    app.wait_for(6).await;
    let count = |path: &str, text: &str| {
        app.asked().iter().filter(|one| one.path == path && one.data() == text).count()
    };
    assert_eq!((count("/events", "fail"), count("/dead", "fail")), (3, 1));
    assert_eq!((count("/events", "once"), count("/dead", "once")), (2, 0));
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_choose_the_path_and_raw_payloads_get_an_envelope() {
    let world = World::with_topics(&[], &[("things", 1), ("raw", 1)]);
    let app = App::start(|asked, _| match asked.path.as_str() {
        "/dapr/subscribe" => (
            200,
            r#"[{"pubsubname":"bus","topic":"things","routes":{"rules":[{"match":"event.type == 'a'","path":"/a"}]}},
                {"pubsubname":"bus","topic":"raw","route":"/raw","metadata":{"rawPayload":"true"}},
                {"pubsubname":"nothing","topic":"x","route":"/x"}]"#
                .to_owned(),
        ),
        _ => (200, String::new()),
    })
    .await;
    let sidecar = world.start(Some(&app)).await;
    let api = sidecar.api_addresses()[0];
    let event = |kind: &str| format!(r#"{{"id":"1","type":"{kind}","data":"x"}}"#);
    let head = "Content-Type: application/cloudevents+json\r\n";
    ask(api, "POST", "/v1.0/publish/bus/things", head, &event("b")).await;
    ask(api, "POST", "/v1.0/publish/bus/things", head, &event("a")).await;
    ask(api, "POST", "/v1.0/publish/bus/raw?metadata.rawPayload=true", "", "bytes").await;
    let mut asked = app.wait_for(2).await;
    asked.sort_by(|a, b| a.path.cmp(&b.path));
    let paths: Vec<&str> = asked.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["/a", "/raw"]);
    assert_eq!(asked[1].json()["data_base64"], "Ynl0ZXM=");
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_for_a_key_and_one_event_of_a_partition_is_under_way() {
    const PARTITIONS: i32 = 3;
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", PARTITIONS)]);
    let app = App::start(success).await;
    let sidecar = world.start(Some(&app)).await;
    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..60 {
        let (key, text) = (format!("k{}", number % 7), number.to_string());
        publish(&sidecar, "things", &key, &text).await;
        sent.entry(key).or_default().push(text);
    }
    let mut came: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in app.wait_for(60).await {
        came.entry(one.headers["__key"].clone()).or_default().push(one.data());
    }
    assert_eq!(came, sent);
    assert!(app.most_at_once() <= PARTITIONS as usize, "{} at once", app.most_at_once());
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_tried_for_long_holds_up_its_own_partition_only() {
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 8)]);
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let app = App::start(move |asked, _| match asked.headers.get("__key").map(String::as_str) {
        Some("stuck") if !gate.load(Ordering::Acquire) => (500, String::new()),
        _ => (200, String::new()),
    })
    .await;
    let sidecar = world.start(Some(&app)).await;
    // More than a lane holds, so that the partition is paused and goes on later.
    for number in 0..400 {
        publish(&sidecar, "things", "stuck", &format!("stuck {number}")).await;
    }
    for number in 0..20 {
        publish(&sidecar, "things", &format!("free{number}"), "free").await;
    }
    let partition_of = |asked: &[Asked], key: &str| {
        asked.iter().find(|one| one.headers["__key"] == key).map(|one| one.headers["__partition"].clone())
    };
    until("free events beside a stuck one", || {
        let asked = app.asked();
        let stuck = partition_of(&asked, "stuck");
        // Those keys that share the partition wait, the others do not.
        stuck.is_some() && asked.iter().filter(|one| one.data() == "free").count() >= 8
    })
    .await;
    open.store(true, Ordering::Release);
    until("all events", || {
        let asked = app.asked();
        asked.iter().any(|one| one.data() == "stuck 399")
            && asked.iter().filter(|one| one.data() == "free").count() == 20
    })
    .await;
    let mut taken: Vec<String> =
        app.asked().iter().filter(|one| one.headers["__key"] == "stuck").map(Asked::data).collect();
    taken.dedup();
    let expected: Vec<String> = (0..400).map(|number| format!("stuck {number}")).collect();
    assert_eq!(taken, expected, "none is lost, none overtakes, none comes twice once taken");
    sidecar.shutdown().await;
}
