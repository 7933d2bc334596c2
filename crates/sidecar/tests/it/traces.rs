//! One trace through publisher, bus and subscriber.

use crate::fixture::{App, World, ask, start, subscription, until};
use tidewatch_sidecar::SidecarOptions;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hop_is_the_child_of_the_one_before() {
    let world = World::with_topics(&[&subscription("things", "/events", None)], &[("things", 1)]);
    let (app, collector) =
        (App::start(|_, _| (200, String::new())).await, App::start(|_, _| (200, String::new())).await);
    let configuration = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: c}}\nspec:\n  tracing:\n    samplingRate: '0.000001'\n    otel: {{endpointAddress: '{}', isSecure: false, protocol: http}}\n",
        collector.address
    );
    let config = world.write("configuration", &configuration).display().to_string();
    let sidecar = start(SidecarOptions { config: Some(config), ..world.options(Some(&app)) }).await;
    let head = format!("traceparent: {PARENT}\r\ntracestate: k=v\r\nContent-Type: text/plain\r\n");
    let (status, answered, _) =
        ask(sidecar.api_addresses()[0], "POST", "/v1.0/publish/bus/things", &head, "x").await;
    assert_eq!(status, 204);
    let published = answered
        .lines()
        .find_map(|line| line.strip_prefix("traceparent: "))
        .expect("the span is told")
        .to_owned();
    let asked = app.wait_for(1).await;
    let event = asked[0].json();
    assert_eq!(
        event["traceparent"].as_str(),
        Some(published.as_str()),
        "the event carries the publisher's span"
    );
    assert_eq!(
        (event["traceid"].as_str(), event["tracestate"].as_str()),
        (Some(published.as_str()), Some("k=v"))
    );
    let delivered = asked[0].headers["traceparent"].clone();
    let part = |text: &str, index: usize| text.split('-').nth(index).unwrap_or_default().to_owned();
    for context in [&published, &delivered] {
        assert_eq!((part(context, 1), part(context, 3)), (part(PARENT, 1), "01".to_owned()));
    }
    let bytes = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("it is hex"))
            .collect()
    };
    // In protobuf a span's own id is field 2, its parent's field 4, each of 8 bytes; names are plain text.
    let spans = [
        (part(&published, 2), part(PARENT, 2), "/v1.0/publish/bus/things"),
        (part(&delivered, 2), part(&published, 2), "pubsub/things"),
    ];
    until("both spans", || {
        let sent: Vec<u8> = collector.asked().into_iter().flat_map(|one| one.body).collect();
        spans.iter().all(|(own, parent, name)| {
            let own = [&[0x12, 8], bytes(own).as_slice()].concat();
            let parent = [&[0x22, 8], bytes(parent).as_slice()].concat();
            let contains = |part: &[u8]| sent.windows(part.len()).any(|window| window == part);
            contains(&own) && contains(&parent) && contains(name.as_bytes())
        })
    })
    .await;
    assert_eq!(collector.asked()[0].path, "/v1/traces");
    sidecar.shutdown().await;
}
