//! Strimzi's objects (kafka.strimzi.io/v1): a Kafka cluster, its node pools and its topics.
//!
//! Input: objects of the kinds `Kafka`, `KafkaNodePool` and `KafkaTopic` as they were read. Output: [`KafkaCluster`], with
//! just what is needed to run it on one machine. Listeners beyond the plain internal one, storage, users and broker settings are
//! legal and not interpreted.

use crate::{Manifests, ObjectMeta, Other, Quantity};
use serde_json::Value;
use std::collections::BTreeMap;

/// What names the cluster that a pool or topic belongs to.
const CLUSTER_LABEL: &str = "strimzi.io/cluster";
/// The port of the plain internal listener, unless one says otherwise.
const PLAIN_PORT: u16 = 9092;

/// A Kafka cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaCluster {
    /// Name, namespace and place of the `Kafka` object.
    pub meta: ObjectMeta,
    /// The port of its internal listener without TLS; 9092 when none is written.
    pub port: u16,
    /// Whether a topic that nobody made is made when it is first named: `auto.create.topics.enable` of its configuration.
    pub auto_create_topics: bool,
    /// Whether `spec.kafkaExporter` is there.
    pub exporter: bool,
    /// The pools with the role `broker`, in the order of the files.
    pub pools: Vec<KafkaPool>,
    /// Its `KafkaTopic` objects, whole.
    pub topics: Vec<Value>,
}

/// A node pool of a Kafka cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaPool {
    /// Name, namespace and place of the `KafkaNodePool`.
    pub meta: ObjectMeta,
    /// How many brokers a cluster would run.
    pub replicas: u64,
    /// Whether the nodes are controllers too.
    pub controller: bool,
    /// What a broker may count on.
    pub requests: BTreeMap<String, Quantity>,
    /// What a broker may use at most.
    pub limits: BTreeMap<String, Quantity>,
}

impl KafkaCluster {
    /// The labels that Strimzi gives the pods of a pool.
    pub fn pod_labels(&self, pool: &KafkaPool) -> BTreeMap<String, String> {
        let cluster = &self.meta.name;
        let labels = [
            ("app.kubernetes.io/instance", cluster.clone()),
            ("app.kubernetes.io/managed-by", "strimzi-cluster-operator".to_owned()),
            ("app.kubernetes.io/name", "kafka".to_owned()),
            ("app.kubernetes.io/part-of", format!("strimzi-{cluster}")),
            (CLUSTER_LABEL, cluster.clone()),
            ("strimzi.io/broker-role", "true".to_owned()),
            ("strimzi.io/component-type", "kafka".to_owned()),
            ("strimzi.io/controller", "strimzipodset".to_owned()),
            ("strimzi.io/controller-name", format!("{cluster}-{}", pool.meta.name)),
            ("strimzi.io/controller-role", pool.controller.to_string()),
            ("strimzi.io/kind", "Kafka".to_owned()),
            ("strimzi.io/name", format!("{cluster}-kafka")),
            ("strimzi.io/pool-name", pool.meta.name.clone()),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The labels that Strimzi gives the pod of its exporter.
    pub fn exporter_labels(&self) -> BTreeMap<String, String> {
        let cluster = &self.meta.name;
        let labels = [
            ("app.kubernetes.io/instance", cluster.clone()),
            ("app.kubernetes.io/name", "kafka-exporter".to_owned()),
            (CLUSTER_LABEL, cluster.clone()),
            ("strimzi.io/component-type", "kafka-exporter".to_owned()),
            ("strimzi.io/kind", "Kafka".to_owned()),
            ("strimzi.io/name", format!("{cluster}-kafka-exporter")),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn of(manifests: &Manifests, object: &Other) -> Self {
        let spec = &object.raw["spec"];
        let listeners = spec["kafka"]["listeners"].as_array().into_iter().flatten();
        let mut plain = listeners.filter(|listener| listener["tls"] != Value::Bool(true));
        let port = plain.find_map(|listener| u16::try_from(listener["port"].as_u64()?).ok());
        let belongs = |other: &&Other| {
            other.meta.namespace == object.meta.namespace
                && other.meta.labels.get(CLUSTER_LABEL) == Some(&object.meta.name)
        };
        let own = |kind: &'static str| of_kind(manifests, kind).filter(belongs);
        let is_broker = |other: &&Other| has_role(other, "broker");
        // Strimzi takes it as a boolean or as text, and Kafka's own default is yes
        let auto_create = &spec["kafka"]["config"]["auto.create.topics.enable"];
        Self {
            meta: object.meta.clone(),
            port: port.unwrap_or(PLAIN_PORT),
            auto_create_topics: *auto_create != Value::Bool(false) && auto_create.as_str() != Some("false"),
            exporter: spec["kafkaExporter"].is_object(),
            pools: own("KafkaNodePool").filter(is_broker).map(|pool| KafkaPool::of(pool, spec)).collect(),
            topics: own("KafkaTopic").map(|topic| topic.raw.clone()).collect(),
        }
    }
}

fn has_role(pool: &Other, role: &str) -> bool {
    pool.raw["spec"]["roles"].as_array().is_some_and(|roles| roles.iter().any(|one| one == role))
}

impl KafkaPool {
    fn of(object: &Other, cluster: &Value) -> Self {
        let spec = &object.raw["spec"];
        let resources =
            if spec["resources"].is_object() { &spec["resources"] } else { &cluster["kafka"]["resources"] };
        let (mut requests, limits) = (amounts(&resources["requests"]), amounts(&resources["limits"]));
        for (name, limit) in &limits {
            requests.entry(name.clone()).or_insert(*limit);
        }
        Self {
            meta: object.meta.clone(),
            replicas: spec["replicas"].as_u64().unwrap_or(0),
            controller: has_role(object, "controller"),
            requests,
            limits,
        }
    }
}

fn amounts(list: &Value) -> BTreeMap<String, Quantity> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = list.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), Quantity::parse(&text(value)).ok()?))).collect()
}

/// The objects of a kind of Strimzi's.
pub(crate) fn of_kind<'a>(
    manifests: &'a Manifests,
    kind: &'static str,
) -> impl Iterator<Item = &'a Other> + 'a {
    manifests
        .others
        .iter()
        .filter(move |other| other.kind == kind && other.api_version.starts_with("kafka.strimzi.io/"))
}

impl Manifests {
    /// The Kafka clusters with their pools and topics, in the order of the files.
    pub fn kafka_clusters(&self) -> Vec<KafkaCluster> {
        of_kind(self, "Kafka").map(|object| KafkaCluster::of(self, object)).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::load_text;

    #[test]
    fn a_cluster_has_its_own_pools_and_topics() {
        let text = "\
apiVersion: kafka.strimzi.io/v1
kind: Kafka
metadata: {name: main, namespace: shop}
spec:
  kafka: {listeners: [{name: tls, port: 9093, type: internal, tls: true}, {name: plain, port: 9192, type: internal, tls: false}]}
  kafkaExporter: {}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaNodePool
metadata: {name: broker, namespace: shop, labels: {strimzi.io/cluster: main}}
spec: {replicas: 1, roles: [controller, broker], resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaNodePool
metadata: {name: controller, namespace: shop, labels: {strimzi.io/cluster: main}}
spec: {replicas: 3, roles: [controller]}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {name: orders, namespace: shop, labels: {strimzi.io/cluster: main}}
spec: {partitions: 3, replicas: 1}
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {name: orders, namespace: other, labels: {strimzi.io/cluster: main}}
spec: {partitions: 3, replicas: 1}
";
        let manifests = load_text("kafka.yaml", text).unwrap();
        let clusters = manifests.kafka_clusters();
        let [cluster] = &clusters[..] else { panic!("{clusters:?}") };
        assert_eq!((cluster.port, cluster.exporter, cluster.topics.len()), (9192, true, 1));
        assert!(cluster.auto_create_topics, "Kafka's default");
        for value in ["false", "\"false\""] {
            let config = format!("kafka: {{config: {{auto.create.topics.enable: {value}}}, ");
            let clusters =
                load_text("kafka.yaml", &text.replace("kafka: {", &config)).unwrap().kafka_clusters();
            assert!(!clusters[0].auto_create_topics, "{value}");
        }
        let [pool] = &cluster.pools[..] else { panic!("{:?}", cluster.pools) };
        assert_eq!((pool.meta.name.as_str(), pool.replicas, pool.controller), ("broker", 1, true));
        assert_eq!((pool.requests["cpu"].milli(), pool.requests["memory"]), (100, pool.limits["memory"]));
        let labels = cluster.pod_labels(pool);
        assert_eq!(
            (labels["strimzi.io/name"].as_str(), labels["strimzi.io/cluster"].as_str()),
            ("main-kafka", "main")
        );
    }
}
