#!/usr/bin/env bash
# Puts the runbooks of docs/runbooks into the ConfigMap that Prometheus, and `tidewatch up`, serve them from:
# kubernetes/monitoring/runbooks.yaml. With --check it only says whether that file is fresh.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
out=kubernetes/monitoring/runbooks.yaml

render() {
  cat <<'HEAD'
# The pages of docs/runbooks, made by scripts/render-runbooks.sh: change those, then run it. Prometheus serves them under /user/, where
# the annotation runbook_url of every alert leads.
apiVersion: v1
kind: ConfigMap
metadata:
  name: todo-app-runbooks
  namespace: monitoring
  labels:
    app.kubernetes.io/name: todo-app-runbooks
    app.kubernetes.io/part-of: todo-app
data:
HEAD
  local page
  for page in docs/runbooks/*.md; do
    printf '  %s: |\n' "$(basename "$page")"
    sed -e 's/^/    /' -e 's/[[:space:]]*$//' "$page"
  done
}

case ${1-} in
"") render >"$out" ;;
--check)
  render | diff --brief - "$out" >/dev/null || { echo "$out is stale. hint: scripts/render-runbooks.sh" >&2; exit 1; }
  ;;
*)
  echo "usage: scripts/render-runbooks.sh [--check]" >&2
  exit 2
  ;;
esac
