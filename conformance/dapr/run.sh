#!/usr/bin/env bash
# The same publish and subscribe questions to Dapr's daprd and to `tidewatch sidecar`, each in front of the same recording application
# and the same Kafka. Writes both transcripts and shows what differs beyond what expected-differences.txt names.
#
#   KAFKA=host:port        bootstrap servers of a Kafka (or `tidewatch broker`) that creates topics by itself; by default one is started
#   KAFKA_JARS=folder      of the jars of Kafka 4.1, for that one
#   DAPRD=daprd            built from github.com/dapr/dapr: go build -tags stablecomponents ./cmd/daprd
#   SIDECAR="tidewatch sidecar"   by default the one built here
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
: "${KAFKA:=}" "${KAFKA_JARS:=}" "${DAPRD:=daprd}"
if [ -z "${SIDECAR:-}" ]; then
  (cd "$here/../.." && cargo build --locked --quiet -p tidewatch)
  SIDECAR="${CARGO_TARGET_DIR:-$here/../../target}/debug/tidewatch sidecar"
fi
for tool in kcat python3 "${DAPRD%% *}" "${SIDECAR%% *}"; do
  command -v "$tool" >/dev/null || { echo "$tool is not on the PATH; see the head of conformance/dapr/run.sh" >&2; exit 1; }
done
[ -n "$KAFKA" ] || [ -d "$KAFKA_JARS" ] || { echo "neither KAFKA nor KAFKA_JARS is given; see the head of conformance/dapr/run.sh" >&2; exit 1; }
work="$(mktemp -d)"
pids=()
end() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

if [ -z "$KAFKA" ]; then
  # Addresses of its own on the loopback: its controller has a fixed port.
  ip="127.77.$((RANDOM % 256)).$((RANDOM % 254 + 1))"
  KAFKA="$ip:9092"
  echo '[]' > "$work/topics.json"
  KAFKA_JARS="$KAFKA_JARS" AUTO_CREATE_TOPICS=true "$here/../stack/kafka.sh" --data-dir "$work/kafka" --listen-address "$KAFKA" \
    --metrics-listen-address "$ip:9404" --topics "$work/topics.json" > "$work/kafka.log" 2>&1 & pids+=($!)
  for _ in $(seq 60); do kcat -b "$KAFKA" -L -m 1 >/dev/null 2>&1 && break; sleep 1; done
fi
kcat -b "$KAFKA" -L -m 5 >/dev/null || { echo "no Kafka answers at KAFKA=$KAFKA" >&2; exit 1; }

# Five ports that were free a moment ago.
read -r app api grpc internal metrics < <(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(5)]
[s.bind(("127.0.0.1", 0)) for s in sockets]
print(*[s.getsockname()[1] for s in sockets])
PY
)

ask() { # name, command…
  local name="$1" suffix="-$$-$1" started=()
  shift
  mkdir -p "$work/$name"
  # Topics of their own for each run: what another run left in them is nobody's.
  sed "s/@BROKERS@/$KAFKA/; s/@GROUP@/conformance$suffix/; s/@SUFFIX@/$suffix/g" "$here/resources/pubsub.yaml" > "$work/$name/pubsub.yaml"
  sed "s/@COLLECTOR@/127.0.0.1:$app/" "$here/resources/configuration.yaml" > "$work/$name.config.yaml"
  python3 "$here/recording_app.py" "$app" "$suffix" & started+=($!)
  "$@" --app-id conformance --app-port "$app" --dapr-http-port "$api" --dapr-grpc-port "$grpc" \
    --dapr-internal-grpc-port "$internal" --dapr-listen-addresses 127.0.0.1 --metrics-port "$metrics" \
    --metrics-listen-address 127.0.0.1 --resources-path "$work/$name" --config "$work/$name.config.yaml" \
    > "$work/$name.log" 2>&1 & started+=($!)
  pids+=("${started[@]}")
  python3 "$here/ask.py" "http://127.0.0.1:$api" "http://127.0.0.1:$metrics" "http://127.0.0.1:$app" "$suffix" \
    > "${TRANSCRIPTS:-$work}/$name.json" || { tail -20 "$work/$name.log" >&2; exit 1; }
  kill "${started[@]}"
  wait "${started[@]}" 2>/dev/null || true
}

ask daprd $DAPRD
ask tidewatch $SIDECAR
python3 "$here/compare.py" "${TRANSCRIPTS:-$work}/daprd.json" "${TRANSCRIPTS:-$work}/tidewatch.json" "$here/expected-differences.txt"
