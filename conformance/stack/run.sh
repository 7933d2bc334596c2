#!/usr/bin/env bash
# The application as shipped, under `tidewatch up`, with the real daprd and the real Kafka in the places of tidewatch's own, together and
# crosswise: one activity for every committed change, also across kill -9 of the broker under load; every hop of every trace in its
# place and the same in every combination; every query of the Dapr and Kafka dashboards with data. Exits with 1 when one is not so.
#
#   DAPRD=daprd        built from github.com/dapr/dapr v1.14: go build -tags stablecomponents ./cmd/daprd
#   KAFKA_JARS=folder  org.apache.kafka:kafka_2.13:4.1.1, org.apache.kafka:kafka-tools:4.1.1, org.slf4j:slf4j-simple and dependencies
#   JMX_AGENT=jar      io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1, which Strimzi has in its image; without it the queries of
#                      brokertopicmetrics are not asked of the real Kafka
#   TIDEWATCH=path     with the applications beside it; by default built here
#   TASKS=100          for the traces; LOAD=20 seconds of load around the kill
#   COMBINATIONS="tidewatch/tidewatch daprd/kafka daprd/tidewatch tidewatch/kafka"   sidecar/broker
#   KEEP=folder        keeps data, logs and results there
#
# Combinations whose peer is missing are skipped by name. About two minutes for each.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here/../.."
: "${DAPRD:=daprd}" "${COMBINATIONS:=tidewatch/tidewatch daprd/kafka daprd/tidewatch tidewatch/kafka}"
command -v python3 >/dev/null || { echo "skipped: python3 is not on the PATH"; exit 0; }
missing=" "
command -v "$DAPRD" >/dev/null || missing+="daprd "
{ [ -d "${KAFKA_JARS:-}" ] && command -v java >/dev/null; } || missing+="kafka "
chosen=()
for combination in $COMBINATIONS; do
  sidecar=${combination%/*} broker=${combination#*/}
  case "$missing" in
    *" $sidecar "*) echo "skipped: $combination, daprd is not on the PATH (DAPRD)" ;;
    *" $broker "*) echo "skipped: $combination, no java or no jars of Kafka (KAFKA_JARS)" ;;
    *) chosen+=("$combination") ;;
  esac
done
case " ${chosen[*]} " in
  *daprd*|*kafka*) ;;
  *) echo "skipped: neither daprd nor Kafka is here; see the head of conformance/stack/run.sh"; exit 0 ;;
esac
if [ -z "${TIDEWATCH:-}" ]; then
  cargo build --locked --quiet -p tidewatch -p todo-backend -p todo-frontend -p todo-event-service
  TIDEWATCH="${CARGO_TARGET_DIR:-target}/debug/tidewatch"
fi
work="${KEEP:-$(mktemp -d)}"
mkdir -p "$work"
[ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
if [ -z "${JMX_AGENT:-}" ]; then echo "skipped: brokertopicmetrics of the real Kafka, no JMX_AGENT"; fi
export DAPRD KAFKA_JARS="${KAFKA_JARS:-}" JMX_AGENT="${JMX_AGENT:-}"
failed=
for combination in "${chosen[@]}"; do
  echo "-- sidecar/broker: $combination"
  python3 -u "$here/follow.py" "$TIDEWATCH" "${combination%/*}" "${combination#*/}" "$work/${combination/\//-}" || failed=1
done
python3 "$here/compare.py" "$work" "${chosen[@]}" || failed=1
[ -z "$failed" ]
