//! The API itself: statuses, bodies, limits, tokens.

use crate::fixture::{World, ask, start};
use tidewatch_sidecar::SidecarOptions;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_as_by_daprd() {
    let world = World::with_topics(&[], &[("things", 1)]);
    let sidecar = world.start(None).await;
    let api = sidecar.api_addresses()[0];
    let bulk = "/v1.0-alpha1/publish/bulk/bus/things";
    let one = r#"{"entryId":"1","event":"a","contentType":"text/plain"}"#;
    for (method, path, body, status, part) in [
        ("GET", "/v1.0/healthz", "", 204, ""),
        ("GET", "/v1.0/healthz/outbound", "", 204, ""),
        ("GET", "/v1.0/healthz?appid=other", "", 500, "ERR_HEALTH_APPID_NOT_MATCH"),
        ("PUT", "/v1.0/metadata/k", "v", 204, ""),
        ("GET", "/v1.0/metadata", "", 200, r#""extended":{"daprRuntimeVersion""#),
        ("POST", "/v1.0/publish/bus/things", "{}", 204, ""),
        ("PUT", "/v1.0//publish/bus/things/", "{}", 204, ""),
        ("POST", "/v1.0/publish/no/things", "{}", 404, "pubsub no is not found"),
        ("POST", "/v1.0/publish/bus/things?metadata.rawPayload=x", "{}", 400, "ERR_PUBSUB_REQUEST_METADATA"),
        ("POST", bulk, &format!("[{one}]"), 204, ""),
        ("POST", bulk, &format!("[{one},{one}]"), 400, "DAPR_PUBSUB_MARSHAL_EVENTS"),
        ("POST", bulk, "{", 400, "DAPR_PUBSUB_UNMARSHAL_EVENTS"),
        ("GET", "/v1.0/state/store/key", "", 501, "state is not part of this sidecar"),
        ("GET", "/v1.0/nothing", "", 404, "only pub/sub is there"),
    ] {
        let (got, _, text) = ask(api, method, path, "Content-Type: application/json\r\n", body).await;
        assert_eq!(got, status, "{method} {path}: {text}");
        assert!(text.contains(part), "{method} {path}: {part:?} is missing in {text}");
    }
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_bounded_and_a_token_is_asked_for() {
    let world = World::with_topics(&[], &[("things", 1)]);
    let options =
        SidecarOptions { max_body_bytes: 1000, api_token: Some("secret".to_owned()), ..world.options(None) };
    let sidecar = start(options).await;
    let api = sidecar.api_addresses()[0];
    let path = "/v1.0/publish/bus/things";
    let (status, _, body) = ask(api, "POST", path, "dapr-api-token: secret\r\n", &"x".repeat(1001)).await;
    assert_eq!((status, body.contains("--max-body-size")), (413, true), "{body}");
    let check = async |head: &str| ask(api, "POST", path, head, "x").await.0;
    assert_eq!(check("dapr-api-token: secret\r\n").await, 204);
    assert_eq!(check("dapr-api-token: secreT\r\n").await, 401);
    assert_eq!(check("dapr-api-token: secret2\r\n").await, 401);
    assert_eq!(check("").await, 401);
    // Health is told to everybody; what only looks like it is not done for everybody.
    for (method, path, status) in [
        ("GET", "/v1.0/healthz", 204),
        ("GET", "/v1.0/healthz/outbound", 204),
        ("POST", "/v1.0/publish/bus/healthz", 401),
        ("POST", "/v1.0/publish/bus/things/healthz", 401),
        ("POST", "/v1.0/publish/bus/things%2Fhealthz", 401),
        ("PUT", "/v1.0/metadata/healthz", 401),
        ("GET", "/v1.0/healthz/other", 401),
        ("GET", "//v1.0/healthz", 401),
    ] {
        assert_eq!(ask(api, method, path, "", "").await.0, status, "{method} {path}");
    }
    sidecar.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_can_end_its_sidecar() {
    let world = World::new(&[]);
    let mut sidecar = world.start(None).await;
    assert_eq!(ask(sidecar.api_addresses()[0], "POST", "/v1.0/shutdown", "", "").await.0, 204);
    sidecar.asked_to_end().await;
    let address = sidecar.api_addresses()[0];
    sidecar.shutdown().await;
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}
