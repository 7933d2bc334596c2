#!/usr/bin/env bash
# Random unit tests of rules with promtool 3.16 and with `tidewatch test rules`: conformance/ruletest/run.sh [COUNT [SEED]]
# Compares exit codes and every line. PROMTOOL and TIDEWATCH name the programs; without TIDEWATCH it is built.
set -euo pipefail
cd "$(dirname "$0")/../.."
if command -v go >/dev/null; then PATH="$PATH:$(go env GOPATH)/bin"; fi
if ! command -v "${PROMTOOL:=promtool}" >/dev/null; then
  echo "skipped: without $PROMTOOL"
  exit 0
fi
if [ -z "${TIDEWATCH:-}" ]; then
  cargo build -q --locked -p tidewatch
  TIDEWATCH=target/debug/tidewatch
fi
work=$(mktemp -d)
if python3 conformance/ruletest/generate.py "${2:-1}" "${1:-400}" "$work" &&
  python3 conformance/ruletest/compare.py "$PROMTOOL" "$TIDEWATCH" "$work"; then
  rm -rf "$work"
else
  echo "the cases are in $work"
  exit 1
fi
