#!/usr/bin/env bash
# Drawn configurations of Alertmanager and what happens under them: a real one in real time, tidewatch's in virtual time. Exits with 1 when they tell differently.
#
#   ALERTMANAGER=alertmanager   0.34: github.com/prometheus/alertmanager, go build ./cmd/alertmanager
#   CASES=50 SEED=1             how many, and which; 25 take half a minute
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${ALERTMANAGER:=alertmanager}" "${CASES:=50}" "${SEED:=1}"
export ALERTMANAGER
for tool in "$ALERTMANAGER" node; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not on the PATH; see the head of conformance/notifications/run.sh"; exit 0; }
done
cargo build --locked --quiet -p tidewatch-notify --example replay
export REPLAY="${CARGO_TARGET_DIR:-target}/debug/examples/replay"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
node conformance/notifications/run.mjs "$work" "$CASES" "$SEED"
