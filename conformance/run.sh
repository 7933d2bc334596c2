#!/usr/bin/env bash
# The same questions to tidewatch and to the real systems. Needs prometheus (3.16) on the PATH:
#   go install -tags remove_all_sd,enable_kubernetes_sd,enable_file_sd,enable_http_sd,enable_dns_sd \
#     github.com/prometheus/prometheus/cmd/{prometheus,promtool}@v0.316.0
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in prometheus promtool; do
  command -v "$tool" >/dev/null || { echo "$tool is not on the PATH; see the head of conformance/run.sh" >&2; exit 1; }
done
cargo test --locked -p tidewatch --test it conformance -- --nocapture
for script in conformance/*/run.sh; do
  [ -e "$script" ] || continue
  echo "== $script"
  "$script"
done
