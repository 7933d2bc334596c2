#!/usr/bin/env bash
# 5,000 rules over 100,000 series beside a real Prometheus: processor time of both. Needs prometheus on the PATH; see
# conformance/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v prometheus >/dev/null || { echo "prometheus is not on the PATH; see the head of conformance/run.sh" >&2; exit 1; }
cargo build --release --locked --quiet -p tidewatch --bin tidewatch
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo bench --locked --quiet -p tidewatch-rules --bench services -- rules "$folder/rules.yml"
cargo bench --locked --quiet -p tidewatch-rules --bench services -- fill "$folder/tidewatch"
node benches/rules/run.mjs "$folder"
