#!/usr/bin/env bash
# The same publish and subscribe questions to Dapr's daprd and to `tidewatch sidecar`, each in front of the same recording application
# and the same Kafka. Writes both transcripts and shows what differs beyond what expected-differences.txt names.
#
#   KAFKA=127.0.0.1:9092   bootstrap servers of a Kafka (or `tidewatch broker`) that creates topics by itself
#   DAPRD=daprd            built from github.com/dapr/dapr: go build -tags stablecomponents ./cmd/daprd
#   SIDECAR="tidewatch sidecar"
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
: "${KAFKA:=127.0.0.1:9092}" "${DAPRD:=daprd}" "${SIDECAR:=tidewatch sidecar}"
for tool in kcat python3 "${DAPRD%% *}" "${SIDECAR%% *}"; do
  command -v "$tool" >/dev/null || { echo "$tool is not on the PATH; see the head of conformance/dapr/run.sh" >&2; exit 1; }
done
kcat -b "$KAFKA" -L -m 5 >/dev/null || { echo "no Kafka answers at KAFKA=$KAFKA" >&2; exit 1; }
work="$(mktemp -d)"
pids=()
end() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

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
