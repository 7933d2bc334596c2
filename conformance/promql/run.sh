#!/bin/sh
# Compares the engine with a real Prometheus 3.16: conformance/promql/run.sh [path of prometheus]
set -eu
cd "$(dirname "$0")/../.."
exec cargo run -q -p tidewatch-promql --example conformance -- \
    --prometheus "${1:-prometheus}" conformance/promql/queries.promql
