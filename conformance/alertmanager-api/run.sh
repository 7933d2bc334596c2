#!/usr/bin/env bash
# The same requests to the API v2 of a real Alertmanager and of tidewatch, and the same commands of amtool. Exits with 1 when an answer differs.
#
#   ALERTMANAGER=alertmanager   0.34: github.com/prometheus/alertmanager, go build ./cmd/alertmanager
#   AMTOOL=amtool               of the same release: go build ./cmd/amtool; by default the one beside Alertmanager, if there is one
#   TIDEWATCH=path              by default built here
#
# Says so and ends with 0 where they are not here. Takes ten seconds; everything happens on free ports and in a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${ALERTMANAGER:=alertmanager}"
if [ -z "${AMTOOL:-}" ]; then
  AMTOOL=amtool
  case "$ALERTMANAGER" in */*) [ ! -x "$(dirname "$ALERTMANAGER")/amtool" ] || AMTOOL="$(dirname "$ALERTMANAGER")/amtool" ;; esac
fi
for tool in "$ALERTMANAGER" "$AMTOOL" node curl; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not on the PATH; see the head of conformance/alertmanager-api/run.sh"; exit 0; }
done
if [ -z "${TIDEWATCH:-}" ]; then
  cargo build --locked --quiet -p tidewatch
  TIDEWATCH="${CARGO_TARGET_DIR:-target}/debug/tidewatch"
fi
here=conformance/alertmanager-api
config="$here/alertmanager.yml"
work="$(mktemp -d)"
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  pids=()
}
trap 'stop; rm -rf "$work"' EXIT

# start <name>: both, with nothing in them, on seven ports that were free a moment ago.
start() {
  stop
  read -r real ours t_web t_in t_grpc t_api t_sampling < <(node -e '
    const net = require("node:net");
    const servers = Array.from({ length: 7 }, () => net.createServer().listen(0, "127.0.0.1"));
    Promise.all(servers.map((server) => new Promise((done) => server.once("listening", done)))).then(() => {
      console.log(servers.map((server) => server.address().port).join(" "));
      servers.forEach((server) => server.close());
    });')
  "$ALERTMANAGER" --config.file="$config" --storage.path="$work/$1-alertmanager" --web.listen-address="127.0.0.1:$real" \
    --cluster.listen-address= >"$work/$1-alertmanager.log" 2>&1 & pids+=($!)
  echo 'global: {}' >"$work/empty.yml"
  "$TIDEWATCH" serve --config.file="$work/empty.yml" --storage.tsdb.path="$work/$1-tidewatch" --web.listen-address="127.0.0.1:$t_web" \
    --otlp.http.listen-address="127.0.0.1:$t_in" --otlp.grpc.listen-address="127.0.0.1:$t_grpc" \
    --jaeger.web.listen-address="127.0.0.1:$t_api" --jaeger.sampling.listen-address="127.0.0.1:$t_sampling" \
    --alertmanager.config.file="$config" --alertmanager.web.listen-address="127.0.0.1:$ours" >"$work/$1-tidewatch.log" 2>&1 & pids+=($!)
  local port end
  for port in "$real" "$ours"; do
    end=$((SECONDS + 30))
    until curl -fsS "http://127.0.0.1:$port/api/v2/status" >/dev/null 2>&1; do
      [ $SECONDS -lt $end ] || { echo "nothing answers on port $port" >&2; tail -20 "$work"/*.log >&2; exit 1; }
      sleep 0.2
    done
  done
}

failed=0
start requests
node "$here/compare.mjs" "http://127.0.0.1:$real" "http://127.0.0.1:$ours" || failed=1
start amtool
node "$here/amtool.mjs" "$AMTOOL" "$config" "http://127.0.0.1:$real" "http://127.0.0.1:$ours" || failed=1
# who set a silence, and why, is in no log
for word in 'a person' 'a reason' somebody; do
  if grep -q "$word" "$work"/*-tidewatch.log; then echo "DIFFERS the log of tidewatch has the words \"$word\" of a silence"; failed=1; fi
done
exit $failed
