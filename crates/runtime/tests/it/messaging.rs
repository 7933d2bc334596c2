//! Sidecars and brokers: injected, given their files, found by discovery, measured, and ended in order.

use crate::world::{SERVER, World, alive, ask, deployment, get, runs, serves, service, spec};
use std::net::SocketAddr;
use tidewatch_runtime::{PodStatus, Runtime};

/// A Deployment whose pods ask for a sidecar by these annotations besides the one that enables it.
fn annotated(name: &str, annotations: &str, pod: &str, container: &str) -> String {
    deployment(name, 1, pod, container).replace(
        &format!("{{labels: {{app: {name}}}}}"),
        &format!("{{labels: {{app: {name}}}, annotations: {{dapr.io/enabled: \"true\", {annotations}}}}}"),
    )
}

const DAPR: &str = "\
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: events, namespace: shop}
spec: {type: pubsub.kafka, version: v1, metadata: [{name: brokers, value: 'main-kafka-bootstrap:9092'}]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: foreign, namespace: other}
spec: {type: pubsub.kafka, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: traced, namespace: shop}
spec: {tracing: {samplingRate: '1', otel: {endpointAddress: 'jaeger.monitoring:4318', isSecure: false, protocol: http}}}
";

fn kafka(brokers: u32) -> String {
    format!(
        "---
apiVersion: kafka.strimzi.io/v1
kind: Kafka
metadata: {{name: main, namespace: shop}}
spec: {{kafka: {{listeners: [{{name: plain, port: 9092, type: internal, tls: false}}]}}}}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaNodePool
metadata: {{name: broker, namespace: shop, labels: {{strimzi.io/cluster: main}}}}
spec: {{replicas: {brokers}, roles: [controller, broker], resources: {{limits: {{cpu: 200m, memory: 256Mi}}}}}}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {{name: orders, namespace: shop, labels: {{strimzi.io/cluster: main}}}}
spec: {{partitions: 5, replicas: 1}}
"
    )
}

/// What the broker tells of itself: its starts in all runs on its data folder, and its topics.
fn told_by_broker(pod: &PodStatus) -> Option<String> {
    get(SocketAddr::new(pod.ip, 9404), "/v1.0/args").map(|(_, told)| told)
}

async fn broker(world: &World) -> PodStatus {
    let find = || world.runtime.pods().into_iter().find(|pod| pod.pod.name == "main-broker-0" && pod.ready);
    world.until("broker ready", find).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_asks_for_dapr_gets_its_sidecar() {
    let annotations = "dapr.io/app-id: orders, dapr.io/app-port: \"8000\", dapr.io/config: traced, dapr.io/log-as-json: \"true\", \
                       dapr.io/sidecar-cpu-request: 50m, dapr.io/sidecar-memory-limit: 64Mi";
    let manifests = annotated("web", annotations, "", SERVER) + &service("web") + DAPR + &kafka(1);
    let world = World::start(&manifests, &serves("web"), &[]);
    assert!(world.runtime.problems().is_empty(), "{:?}", world.runtime.problems());
    let pod = world.ready("web", 1).await.remove(0);
    let names: Vec<&str> = pod.containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["main", "daprd"]);
    let sidecar = &pod.containers[1];
    assert_eq!((sidecar.requests["cpu"].milli(), sidecar.requests["memory"]), (50, sidecar.limits["memory"]));

    let ip = pod.ip;
    let value = |name: &str| ask(&pod, &format!("/env/{name}")).unwrap().1;
    assert_eq!(value("DAPR_HTTP_ENDPOINT"), format!("http://{ip}:3500"));
    assert_eq!((value("DAPR_HTTP_PORT"), value("DAPR_GRPC_PORT")), ("3500".to_owned(), "50001".to_owned()));
    let of_sidecar = |path: &str| get(SocketAddr::new(ip, 3500), path).unwrap().1;
    assert_eq!(of_sidecar("/env/NAMESPACE"), "shop");
    assert_eq!(of_sidecar("/env/DAPR_HTTP_ENDPOINT"), "(unset)");
    let home = of_sidecar("/env/HOME");
    assert_eq!(
        of_sidecar("/v1.0/args"),
        format!(
            "sidecar --app-id orders --app-port 8000 --app-channel-address {ip} --dapr-http-port 3500 \
             --dapr-listen-addresses {ip} --metrics-port 9090 --metrics-listen-address {ip} --resources-path {home}/_dapr \
             --config {home}/_dapr/configuration-traced.yaml --log-as-json"
        )
    );
    let read = |name: &str| std::fs::read_to_string(format!("{home}/_dapr/{name}"));
    let bootstrap = world.runtime.kafka_bootstrap().remove(0);
    assert_eq!((bootstrap.namespace.as_str(), bootstrap.cluster.as_str()), ("shop", "main"));
    let component = read("component-events.yaml").unwrap();
    assert!(component.contains(&format!("\"value\":\"{}\"", bootstrap.address)), "{component}");
    assert!(read("configuration-traced.yaml").unwrap().contains("\"endpointAddress\":\"127.0.0.1:40318\""));
    assert!(read("component-foreign.yaml").is_err(), "it is in another namespace");

    let endpoints = world.runtime.endpoints().borrow().clone();
    let found = endpoints.iter().find(|service| service.service == "orders-dapr").unwrap();
    assert_eq!((found.namespace.as_str(), found.labels["dapr.io/enabled"].as_str()), ("shop", "true"));
    let ports: Vec<_> = found.addresses[0].ports.iter().map(|port| (port.name.as_str(), port.port)).collect();
    assert_eq!(
        ports,
        [("dapr-http", 3500), ("dapr-grpc", 50_001), ("dapr-internal", 50_002), ("dapr-metrics", 9090)]
    );
    assert_eq!(found.addresses[0].ports[3].container.as_deref(), Some("daprd"));

    let (mut objects, mut usage) = (String::new(), String::new());
    world.runtime.kube_state_metrics(&mut objects);
    world
        .until("usage", || {
            usage.clear();
            world.runtime.cadvisor_metrics(&mut usage);
            ["daprd", "kafka"]
                .iter()
                .all(|name| usage.contains(&format!("container=\"{name}\"")))
                .then_some(())
        })
        .await;
    assert!(objects.contains("kube_deployment_spec_replicas{namespace=\"shop\",deployment=\"web\"} 1"));
    assert!(!objects.contains("deployment=\"main-broker\""), "a broker is no Deployment's");
    let owner = "created_by_kind=\"StrimziPodSet\",created_by_name=\"main-broker\"";
    assert!(
        objects.lines().any(|line| line.starts_with("kube_pod_info{") && line.contains(owner)),
        "{objects}"
    );

    // A sidecar that dies is started again, alone.
    let main = pod.containers[0].pid.unwrap();
    let dead = sidecar.pid.unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(dead as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    world
        .until("sidecar again", || {
            let pod = world.pods("web").remove(0);
            (pod.containers[1].restarts == 1 && pod.ready).then_some(())
        })
        .await;
    assert!(alive(main));
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_has_the_same_hash_with_and_without_a_program_for_sidecars() {
    let manifests = annotated("web", "", "", SERVER);
    let world = World::start(&manifests, &serves("web"), &[]);
    let hash = |world: &World| world.pods("web")[0].pod.labels["pod-template-hash"].clone();
    let with = hash(&world);
    world.runtime.shutdown().await;
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(&manifests, &serves("web"), &[], folder.path());
    spec.program = std::path::PathBuf::new();
    let world = World { runtime: Runtime::start(spec).unwrap(), folder };
    assert_eq!(hash(&world), with, "injection is the pod's, not the template's");
    let waits = || {
        let pod = world.pods("web").remove(0);
        let main = pod.containers[0].ready && !pod.ready;
        (main && pod.containers[1].waiting_reason() == Some("ImagePullBackOff")).then_some(())
    };
    world.until("waits for a program", waits).await;
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_cluster_is_a_pod_that_keeps_its_data() {
    let manifests = kafka(1);
    let world = World::start(&manifests, "", &[("main-kafka-bootstrap", 0)]);
    assert!(world.runtime.problems().is_empty(), "{:?}", world.runtime.problems());
    let pod = broker(&world).await;
    assert_eq!((pod.pod.controller_kind.as_str(), pod.deployment.as_str()), ("StrimziPodSet", ""));
    assert_eq!(pod.pod.labels["strimzi.io/cluster"], "main");
    assert!(!pod.pod.labels.contains_key("pod-template-hash"));
    let told = told_by_broker(&pod).unwrap();
    assert!(told.starts_with("I [{") && told.contains("\"partitions\":5"), "{told}");
    let address = world.runtime.kafka_bootstrap()[0].address;
    assert_eq!(address.port(), 9092);
    assert!(get(address, "/").is_some() && get(world.runtime.exposed()[0].address, "/").is_some());
    let error = world.runtime.scale("shop", "main-broker", 2).unwrap_err().to_string();
    assert!(error.contains("no Deployment"), "{error}");

    assert_eq!(ask_to_exit(&pod), None);
    let again = || broker_restarted(&world, 1);
    world.until("started again", again).await;
    assert_eq!(world.runtime.kafka_bootstrap()[0].address, address);
    let World { runtime, folder } = world;
    runtime.shutdown().await;
    assert_eq!(runtime.pods(), []);
    drop(runtime);
    let runtime = Runtime::start(spec(&manifests, "", &[], folder.path())).unwrap();
    let world = World { runtime, folder };
    let pod = broker(&world).await;
    assert!(told_by_broker(&pod).unwrap().starts_with("III "), "the data folder outlives the run");
    assert!(world.folder.path().join("data/kafka/main/shop_broker-0/starts").is_file());
    world.runtime.shutdown().await;
}

/// Lets the broker crash.
fn ask_to_exit(pod: &PodStatus) -> Option<(u16, String)> {
    get(SocketAddr::new(pod.ip, 9404), "/exit/3")
}

fn broker_restarted(world: &World, restarts: u32) -> Option<()> {
    let pod = world.runtime.pods().into_iter().find(|pod| pod.pod.name == "main-broker-0")?;
    (pod.ready && pod.containers[0].restarts == restarts).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_end_before_their_sidecars_and_those_before_the_broker() {
    // It takes its time, so that an order by chance would show.
    let script = "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.02; done";
    let manifests = annotated("slow", "", "", "") + &kafka(1);
    let world = World::start(&manifests, &runs("slow", script), &[]);
    broker(&world).await;
    world.ready("slow", 1).await;
    world.runtime.shutdown().await;
    let events = world.runtime.events();
    let stopped = |container: &str| {
        let message = format!("Stopping container {container}");
        events.iter().find(|event| event.message == message).unwrap_or_else(|| panic!("{events:#?}")).first_ms
    };
    let (main, sidecar, kafka) = (stopped("main"), stopped("daprd"), stopped("kafka"));
    assert!(sidecar - main >= 300, "{main} {sidecar}");
    assert!(kafka >= sidecar, "{sidecar} {kafka}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_run_is_said_with_a_remedy() {
    let manifests = annotated("web", "dapr.io/config: none", "", SERVER)
        + &annotated("wrong", "dapr.io/app-port: http", "", "")
        + &kafka(3);
    let world = World::start(&manifests, &(serves("web") + &runs("wrong", "sleep 9")), &[]);
    let problems: Vec<String> = world.runtime.problems().iter().map(ToString::to_string).collect();
    let told = |parts: [&str; 2]| problems.iter().any(|text| parts.iter().all(|part| text.contains(part)));
    assert!(told(["Kafka shop/main asks for 3 brokers, one is run", "hint: "]), "{problems:#?}");
    assert!(
        told(["Deployment shop/wrong is not run: annotation dapr.io/app-port: \"http\"", "hint: "]),
        "{problems:#?}"
    );
    assert_eq!(world.pods("wrong"), []);
    broker(&world).await;
    let message = world.until("configuration missing", || {
        let container = world.pods("web").remove(0).containers.remove(1);
        match container.state {
            tidewatch_runtime::ContainerState::Waiting { reason: "CreateContainerConfigError", message } => {
                Some(message)
            }
            _ => None,
        }
    });
    let message = message.await;
    assert!(message.contains("configuration \"none\" not found") && message.contains("hint: "), "{message}");
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_named_for_the_image_wins_over_the_own_one() {
    let images = serves("web") + "  daprd: {command: [sh, -c, 'echo own \"$@\"; exec sleep 4717', daprd]}\n";
    let world = World::start(&annotated("web", "dapr.io/app-id: orders", "", SERVER), &images, &[]);
    let log = world
        .until("log", || {
            let pod = world.pods("web").remove(0);
            let log = world.runtime.log("shop", &pod.pod.name, Some("daprd"), None).unwrap();
            String::from_utf8(log).ok().filter(|log| log.ends_with('\n'))
        })
        .await;
    assert!(log.starts_with("own --app-id orders --app-channel-address 127."), "{log}");
    world.runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_chart_runs_with_sidecars_broker_and_tracing() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let chart = std::fs::read_to_string(root.join("kubernetes/todo-app-prod.yaml")).unwrap();
    let images = ["todo-backend", "todo-event-service", "todo-frontend"].map(serves).concat();
    let world = World::start(&chart, &images, &[]);
    assert!(world.runtime.problems().is_empty(), "{:?}", world.runtime.problems());
    let (backends, events, frontends) = (
        world.ready("todo-backend", 2).await,
        world.ready("event-service", 1).await,
        world.ready("todo-frontend", 2).await,
    );
    let containers =
        |pod: &PodStatus| pod.containers.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(containers(&backends[0]), "backend daprd");
    assert_eq!(containers(&events[0]), "event-service daprd");
    assert_eq!(containers(&frontends[0]), "frontend", "it neither publishes nor subscribes");
    let find =
        || world.runtime.pods().into_iter().find(|pod| pod.pod.name == "todo-kafka-broker-0" && pod.ready);
    let broker = world.until("broker ready", find).await;
    assert!(told_by_broker(&broker).unwrap().contains("task-events-dead-letter"));

    let pod = &backends[0];
    for (name, expected) in [
        ("PUBSUB_NAME", "todo-pubsub".to_owned()),
        ("PUBSUB_TOPIC", "task-events".to_owned()),
        ("EVENT_SERVICE_URL", "(unset)".to_owned()),
        ("DAPR_HTTP_ENDPOINT", format!("http://{}:3500", pod.ip)),
        ("OTEL_SERVICE_NAME", "todo-backend".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:40318".to_owned()),
        // Nothing here serves this port elsewhere: it stays what it is.
        (
            "OTEL_TRACES_SAMPLER_ARG",
            "endpoint=http://127.0.0.1:5778/sampling,pollingIntervalMs=5000,initialSamplingRate=0.1"
                .to_owned(),
        ),
    ] {
        assert_eq!(ask(pod, &format!("/env/{name}")).unwrap().1, expected, "{name}");
    }
    let resource = ask(pod, "/env/OTEL_RESOURCE_ATTRIBUTES").unwrap().1;
    assert!(resource.contains(&format!("k8s.pod.name={},", pod.pod.name)), "{resource}");
    let args = get(SocketAddr::new(events[0].ip, 3500), "/v1.0/args").unwrap().1;
    for part in
        ["--app-id event-service", "--app-port 8001", "configuration-todo-config.yaml", "--log-as-json"]
    {
        assert!(args.contains(part), "{part}: {args}");
    }
    let home = get(SocketAddr::new(events[0].ip, 3500), "/env/HOME").unwrap().1;
    let mut files: Vec<String> = std::fs::read_dir(format!("{home}/_dapr"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "component-todo-pubsub",
        "configuration-todo-config",
        "resiliency-todo-pubsub",
        "subscription-task-events",
    ];
    assert_eq!(files, expected.map(|name| format!("{name}.yaml")));

    let endpoints = world.runtime.endpoints().borrow().clone();
    let ports = |service: &str| -> Vec<u16> {
        let service = endpoints.iter().find(|endpoints| endpoints.service == service).unwrap();
        service.addresses.iter().flat_map(|address| address.ports.iter().map(|port| port.port)).collect()
    };
    assert_eq!(ports("todo-kafka-broker-metrics"), [9404]);
    assert_eq!(ports("todo-kafka-exporter-metrics"), [] as [u16; 0], "tidewatch is the exporter");
    assert_eq!(ports("todo-kafka-kafka-bootstrap"), [9092]);
    assert_eq!(ports("event-service-dapr"), [3500, 50_001, 50_002, 9090]);
    world.runtime.shutdown().await;
}
