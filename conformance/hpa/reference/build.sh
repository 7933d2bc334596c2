#!/usr/bin/env bash
# Builds the reference of `tidewatch autoscale replay` from the real controller and prints where the program is. Needs Go and the Go
# module proxy; the first build takes about three minutes and 1 GB of Go's build cache, later ones seconds.
#
#   build.sh [FOLDER]     FOLDER defaults to target/conformance-hpa
#
# k8s.io/kubernetes is vendored into FOLDER as `go mod vendor` delivers it. Two things change there, in pkg/controller/podautoscaler only:
#   - seam.go.txt is added (the clock, and one exported function per unexported one that the replay needs)
#   - time.Now() and metav1.Now() become that clock
# Nothing of upstream is kept in this repository.
set -euo pipefail
case "${1:-}" in -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
here="$(cd "$(dirname "$0")" && pwd)"
folder="${1:-$here/../../../target/conformance-hpa}"
mkdir -p "$folder/source"
folder="$(cd "$folder" && pwd)"
stamp="$(cat "$here"/*.go "$here"/go.* "$here"/seam.go.txt "$here"/build.sh | sha256sum)"
if [ ! -x "$folder/reference" ] || [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
  cd "$folder/source"
  cp "$here"/*.go "$here"/go.mod "$here"/go.sum .
  nice -n 19 go mod vendor
  controller=vendor/k8s.io/kubernetes/pkg/controller/podautoscaler
  sed -i 's/\btime\.Now()/Now()/g; s/\bmetav1\.Now()/metav1.NewTime(Now())/g' "$controller"/horizontal.go "$controller"/replica_calculator.go
  if grep -rnE '\b(time|metav1)\.Now\(\)|clock\.RealClock' "$controller" --include='*.go' >&2; then
    echo "error: the controller still reads the real clock at the lines above" >&2
    exit 1
  fi
  cp "$here/seam.go.txt" "$controller/seam.go"
  nice -n 19 go build -mod=vendor -trimpath -p 1 -o "$folder/reference" .
  echo "$stamp" > "$folder/stamp"
fi
echo "$folder/reference"
