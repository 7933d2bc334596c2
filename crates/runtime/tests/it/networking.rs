//! Services balance over ready pods, names lead to them, the environment is the cluster's.

use crate::world::{SERVER, World, ask, deployment, get, serves, service};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_balances_over_ready_pods() {
    let manifests = deployment("web", 2, "", SERVER) + &service("web");
    let world = World::start(&manifests, &serves("web"), &[("web", 0)]);
    assert!(world.runtime.problems().is_empty(), "{:?}", world.runtime.problems());
    let exposed = world.runtime.exposed()[0].clone();
    assert_eq!((exposed.service.as_str(), exposed.port_name.as_str(), exposed.port), ("web", "http", 8000));
    assert!(exposed.address.ip().is_loopback() && exposed.address.port() != 0);

    let pods = world.ready("web", 2).await;
    let who = |address| get(address, "/who").map(|(_, name)| name);
    let names: BTreeSet<String> = (0..8).map(|_| who(exposed.address).unwrap()).collect();
    assert_eq!(names, pods.iter().map(|pod| pod.pod.name.clone()).collect(), "both in turn");

    ask(&pods[0], "/fail/readyz").unwrap();
    world.until("one left", || (world.ready_addresses("web") == 1).then_some(())).await;
    assert!((0..6).all(|_| who(exposed.address).as_deref() == Some(&pods[1].pod.name)));
    ask(&pods[1], "/fail/readyz").unwrap();
    world.until("none left", || (world.ready_addresses("web") == 0).then_some(())).await;
    let begun = Instant::now();
    assert_eq!(who(exposed.address), None, "refused");
    assert!(begun.elapsed() < Duration::from_secs(1), "at once");
    ask(&pods[0], "/mend/readyz").unwrap();
    world.until("back", || who(exposed.address)).await;
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ports_of_a_service_and_of_its_namesakes_are_told_apart() {
    let manifests = (deployment("web", 0, "", SERVER) + &service("web")).replace(
        "{name: http, port: 8000, targetPort: http}",
        "{name: http, port: 8000, targetPort: http}, {name: metrics, port: 9464}",
    );
    let manifests = manifests.clone() + &manifests.replace("shop", "other");
    let names = ["other/web", "shop/web:9464", "shop/web:http", "shop/web:metrics"];
    let world = World::start(&manifests, "", &names.map(|name| (name, 0)));
    assert!(world.runtime.problems().is_empty(), "{:?}", world.runtime.problems());
    let exposed = world.runtime.exposed();
    assert_eq!(exposed.iter().map(|exposed| exposed.name.as_str()).collect::<Vec<_>>(), names);
    let addresses: BTreeSet<SocketAddr> = exposed.iter().map(|exposed| exposed.address).collect();
    assert_eq!(addresses.len(), 4);
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_say_what_discovery_needs_and_change_only_when_they_do() {
    let manifests = deployment("web", 1, "", SERVER) + &service("web");
    let world = World::start(&manifests, &serves("web"), &[]);
    let pod = world.ready("web", 1).await.remove(0);
    let mut endpoints = world.runtime.endpoints();
    let now = endpoints.borrow_and_update().clone();
    let address = &now[0].addresses[0];
    assert_eq!(
        (now[0].namespace.as_str(), now[0].service.as_str(), &now[0].labels["app"][..]),
        ("shop", "web", "web")
    );
    assert_eq!((address.ip, address.ready, &address.pod), (pod.ip, true, &pod.pod));
    let port = &address.ports[0];
    assert_eq!(
        (port.name.as_str(), port.port, port.container.as_deref(), port.container_port_name.as_deref()),
        ("http", 8000, Some("main"), Some("http"))
    );
    assert_eq!(address.pod.images["main"], "registry.example/web:1");
    let quiet = tokio::time::timeout(Duration::from_millis(1500), endpoints.changed()).await;
    assert!(quiet.is_err(), "successful probes change nothing");
    ask(&pod, "/fail/readyz").unwrap();
    endpoints.changed().await.unwrap();
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_the_clusters() {
    let container = "\
ports: [{name: http, containerPort: 8000}]
env:
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: APP, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}
  - {name: MEMORY_MIB, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
  - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
  - {name: MISSING, valueFrom: {secretKeyRef: {name: none, key: none, optional: true}}}
  - {name: PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
  - {name: DATABASE, value: 'postgres://app:$(PASSWORD)@other.shop.svc:5432/$(POD_NAME)?x=$(UNKNOWN)&y=$$(APP)'}
  - {name: OTHER_URL, value: 'http://other:8000/api'}
  - {name: OTEL_SERVICE_NAME, value: other}
  - {name: REPLACED, value: manifest}
envFrom: [{prefix: SET_, configMapRef: {name: settings}}]
resources: {limits: {memory: 256Mi}}
";
    let objects = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {colour: blue}\n\
                   ---\napiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: shop}\nstringData: {password: hunter2}\n";
    let manifests = deployment("web", 1, "", container) + &service("web") + &service("other") + objects;
    let images = "  web: {command: ['{bin}/pod-fixture', serve], env: {REPLACED: '{pod_ip} {data}', HOST: '{pod_ip}'}}\n";
    let world = World::start(&manifests, images, &[]);
    let pod = world.ready("web", 1).await.remove(0);
    let value = |name: &str| ask(&pod, &format!("/env/{name}")).unwrap().1;
    world.until("serves", || ask(&pod, "/who")).await;
    let other = value("OTHER_SERVICE_HOST");
    assert!(other.starts_with("127.") && other != pod.ip.to_string(), "{other}");
    let data = std::path::absolute(world.folder.path().join("data")).unwrap();
    for (name, expected) in [
        ("POD_NAME", pod.pod.name.clone()),
        ("POD_IP", pod.ip.to_string()),
        ("HOSTNAME", pod.pod.name.clone()),
        ("APP", "web".to_owned()),
        ("MEMORY_MIB", "256".to_owned()),
        ("COLOUR", "blue".to_owned()),
        ("SET_colour", "blue".to_owned()),
        ("MISSING", "(unset)".to_owned()),
        ("DATABASE", format!("postgres://app:hunter2@{other}:5432/{}?x=$(UNKNOWN)&y=$(APP)", pod.pod.name)),
        ("OTHER_URL", format!("http://{other}:8000/api")),
        ("OTEL_SERVICE_NAME", "other".to_owned()),
        ("OTHER_SERVICE_PORT", "8000".to_owned()),
        ("OTHER_PORT_8000_TCP", format!("tcp://{other}:8000")),
        ("REPLACED", format!("{} {}", pod.ip, data.display())),
        ("CARGO_PKG_NAME", "(unset)".to_owned()),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    assert!(!format!("{:?}{:?}", world.runtime.events(), world.runtime.pods()).contains("hunter2"));
    // The Service without pods is there and refuses.
    let address: SocketAddr = format!("{other}:8000").parse().unwrap();
    assert_eq!(get(address, "/"), None);
    world.runtime.shutdown().await;
}
