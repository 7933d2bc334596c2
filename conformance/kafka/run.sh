#!/usr/bin/env bash
# The same clients do the same to tidewatch's broker and to Apache Kafka, and see the same.
# Needs kcat, Java 17 and the jars of Kafka 4.1 (org.apache.kafka:kafka_2.13:4.1.1, org.apache.kafka:kafka-tools:4.1.1 and
# org.slf4j:slf4j-simple, with their dependencies) in one folder, named by KAFKA_JARS.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${KAFKA_JARS:?names the folder with the jars of Kafka 4.1; see the head of conformance/kafka/run.sh}"
for tool in kcat java; do
  command -v "$tool" >/dev/null || { echo "$tool is not on the PATH" >&2; exit 1; }
done
cargo build --locked -q -p tidewatch-broker --examples
target="${CARGO_TARGET_DIR:-target}/debug/examples"
work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

tool() { timeout 60 java -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$KAFKA_JARS/*" "$@" 2>&1; }

kcat() { timeout 30 kcat "$@"; }

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

start_kafka() {
  local port controller
  port=$(free_port); controller=$(free_port)
  cat > "$work/server.properties" <<EOF
process.roles=broker,controller
node.id=0
controller.quorum.voters=0@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
controller.listener.names=CONTROLLER
log.dirs=$work/kafka
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
EOF
  tool kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$work/server.properties" >/dev/null
  java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$KAFKA_JARS/*" kafka.Kafka "$work/server.properties" \
    > "$work/kafka.log" 2>&1 &
  pids+=($!)
  kafka=127.0.0.1:$port
}

start_tidewatch() {
  "$target/broker" "$work/tidewatch" 127.0.0.1:0 127.0.0.1:0 > "$work/tidewatch.address" &
  pids+=($!)
  for _ in $(seq 100); do
    tidewatch=$(cut -d' ' -f1 "$work/tidewatch.address" 2>/dev/null || true)
    [ -n "$tidewatch" ] && return
    sleep 0.1
  done
}

await() {
  for _ in $(seq 300); do kcat -b "$1" -L -m 1 >/dev/null 2>&1 && return; sleep 0.2; done
  echo "$1 does not answer" >&2; cat "$work/kafka.log" >&2; exit 1
}

# Everything the clients see, without what must differ: addresses, ids, times.
scenario() {
  local at=$1
  step() { echo "== $*"; }
  topics() { tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$at" "$@"; }
  groups() { tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --bootstrap-server "$at" "$@"; }
  step create
  topics --create --topic orders --partitions 3 --replication-factor 1 --config retention.ms=3600000 --config segment.bytes=33554432
  topics --create --topic orders --partitions 3 || true
  topics --create --topic wide --partitions 1 --replication-factor 2 | sed 's/(org.*//' | head -1 || true
  topics --describe --topic orders | sed 's/TopicId: [^\t]*//; s/Configs:.*//; s/Elr:.*//'
  step produce
  seq 30 | awk '{print "key" $1 ":value " $1}' | kcat -P -b "$at" -t orders -K: -X partitioner=murmur2_random
  seq 31 50 | awk '{print "key" $1 ":value " $1}' | kcat -P -b "$at" -t orders -K: -X enable.idempotence=true -X partitioner=murmur2_random -z gzip 2>/dev/null
  seq 51 60 | awk '{print "key" $1 ":value " $1}' |
    tool org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$at" --topic orders --property parse.key=true --property key.separator=:
  head -c 600000 /dev/zero | tr '\0' x | kcat -P -b "$at" -t orders -p 0 -k big
  head -c 1200000 /dev/zero | tr '\0' x | kcat -P -b "$at" -t orders -p 0 -X message.max.bytes=2000000 2>&1 |
    grep -o 'Message size too large' | head -1 || true
  step consume with kcat
  kcat -C -b "$at" -t orders -o beginning -e -q -f '%p %o %k %S\n' | sort
  kcat -C -b "$at" -t orders -p 1 -o 3 -c 2 -q -f '%p %o %k %s\n'
  kcat -C -b "$at" -t orders -p 1 -o -2 -e -q -f '%p %o %k %s\n'
  step consume with a group of kcat
  kcat -b "$at" -G kcats -X auto.offset.reset=earliest -c 61 -q -f '%p %o %k\n' orders 2>/dev/null | sort || true
  step consume with a group of Java
  tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$at" --topic orders --group javas --from-beginning \
    --max-messages 40 --property print.key=true --property print.value=false | sort | wc -l
  tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$at" --topic orders --group javas --max-messages 21 \
    --property print.offset=true --property print.partition=true --property print.value=false | sort | wc -l
  tool org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$at" --topic orders --partition 2 --offset earliest \
    --isolation-level read_committed --max-messages 5
  step groups
  groups --list | sort
  groups --describe --group javas | tr -s ' ' | sort
  groups --describe --state --group javas | tr -s ' ' | sed 's/127[^ ]*//'
  groups --describe --group nobody | sed 's/(.*//' | head -2
  groups --reset-offsets --group javas --topic orders --to-offset 2 --execute | tr -s ' ' | sort
  groups --describe --group javas --offsets | tr -s ' ' | sort
  groups --delete-offsets --group javas --topic orders:1 | tr -s ' ' | sort
  groups --delete --group kcats
  groups --list | sort
  step offsets
  for time in latest earliest max-timestamp 1 9999999999999; do
    tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$at" --topic orders --time "$time"
  done
  echo '{"version":1,"partitions":[{"topic":"orders","partition":0,"offset":4}]}' > "$work/delete.json"
  tool org.apache.kafka.tools.DeleteRecordsCommand --bootstrap-server "$at" --offset-json-file "$work/delete.json" | sed 's/^Records deleted.*//'
  tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$at" --topic orders --time earliest
  step configuration
  tool kafka.admin.ConfigCommand --bootstrap-server "$at" --alter --entity-type topics --entity-name orders --add-config retention.ms=7200000
  tool kafka.admin.ConfigCommand --bootstrap-server "$at" --describe --entity-type topics --entity-name orders |
    sed 's/synonyms={.*//' | sort | grep -v min.insync
  tool kafka.admin.ConfigCommand --bootstrap-server "$at" --alter --entity-type topics --entity-name orders --add-config retention.ms=soon |
    grep -o 'InvalidConfigurationException' | head -1 || true
  topics --alter --topic orders --partitions 5
  step exporter
  "$target/exporter" "$at" | grep -v '__consumer_offsets\|_bytesin_\|messagesin_total{topic=""}' | sed "s/$at/BROKER/"
  step end
  topics --delete --topic orders
  for _ in $(seq 50); do [ -z "$(kcat -b "$at" -L | grep '"orders"')" ] && break; sleep 0.2; done
  topics --list | grep -v '__consumer_offsets\|^$' || true
}

start_kafka
start_tidewatch
await "$kafka"
await "$tidewatch"
(scenario "$kafka") > "$work/kafka.out" 2>&1 &
on_kafka=$!
failed=
(scenario "$tidewatch") > "$work/tidewatch.out" 2>&1 || failed=tidewatch
wait "$on_kafka" || failed=Kafka
if [ -n "${KEEP:-}" ]; then cp "$work"/*.out "$KEEP"; fi
[ -z "$failed" ] || { echo "the scenario ends early on $failed"; tail -5 "$work"/*.out; exit 1; }
diff "$work/kafka.out" "$work/tidewatch.out" || { echo "tidewatch (>) differs from Kafka (<)"; exit 1; }
echo "the same on both: $(grep -c '' "$work/kafka.out") lines"
