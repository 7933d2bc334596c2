#!/usr/bin/env bash
# The shipped rules and the shipped configuration of Alertmanager, on the running application, with real causes: Prometheus and
# Alertmanager beside `tidewatch serve`, and what each told to whom. See README.md.
#   PROMETHEUS (prometheus), ALERTMANAGER (alertmanager), TIDEWATCH (target/release/tidewatch)
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${PROMETHEUS:=prometheus}" "${ALERTMANAGER:=alertmanager}" "${TIDEWATCH:=target/release/tidewatch}"
for peer in "$PROMETHEUS" "$ALERTMANAGER" "$TIDEWATCH"; do
  command -v "$peer" >/dev/null || { echo "skipped: $peer is not here"; exit 0; }
done
export PROMETHEUS ALERTMANAGER TIDEWATCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node conformance/alerts/run.mjs "$work"
