//! The repository's own manifests are read without a word.

use std::path::{Path, PathBuf};
use std::time::Duration;
use tidewatch_manifest::{
    DaprSidecar, EnvSource, Handler, Manifests, MetricTarget, Other, PortRef, Quantity, check, load,
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_chart_and_the_monitoring_folder_are_read_without_a_word() {
    let root = repository();
    let paths = [root.join("kubernetes/todo-app-prod.yaml"), root.join("kubernetes/monitoring")];
    let manifests = load(&paths).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(manifests.warnings, [], "unknown fields");
    assert_eq!(check(&manifests), [], "references");
    let names: Vec<_> =
        manifests.deployments.iter().map(|deployment| deployment.meta.name.as_str()).collect();
    assert_eq!(names, ["todo-backend", "event-service", "todo-frontend"]);
    assert!(manifests.service_monitors.len() == 6);
    assert!(manifests.prometheus_rules.iter().map(|rule| rule.groups.len()).sum::<usize>() > 0);

    let backend = manifests.deployment("todo-app-prod", "todo-backend").expect("is in the chart");
    let autoscaler = manifests.autoscaler_of(backend).expect("is in the chart");
    assert_eq!((autoscaler.min_replicas, autoscaler.max_replicas), (2, 10));
    assert_eq!(autoscaler.metrics[0].target, MetricTarget::Utilization(70));
    let container = &backend.template.containers[0];
    assert_eq!(container.limits["memory"], Quantity::parse("384Mi").unwrap());
    assert_eq!(container.requests["cpu"].milli(), 250);
    let ip = container.env.iter().find(|variable| variable.name == "POD_IP").unwrap();
    assert_eq!(ip.source, EnvSource::Field("status.podIP".to_owned()));
    let probe = container.readiness_probe.as_ref().unwrap();
    assert_eq!((probe.period, probe.failure_threshold), (Duration::from_secs(5), 2));
    let Handler::HttpGet { port, .. } = &probe.handler else { panic!("{probe:?}") };
    assert_eq!(port.resolve(&container.ports), Some(8000));
    assert_eq!(manifests.services[0].ports[0].target, PortRef::Name("http".to_owned()));
    assert!(!backend.template.enable_service_links);
}

fn object<'a>(manifests: &'a Manifests, kind: &str, name: &str) -> &'a Other {
    let found = manifests.others.iter().find(|other| other.kind == kind && other.meta.name == name);
    found.unwrap_or_else(|| panic!("no {kind}/{name}"))
}

#[test]
fn an_event_finds_its_way_from_the_backend_to_the_event_service() {
    let manifests = load(&[repository().join("kubernetes/todo-app-prod.yaml")]).unwrap();
    let namespace = "todo-app-prod";
    // The backend publishes to the component and topic that its variables name.
    let backend = manifests.deployment(namespace, "todo-backend").unwrap();
    let value = |name: &str| {
        let variable = backend.template.containers[0].env.iter().find(|variable| variable.name == name);
        match &variable.unwrap_or_else(|| panic!("no {name}")).source {
            EnvSource::Value(text) => text.clone(),
            other => panic!("{name}: {other:?}"),
        }
    };
    let (pubsub, topic) = (value("PUBSUB_NAME"), value("PUBSUB_TOPIC"));
    let component = &object(&manifests, "Component", &pubsub).raw;
    // The component leads to the brokers that Strimzi makes.
    let clusters = manifests.kafka_clusters();
    let [cluster] = &clusters[..] else { panic!("{clusters:?}") };
    let brokers =
        component["spec"]["metadata"].as_array().unwrap().iter().find(|entry| entry["name"] == "brokers");
    assert_eq!(brokers.unwrap()["value"], format!("{}-kafka-bootstrap:{}", cluster.meta.name, cluster.port));
    // The event service subscribes to that topic, at its own port, and gets what fails for good out of the way.
    let subscription = &object(&manifests, "Subscription", &topic).raw;
    assert_eq!(subscription["apiVersion"], "dapr.io/v2alpha1");
    let spec = &subscription["spec"];
    assert_eq!((&spec["pubsubname"], &spec["topic"]), (&pubsub.clone().into(), &topic.clone().into()));
    assert_eq!(spec["routes"]["default"], "/events/tasks");
    let consumer = manifests.deployment(namespace, "event-service").unwrap();
    let sidecar = DaprSidecar::of(&consumer.template.annotations, "").unwrap().expect("it asks for one");
    assert_eq!((sidecar.app_id.as_str(), sidecar.app_port), ("event-service", Some(8001)));
    assert_eq!(subscription["scopes"], serde_json::json!(["event-service"]));
    assert_eq!(component["scopes"], serde_json::json!(["todo-backend", "event-service"]));
    // Both topics are there, with a partition for each replica that may read.
    let partitions = |name: &str| {
        let spec = &object(&manifests, "KafkaTopic", name).raw["spec"];
        (spec["topicName"].is_null() && spec["replicas"] == 1).then(|| spec["partitions"].as_u64().unwrap())
    };
    let autoscalers = manifests.all_autoscalers();
    let most = autoscalers.iter().find(|one| one.target_name == consumer.meta.name).unwrap().max_replicas;
    assert_eq!(partitions(&topic), Some(u64::from(most)));
    assert_eq!(partitions(spec["deadLetterTopic"].as_str().unwrap()), Some(1));
    // A failed delivery is tried again instead of being put aside at once.
    let retries = &object(&manifests, "Resiliency", &pubsub).raw["spec"];
    let policy = retries["targets"]["components"][&pubsub]["inbound"]["retry"].as_str().unwrap();
    assert_eq!(retries["policies"]["retries"][policy]["maxRetries"], -1);
    // Tracing and cardinality are said in full, because Dapr's defaults are not what is wanted.
    for deployment in [backend, consumer] {
        let sidecar = DaprSidecar::of(&deployment.template.annotations, "").unwrap().unwrap();
        let configuration =
            &object(&manifests, "Configuration", sidecar.config.as_deref().unwrap()).raw["spec"];
        assert_eq!(configuration["tracing"]["samplingRate"], "1");
        assert_eq!(configuration["tracing"]["otel"]["isSecure"], false);
        assert_eq!(configuration["metrics"]["http"]["increasedCardinality"], false);
        assert!(sidecar.metrics && sidecar.metrics_port == 9090);
        for amounts in [&sidecar.requests, &sidecar.limits] {
            assert!(amounts.contains_key("cpu") && amounts.contains_key("memory"), "the HPA needs them");
        }
    }
}
