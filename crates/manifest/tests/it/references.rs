//! References between objects that lead nowhere.

use tidewatch_manifest::{Severity, check, load_text};

const SHOP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: web:1
          ports: [{name: http, containerPort: 8000}]
          readinessProbe: {httpGet: {port: http}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}
";

/// Changes the text above at one place and expects one finding that holds all of these texts.
fn finds(from: &str, to: &str, severity: Severity, expected: &[&str]) {
    assert!(SHOP.contains(from), "{from}");
    let manifests = load_text("shop.yaml", &SHOP.replacen(from, to, 1)).unwrap();
    let found = check(&manifests);
    let all = || found.iter().map(|finding| finding.error.to_string()).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{to}: {:#?}", all());
    assert_eq!(found[0].severity, severity, "{to}: {:#?}", all());
    for part in expected {
        assert!(found[0].error.to_string().contains(part), "{to}: {part}: {:#?}", all());
    }
}

#[test]
fn what_fits_is_left_alone() {
    assert_eq!(check(&load_text("shop.yaml", SHOP).unwrap()), []);
}

#[test]
fn what_leads_nowhere_is_found() {
    use Severity::{Error, Warning};
    finds(
        "selector: {app: web}, ports",
        "selector: {app: wep}, ports",
        Warning,
        &["shop.yaml:15:1: Service/web: spec.selector: selects no pods"],
    );
    finds(
        "targetPort: http",
        "targetPort: htp",
        Error,
        &["no container of Deployment/web declares a port named \"htp\"", "declared are: http"],
    );
    finds(
        "httpGet: {port: http}",
        "httpGet: {port: web}",
        Error,
        &["readinessProbe.httpGet.port", "declares no port named \"web\""],
    );
    finds(
        "kind: Deployment, name: web",
        "kind: Deployment, name: api",
        Error,
        &["there is no Deployment \"api\" in namespace \"shop\""],
    );
    finds(
        "spec:\n  selector",
        "spec:\n  replicas: 2\n  selector",
        Warning,
        &["spec.replicas: sets replicas although HorizontalPodAutoscaler/web"],
    );
    let env = "          env: [{name: DB, valueFrom: {secretKeyRef: {name: db, key: url}}}]\n          readinessProbe";
    finds(
        "          readinessProbe",
        env,
        Warning,
        &["variable DB needs key \"url\" of Secret/db", "hint: add the Secret"],
    );
    finds("port: 80,", "port: 80, protocol: UDP,", Warning, &["spec.ports[0].protocol: UDP is not carried"]);
    let mount = "          volumeMounts: [{name: data, mountPath: /data}]\n          readinessProbe";
    finds("          readinessProbe", mount, Error, &["volumeMounts[0].name: no volume is named \"data\""]);
}

/// A Deployment with these annotations, a Kafka cluster, and Dapr's objects that go with them.
fn messaging(annotations: &str, changes: &[(&str, &str)]) -> String {
    let mut text = format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}, annotations: {{dapr.io/enabled: \"true\", {annotations}}}}}
    spec: {{containers: [{{name: main, image: web, resources: {{requests: {{cpu: 1}}}}}}]}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: web, namespace: shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
  maxReplicas: 2
  metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: brokers, namespace: shop}}
spec: {{selector: {{strimzi.io/cluster: main, strimzi.io/broker-role: 'true'}}, ports: [{{name: tcp-prometheus, port: 9404}}]}}
---
apiVersion: kafka.strimzi.io/v1
kind: Kafka
metadata: {{name: main, namespace: shop}}
spec: {{kafka: {{listeners: []}}}}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaNodePool
metadata: {{name: broker, namespace: shop, labels: {{strimzi.io/cluster: main}}}}
spec: {{replicas: 1, roles: [broker]}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: events, namespace: shop}}
spec: {{type: pubsub.kafka, version: v1}}
---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {{name: events, namespace: shop}}
spec: {{pubsubname: events, topic: orders, routes: {{default: /}}}}
scopes: [orders]
---
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {{name: traced, namespace: shop}}
spec: {{tracing: {{samplingRate: '1', otel: {{endpointAddress: 'jaeger:4318', isSecure: false}}}}}}
"
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

#[test]
fn silent_mistakes_of_sidecars_and_brokers_are_told() {
    let good = "dapr.io/app-id: orders, dapr.io/config: traced, dapr.io/sidecar-cpu-request: 50m";
    let check = |annotations: &str, changes: &[(&str, &str)], expected: Option<(Severity, &str)>| {
        let manifests = load_text("app.yaml", &messaging(annotations, changes)).unwrap();
        let found: Vec<(Severity, String)> =
            check(&manifests).into_iter().map(|found| (found.severity, found.error.to_string())).collect();
        match expected {
            None => assert_eq!(found, []),
            Some((severity, text)) => {
                assert!(
                    found.len() == 1 && found[0].0 == severity && found[0].1.contains(text),
                    "{text}: {found:#?}"
                );
            }
        }
    };
    let (error, warning) = (Severity::Error, Severity::Warning);
    check(good, &[], None);
    check(
        "dapr.io/app-id: orders",
        &[],
        Some((error, "cpu request of every container, and the sidecar has none")),
    );
    check(&good.replace("traced", "other"), &[], Some((error, "Configuration/other, which is not among")));
    check(
        &good.replace("50m", "much"),
        &[("scopes: [orders]", "")],
        Some((error, "dapr.io/sidecar-cpu-request: \"much\"")),
    );
    check(
        &format!("{good}, dapr.io/api-token-secret: x"),
        &[],
        Some((warning, "api-token-secret has no effect locally")),
    );
    check(&good.replace("orders", "shop"), &[], Some((warning, "no Deployment has the app id \"orders\"")));
    check(good, &[("pubsubname: events", "pubsubname: event")], Some((error, "no Component \"event\"")));
    check(good, &[("samplingRate: '1', ", "")], Some((warning, "so 0.0001 is used")));
    check(good, &[(", isSecure: false", "")], Some((warning, "is true when it is left out")));
    check(good, &[("'jaeger:4318'", "'http://jaeger:4318'")], Some((warning, "without a scheme")));
    check(
        good,
        &[("replicas: 1", "replicas: 3")],
        Some((warning, "asks for 3 brokers, of which one is run locally")),
    );
    check(
        good,
        &[("roles: [broker]", "roles: [controller]"), ("kind: Service\n", "kind: Endpoints\n")],
        Some((error, "no KafkaNodePool with the role broker")),
    );
    check(
        good,
        &[("kafka.strimzi.io/v1\nkind: KafkaNodePool", "kafka.strimzi.io/v1beta2\nkind: KafkaNodePool")],
        Some((warning, "not known to Strimzi 1.0")),
    );
}

#[test]
fn autoscalers_that_cannot_work_are_found() {
    use Severity::{Error, Warning};
    let scaled = |more: &str| {
        format!(
            "maxReplicas: 3}}\n---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: lag, namespace: shop}}\n\
             spec: {{{more}}}\n"
        )
    };
    let kafka =
        "triggers: [{type: kafka, metadata: {bootstrapServers: 'k:1', consumerGroup: g, topic: orders}}]";
    finds(
        "maxReplicas: 3}",
        &scaled(&format!("scaleTargetRef: {{name: web}}, maxReplicaCount: 3, {kafka}")),
        Error,
        &["ScaledObject/lag: spec.scaleTargetRef: scales Deployment/web like HorizontalPodAutoscaler/web"],
    );
    finds(
        "maxReplicas: 3}",
        &scaled(&format!("scaleTargetRef: {{name: wep}}, maxReplicaCount: 3, {kafka}")),
        Error,
        &["ScaledObject/lag: spec.scaleTargetRef.name: there is no Deployment \"wep\""],
    );
    finds(
        "kind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}",
        &format!(
            "kind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\nspec: {{scaleTargetRef: {{kind: StatefulSet, name: x}}, {}",
            scaled(&format!("scaleTargetRef: {{kind: Deployment, name: web}}, maxReplicaCount: 3, {kafka}"))
        ),
        Warning,
        &["scales a StatefulSet, which is not run locally"],
    );
    let metric = |resource: &str| {
        format!(
            "maxReplicas: 3, metrics: [{{{resource}, target: {{type: Utilization, averageUtilization: 70}}}}}}]}}"
        )
    };
    finds(
        "maxReplicas: 3}",
        &metric("type: Resource, resource: {name: cpu"),
        Error,
        &[
            "spec.metrics: container \"web\" of Deployment/web has no cpu request",
            "hint: add resources.requests.cpu",
        ],
    );
    finds(
        "maxReplicas: 3}",
        &metric("type: ContainerResource, containerResource: {name: cpu, container: wep"),
        Error,
        &["spec.metrics: Deployment/web has no container \"wep\""],
    );
}

#[test]
fn more_replicas_than_partitions_are_found() {
    let text = SHOP.split("---\napiVersion: autoscaling").next().unwrap();
    let check_with = |max: u32, idle: bool| {
        let text = format!(
            "{text}---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: lag, namespace: shop}}\nspec:\n  \
             scaleTargetRef: {{name: web}}\n  maxReplicaCount: {max}\n  triggers: [{{type: kafka, metadata: {{bootstrapServers: 'k:1', \
             consumerGroup: g, topic: orders, allowIdleConsumers: '{idle}'}}}}]\n---\napiVersion: kafka.strimzi.io/v1\n\
             kind: KafkaTopic\nmetadata: {{name: orders, namespace: kafka}}\nspec: {{partitions: 3}}\n"
        );
        // That the topic belongs to no cluster is said as well.
        let found = check(&load_text("shop.yaml", &text).unwrap());
        let all = found.iter().map(|one| one.error.to_string());
        all.filter(|error| error.contains("ScaledObject/")).collect::<Vec<_>>()
    };
    assert_eq!(check_with(3, false), Vec::<String>::new());
    assert_eq!(check_with(4, true), Vec::<String>::new());
    let found = check_with(4, false);
    assert!(found.len() == 1 && found[0].contains("topic \"orders\" has 3 partitions"), "{found:?}");
}
