#!/usr/bin/env bash
# Queries and scraping beside a real Prometheus, as ratios. Needs prometheus on the PATH; see conformance/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v prometheus >/dev/null || { echo "prometheus is not on the PATH; see the head of conformance/run.sh" >&2; exit 1; }
cargo build --release --locked --quiet -p tidewatch --bin tidewatch --example fill
node benches/peer/run.mjs
