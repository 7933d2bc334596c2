#!/usr/bin/env bash
# Writes the reference's lines beside every scenario here (NAME.json -> NAME.expected.jsonl), for tests that run without Go.
set -euo pipefail
cd "$(dirname "$0")"
reference="$(../reference/build.sh)"
for scenario in *.json; do
  "$reference" "$scenario" > "${scenario%.json}.expected.jsonl"
done
