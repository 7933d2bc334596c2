#!/usr/bin/env bash
# Renders helm/todo-app-prod into kubernetes/todo-app-prod.yaml, for machines without helm: `tidewatch up` and
# `kubectl apply -f` read that file beside kubernetes/monitoring/ (which is therefore left out of the rendering).
#
#   scripts/render-chart.sh           render and write (needs helm)
#   scripts/render-chart.sh --check   write nothing; fail when the file is stale or edited by hand. Without helm the two
#                                     checksums in its head are compared; with helm the rendering too, byte by byte.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
chart=helm/todo-app-prod
target=kubernetes/todo-app-prod.yaml
cd "$root"

die() {
  echo "render-chart: $*" >&2
  exit 1
}

# The POSIX checksum of the chart's files: each path, then its content, in byte order of the paths.
# crates/testkit computes the same.
inputs_checksum() {
  find "$chart" -type f ! -name README.md | sort | while IFS= read -r file; do
    printf '%s\n' "$file"
    cat "$file"
  done | cksum
}

render_body() {
  helm template todo-app "$chart" --namespace todo-app-prod \
    --set createNamespace=true --set monitoring.enabled=false 2>/dev/null ||
    die "helm cannot render $chart. hint: helm lint $chart"
}

compose() { # <file with the body>
  echo "# Rendered from $chart by scripts/render-chart.sh. Do not edit: change the chart and render again."
  echo "# inputs: $(inputs_checksum)"
  echo "# body: $(cksum <"$1")"
  cat "$1"
}

check() {
  [[ -f $target ]] || die "$target is missing. hint: scripts/render-chart.sh"
  local stated
  stated=$(sed -n '2s/^# inputs: //p' "$target")
  [[ $stated == "$(inputs_checksum)" ]] || die "$target is stale: $chart changed. hint: scripts/render-chart.sh"
  stated=$(sed -n '3s/^# body: //p' "$target")
  [[ $stated == "$(tail -n +4 "$target" | cksum)" ]] ||
    die "$target was edited by hand. hint: change $chart, then scripts/render-chart.sh"
}

body=$(mktemp)
trap 'rm -f "$body" "$body.new"' EXIT

case ${1-} in
--check)
  check
  if command -v helm >/dev/null; then
    render_body >"$body"
    compose "$body" | cmp - "$target" || die "helm renders something else than $target. hint: scripts/render-chart.sh"
    helm lint --quiet "$chart" >/dev/null 2>&1 || die "helm lint $chart fails"
    echo "$target is fresh (compared with helm's rendering)"
  else
    echo "$target is fresh (by its checksums; helm is not installed)"
  fi
  ;;
"")
  command -v helm >/dev/null || die "helm is not installed. hint: https://helm.sh/docs/intro/install"
  render_body >"$body"
  compose "$body" >"$body.new"
  cat "$body.new" >"$target"
  echo "$target written"
  ;;
*)
  die "unknown argument '$1'. hint: no argument renders, --check compares"
  ;;
esac
