#!/usr/bin/env bash
# The same spans into tidewatch and into a real Jaeger v2, the same questions to both query APIs. Exits with 1 when an answer differs.
#
#   JAEGER=jaeger         built from github.com/jaegertracing/jaeger v1.76 (= v2.13) or later: go build ./cmd/jaeger
#   TIDEWATCH=path        by default built here
#
# Says so and ends with 0 where there is no Jaeger. Takes half a minute; everything happens on free ports and in a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${JAEGER:=jaeger}"
for tool in "$JAEGER" node curl; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not on the PATH; see the head of conformance/jaeger/run.sh"; exit 0; }
done
if [ -z "${TIDEWATCH:-}" ]; then
  cargo build --locked --quiet -p tidewatch
  TIDEWATCH="${CARGO_TARGET_DIR:-target}/debug/tidewatch"
fi
work="$(mktemp -d)"
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# Nine ports that were free a moment ago.
read -r j_in j_grpc j_api j_api_grpc t_in t_grpc t_api t_sampling t_web < <(node -e '
  const net = require("node:net");
  const servers = Array.from({ length: 9 }, () => net.createServer().listen(0, "127.0.0.1"));
  Promise.all(servers.map((server) => new Promise((done) => server.once("listening", done)))).then(() => {
    console.log(servers.map((server) => server.address().port).join(" "));
    servers.forEach((server) => server.close());
  });')

JAEGER_OTLP_PORT=$j_in JAEGER_OTLP_GRPC_PORT=$j_grpc JAEGER_QUERY_PORT=$j_api JAEGER_QUERY_GRPC_PORT=$j_api_grpc JAEGER_MAX_TRACES=100000 \
  "$JAEGER" --config conformance/jaeger/jaeger.yaml >"$work/jaeger.log" 2>&1 & pids+=($!)
echo 'global: {}' >"$work/empty.yml"
"$TIDEWATCH" serve --config.file="$work/empty.yml" --storage.tsdb.path="$work/data" --web.listen-address="127.0.0.1:$t_web" \
  --otlp.http.listen-address="127.0.0.1:$t_in" --otlp.grpc.listen-address="127.0.0.1:$t_grpc" \
  --jaeger.web.listen-address="127.0.0.1:$t_api" --jaeger.sampling.listen-address="127.0.0.1:$t_sampling" >"$work/tidewatch.log" 2>&1 & pids+=($!)
for port in "$j_api" "$t_api"; do
  end=$((SECONDS + 30))
  until curl -fsS "http://127.0.0.1:$port/api/services" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "nothing answers on port $port" >&2; tail -20 "$work"/*.log >&2; exit 1; }
    sleep 0.2
  done
done
node conformance/jaeger/compare.mjs "http://127.0.0.1:$j_in" "http://127.0.0.1:$j_api" "http://127.0.0.1:$t_in" "http://127.0.0.1:$t_api"
