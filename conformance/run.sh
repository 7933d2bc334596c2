#!/usr/bin/env bash
# The same questions to tidewatch and to the real systems. Runs the conformance tests and every conformance/*/run.sh; a part whose
# peer is not here is skipped and says so; the last lines tell which parts ran. Exits with 1 when a part failed.
#
#   variable      default       what                                                 for
#   PROMETHEUS    prometheus    Prometheus 3.16, promtool beside it                  tests, promql, tsdb
#   ALERTMANAGER  alertmanager  Alertmanager 0.34, amtool beside it                  alerts, notifications, alertmanager-api
#   JAEGER        jaeger        Jaeger 2.13 or later                                 jaeger
#   DAPRD         daprd         daprd 1.14                                           dapr, stack
#   KAFKA_JARS    (none)        folder with the jars of Kafka 4.1, and java, kcat    kafka, dapr, stack
#   JMX_AGENT     (none)        jmx_prometheus_javaagent.jar                         stack: brokertopicmetrics of the real Kafka
#
# The HPA controller of Kubernetes (hpa) is built by conformance/hpa/reference/build.sh: Go, and its module proxy the first time.
#
# Where the others come from:
#   go install -tags remove_all_sd,enable_kubernetes_sd,enable_file_sd,enable_http_sd,enable_dns_sd \
#     github.com/prometheus/prometheus/cmd/{prometheus,promtool}@v0.316.0
#   go install github.com/prometheus/alertmanager/cmd/{alertmanager,amtool}@v0.34.2
#   jaeger: github.com/jaegertracing/jaeger, go build ./cmd/jaeger
#   daprd: github.com/dapr/dapr, go build -tags stablecomponents ./cmd/daprd
#   Maven: org.apache.kafka:kafka_2.13:4.1.1 org.apache.kafka:kafka-tools:4.1.1 org.slf4j:slf4j-simple
#     io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1
set -euo pipefail
case "${1:-}" in -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/.."
: "${PROMETHEUS:=prometheus}" "${ALERTMANAGER:=alertmanager}" "${JAEGER:=jaeger}" "${DAPRD:=daprd}" "${KAFKA_JARS:=}" "${JMX_AGENT:=}"
if command -v go >/dev/null; then PATH="$PATH:$(go env GOPATH)/bin"; fi
# `prometheus` and `promtool` are called by these names.
case "$PROMETHEUS" in */*) PATH="$(cd "$(dirname "$PROMETHEUS")" && pwd):$PATH" ;; esac
case "$ALERTMANAGER" in */*) PATH="$(cd "$(dirname "$ALERTMANAGER")" && pwd):$PATH" ;; esac
export PATH ALERTMANAGER JAEGER DAPRD KAFKA_JARS JMX_AGENT

# missing <peer…>: those of them that are not here.
missing() {
  local peer
  for peer in "$@"; do
    case "$peer" in
      KAFKA_JARS) [ -n "$KAFKA_JARS" ] && [ -d "$KAFKA_JARS" ] || echo "KAFKA_JARS" ;;
      *) command -v "$peer" >/dev/null || echo "$peer" ;;
    esac
  done
}

# peers <part>: without what the part cannot run at all. The stack looks for its peers itself: it runs with one of them.
peers() {
  case "$1" in
    tests|tsdb|promql) echo prometheus promtool ;;
    alerts) echo prometheus "$ALERTMANAGER" node ;;
    notifications) echo "$ALERTMANAGER" node ;;
    jaeger) echo "$JAEGER" node curl ;;
    alertmanager-api) echo "$ALERTMANAGER" amtool node curl ;;
    dapr) echo "$DAPRD" KAFKA_JARS java kcat python3 ;;
    kafka) echo KAFKA_JARS java kcat python3 ;;
    stack) echo python3 ;;
    hpa) echo go ;;
  esac
}

ran=() skipped=() failed=()
part() { # name, command…
  local name=$1 without said
  shift
  # shellcheck disable=SC2046 # a list of words
  without=$(missing $(peers "$name") | tr '\n' ' ')
  if [ -n "$without" ]; then
    echo "== $name: skipped, not here: $without"
    skipped+=("$name (without ${without% })")
    return
  fi
  echo "== $name"
  said=$(mktemp)
  if "$@" 2>&1 | tee "$said"; then
    # a part that starts and finds that something is missing says so in its first word
    while read -r without; do skipped+=("$name: $without"); done < <(sed -n 's/^skipped: //p' "$said")
    if grep -qv '^skipped: ' "$said"; then ran+=("$name"); fi
  else
    failed+=("$name")
  fi
  rm -f "$said"
}

part tests cargo test --locked -p tidewatch --test it conformance -- --nocapture
for script in conformance/*/run.sh; do
  part "$(basename "$(dirname "$script")")" "$script"
done
echo "== ran: ${ran[*]:-nothing}"
for each in "${skipped[@]}"; do echo "== skipped: $each"; done
for each in "${failed[@]}"; do echo "== FAILED: $each"; done
[ ${#failed[@]} -eq 0 ]
