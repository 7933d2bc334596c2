//! What is away comes back: the application, the sidecar, the brokers. No event is lost, none is taken as delivered that was not.

use crate::fixture::{App, Asked, World, ask, publish, start, subscription, until};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidewatch_sidecar::{AppHealthOptions, Sidecar, SidecarOptions};

fn success(_: &Asked, _: usize) -> (u16, String) {
    (200, String::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_comes_again_after_a_restart_and_what_was_does_not() {
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 1)]);
    let app = App::start(
        |asked, _| if asked.data() == "taken" { (200, String::new()) } else { (500, String::new()) },
    )
    .await;
    let sidecar = world.start(Some(&app)).await;
    for text in ["taken", "not taken", "behind it"] {
        publish(&sidecar, "things", "k", text).await;
    }
    app.wait_for(2).await;
    sidecar.shutdown().await;
    drop(app);
    let app = App::start(success).await;
    let sidecar = world.start(Some(&app)).await;
    let came: Vec<String> = app.wait_for(2).await.iter().map(Asked::data).collect();
    assert_eq!(came, ["not taken", "behind it"]);
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_under_way_is_finished_before_the_end() {
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 1)]);
    let app = App::start(|_, _| {
        std::thread::sleep(Duration::from_millis(300));
        (200, String::new())
    })
    .await;
    let sidecar = world.start(Some(&app)).await;
    publish(&sidecar, "things", "k", "slow").await;
    app.wait_for(1).await;
    sidecar.shutdown().await;
    let app = App::start(success).await;
    let sidecar = world.start(Some(&app)).await;
    publish(&sidecar, "things", "k", "next").await;
    let came: Vec<String> = app.wait_for(1).await.iter().map(Asked::data).collect();
    assert_eq!(came, ["next"], "what was finished is committed");
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_for_an_application_that_is_away() {
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 1)]);
    let app = App::start(success).await;
    let sidecar = world.start(Some(&app)).await;
    publish(&sidecar, "things", "k", "before").await;
    app.wait_for(1).await;
    let address = app.address;
    drop(app);
    publish(&sidecar, "things", "k", "meanwhile").await;
    let app = bind_again(address).await;
    // an answer that was cut off by the end of the first application makes its event come again, before the next
    let came = || app.asked().iter().map(Asked::data).collect::<Vec<String>>();
    until("the event", || came().last().is_some_and(|last| last == "meanwhile")).await;
    assert!(came().len() <= 2, "{:?}", came());
    sidecar.shutdown().await;
}

async fn bind_again(address: SocketAddr) -> App {
    until("the port to be free", || std::net::TcpListener::bind(address).is_ok()).await;
    App::start_at(address, success).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_application_gets_nothing_and_no_dead_letters_come_of_it() {
    let files = [subscription("things", "/events", Some("dead")), subscription("dead", "/dead", None)];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let world = World::with_topics(&files, &[("things", 1), ("dead", 1)]);
    let app = App::start(success).await;
    let health = AppHealthOptions {
        path: "/health".to_owned(),
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(50),
        threshold: 1,
    };
    let sidecar = start(SidecarOptions { app_health: Some(health), ..world.options(Some(&app)) }).await;
    publish(&sidecar, "things", "k", "before").await;
    let events = |app: &App| app.asked().into_iter().filter(|one| one.path != "/health").collect::<Vec<_>>();
    until("the first event", || events(&app).len() == 1).await;
    let address = app.address;
    drop(app);
    let metrics = sidecar.metrics_address().expect("metrics are on");
    loop {
        // Deliveries have stopped once a probe has failed: the next event finds no reader.
        if ask(metrics, "GET", "/", "", "")
            .await
            .2
            .contains("healthprobes_completed_count{app_id=\"app\",status=\"500\"} 3")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    publish(&sidecar, "things", "k", "meanwhile").await;
    let app = bind_again(address).await;
    until("the event in between", || {
        events(&app).iter().any(|one| one.path == "/events" && one.data() == "meanwhile")
    })
    .await;
    assert!(events(&app).iter().all(|one| one.path != "/dead"), "{:?}", events(&app));
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_fails_while_the_brokers_are_away_and_works_again_after() {
    let world = World::with_topics(&[], &[("things", 1)]);
    let sidecar = world.start(None).await;
    publish(&sidecar, "things", "k", "one").await;
    world.kafka.broker_down(1).expect("the mock broker can go");
    let api = sidecar.api_addresses()[0];
    let (status, _, body) = ask(api, "POST", "/v1.0/publish/bus/things", "", "two").await;
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("ERR_PUBSUB_PUBLISH_MESSAGE"), "{body}");
    world.kafka.broker_up(1).expect("the mock broker can come");
    let mut status = 0;
    for _ in 0..5 {
        status = ask(api, "POST", "/v1.0/publish/bus/things", "", "three").await.0;
        if status == 204 {
            break;
        }
    }
    assert_eq!(status, 204);
    sidecar.shutdown().await;
}

/// More than a lane holds waits, so that partitions are paused while another replica joins and takes one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_partition_that_was_paused_goes_on_after_a_rebalance() {
    const EVENTS: usize = 4_000;
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 2)]);
    let hurry = Arc::new(AtomicBool::new(false));
    let in_a_hurry = Arc::clone(&hurry);
    let app = App::start(move |_, _| {
        if !in_a_hurry.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(15));
        }
        (200, String::new())
    })
    .await;
    let sidecar = world.start(Some(&app)).await;
    let entry = |n: usize| serde_json::json!({"entryId": n.to_string(), "event": n.to_string(), "contentType": "text/plain", "metadata": {"partitionKey": n.to_string()}});
    let entries = serde_json::Value::from_iter((0..EVENTS).map(entry)).to_string();
    let path = "/v1.0-alpha1/publish/bulk/bus/things";
    let (status, _, body) = ask(sidecar.api_addresses()[0], "POST", path, "", &entries).await;
    assert_eq!(status, 204, "{body}");
    app.wait_for(1).await;
    let other_app = App::start(success).await;
    let other = world.start(Some(&other_app)).await;
    other_app.wait_for(1).await;
    hurry.store(true, Ordering::Relaxed);
    let came = || {
        let both = app.asked().into_iter().chain(other_app.asked());
        both.map(|asked| asked.data()).collect::<HashSet<_>>().len()
    };
    until("every event", || came() == EVENTS).await;
    other.shutdown().await;
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_cannot_be_reached_ends_the_start() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port is free");
    let component = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: far}}\nspec:\n  type: pubsub.kafka\n  version: v1\n  initTimeout: 300ms\n  metadata:\n  - {{name: brokers, value: '{nobody}'}}\n  - {{name: authType, value: none}}\n"
    );
    let world = World::new(&[&component]);
    let error = Sidecar::start(world.options(None)).await.expect_err("nobody answers").to_string();
    assert!(
        error.contains("component far") && error.contains(&nobody.to_string()) && error.contains("hint:"),
        "{error}"
    );
    let world = World::new(&[&(component + "  ignoreErrors: true\n")]);
    let sidecar = world.start(None).await;
    let (status, _, body) = ask(sidecar.api_addresses()[0], "POST", "/v1.0/publish/far/x", "", "").await;
    assert_eq!(status, 404, "{body}");
    sidecar.shutdown().await;
}
