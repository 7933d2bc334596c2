#!/usr/bin/env bash
# A million spans into tidewatch and into a real Jaeger v2: processor time, memory, searches, time until seen. JAEGER= its program, or jaeger
# on the PATH; see the head of conformance/jaeger/run.sh. Ends with 1 when a bar is missed.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${JAEGER:=jaeger}"
export JAEGER
command -v "$JAEGER" >/dev/null || { echo "$JAEGER is not on the PATH; see the head of conformance/jaeger/run.sh" >&2; exit 1; }
cargo build --release --locked --quiet -p tidewatch --bin tidewatch
node benches/jaeger/run.mjs
