#!/usr/bin/env bash
# Plays scenarios through `tidewatch autoscale replay` and through the real HPA controller, and compares every line.
#
#   conformance/hpa/run.sh [COUNT [SEED]]     COUNT random scenarios (2000) from SEED (1), after those in scenarios/
#
#   variable    default                        what
#   TIDEWATCH   built: target/debug/tidewatch  the program to test
#   KEEP        target/conformance-hpa/differ  where scenarios that differ are kept, made small, with both programs' lines
#
# Needs Go and, the first time, the Go module proxy: the reference is built from kube-controller-manager's own code (see
# reference/build.sh), which takes three minutes once. Exits with 1 when any scenario differs.
set -euo pipefail
case "${1:-}" in -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here/../.."
command -v go >/dev/null || { echo "skipped: go is not on the PATH"; exit 0; }
built="$PWD/target/conformance-hpa"
reference="$("$here/reference/build.sh" "$built")"
if [ -z "${TIDEWATCH:-}" ]; then
  cargo build --quiet --locked -p tidewatch
  TIDEWATCH="${CARGO_TARGET_DIR:-$PWD/target}/debug/tidewatch"
fi
(cd "$here" && go build -o "$built/" ./generate ./compare)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$built/generate" -count "${1:-2000}" -seed "${2:-1}" -out "$work"
keep="${KEEP:-$built/differ}"
mkdir -p "$keep"

# What is recorded beside the scenarios must be what the reference says today.
status=0
for scenario in "$here"/scenarios/*.json; do
  if ! "$reference" "$scenario" | cmp -s - "${scenario%.json}.expected.jsonl"; then
    echo "$scenario: the recorded lines are not the reference's; record them again with scenarios/record.sh"
    status=1
  fi
done
find "$here/scenarios" "$work" -name '*.json' -print0 | sort -z \
  | xargs -0 -n 100000 "$built/compare" -tidewatch "$TIDEWATCH" -reference "$reference" -keep "$keep" -shrink || status=1
echo "and the words of events:"
find "$here/scenarios" "$work" -name '*.json' -print0 | sort -z | head -z -n 300 \
  | xargs -0 -n 100000 "$built/compare" -events -tidewatch "$TIDEWATCH" -reference "$reference" -keep "$keep" || status=1
exit $status
