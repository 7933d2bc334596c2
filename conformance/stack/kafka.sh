#!/usr/bin/env bash
# A real Kafka (KRaft, one node) under the flags that `tidewatch up` gives the container `kafka`; see tidewatch.yaml of this folder.
#   KAFKA_JARS   folder with the jars of Kafka 4.1
#   JMX_AGENT    jmx_prometheus_javaagent.jar, JMX_RULES its configuration; without them the page of metrics is missing
set -euo pipefail
while [ $# -gt 1 ]; do
  case "$1" in
    --data-dir) data=$2 ;;
    --listen-address) listen=$2 ;;
    --metrics-listen-address) metrics=$2 ;;
    --topics) topics=$2 ;;
    *) echo "unknown flag $1" >&2; exit 2 ;;
  esac
  shift 2
done
ip=${listen%:*}
mkdir -p "$data"
cat > "$data/server.properties" <<END
process.roles=broker,controller
node.id=0
controller.quorum.voters=0@$ip:9091
listeners=PLAINTEXT://$listen,CONTROLLER://$ip:9091
advertised.listeners=PLAINTEXT://$listen
controller.listener.names=CONTROLLER
log.dirs=$data/log
auto.create.topics.enable=${AUTO_CREATE_TOPICS:-false}
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
END
tool() { java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$KAFKA_JARS/*" "$@"; }
[ -f "$data/log/meta.properties" ] || tool kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$data/server.properties"

# What Strimzi's topic operator does: the topics of the manifests.
make_topics() {
  local name partitions config
  while read -r name partitions config; do
    # shellcheck disable=SC2086 # several --config
    until tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$listen" --create --if-not-exists --topic "$name" \
      --partitions "$partitions" --replication-factor 1 $config; do sleep 1; done
  done < <(python3 -c '
import json, sys
for topic in json.load(open(sys.argv[1])):
    spec = topic["spec"]
    config = " ".join(f"--config {key}={value}" for key, value in spec.get("config", {}).items())
    print(spec.get("topicName", topic["metadata"]["name"]), spec["partitions"], config)' "$topics")
}
[ -f "$data/topics-made" ] || { make_topics && touch "$data/topics-made"; } &

agent=()
if [ -n "${JMX_AGENT:-}" ]; then agent=("-javaagent:$JMX_AGENT=$metrics:$JMX_RULES"); fi
exec java -Xmx256m -XX:+UseSerialGC "${agent[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_JARS/*" \
  kafka.Kafka "$data/server.properties"
