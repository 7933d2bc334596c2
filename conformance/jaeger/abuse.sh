#!/usr/bin/env bash
# Ten thousand bad OTLP requests to `tidewatch serve`, which is up afterwards, within its memory, and has counted each kind. Needs no Jaeger.
#   TIDEWATCH=path   by default built here     REQUESTS=10000
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${TIDEWATCH:-}" ]; then
  cargo build --release --locked --quiet -p tidewatch
  TIDEWATCH="${CARGO_TARGET_DIR:-target}/release/tidewatch"
fi
work="$(mktemp -d)"
child=
cleanup() {
  [ -z "$child" ] || { kill "$child" 2>/dev/null || true; wait "$child" 2>/dev/null || true; }
  rm -rf "$work"
}
trap cleanup EXIT
read -r otlp grpc api sampling web < <(node -e '
  const net = require("node:net");
  const servers = Array.from({ length: 5 }, () => net.createServer().listen(0, "127.0.0.1"));
  Promise.all(servers.map((server) => new Promise((done) => server.once("listening", done)))).then(() => {
    console.log(servers.map((server) => server.address().port).join(" "));
    servers.forEach((server) => server.close());
  });')
echo 'global: {}' >"$work/empty.yml"
"$TIDEWATCH" serve --config.file="$work/empty.yml" --storage.tsdb.path="$work/data" --web.listen-address="127.0.0.1:$web" \
  --otlp.http.listen-address="127.0.0.1:$otlp" --otlp.grpc.listen-address="127.0.0.1:$grpc" --traces.max-memory=64MB --traces.max-disk=128MB \
  --jaeger.web.listen-address="127.0.0.1:$api" --jaeger.sampling.listen-address="127.0.0.1:$sampling" >"$work/log" 2>&1 & child=$!
end=$((SECONDS + 30))
until curl -fsS "http://127.0.0.1:$api/api/services" >/dev/null 2>&1; do
  [ $SECONDS -lt $end ] || { tail -20 "$work/log" >&2; exit 1; }
  sleep 0.2
done
node conformance/jaeger/abuse.mjs "http://127.0.0.1:$otlp" "http://127.0.0.1:$api" "$child" "${REQUESTS:-10000}"
! grep -i panick "$work/log"
