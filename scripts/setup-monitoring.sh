#!/usr/bin/env bash
# Installs the monitoring of the todo application on a Kubernetes cluster: kube-prometheus-stack, Jaeger and metrics-server; then the
# operators that its events need, Strimzi (Kafka), Dapr and KEDA (which scales by their queue); then the application's chart with its ServiceMonitors, alerts and
# dashboards. Running it again changes only what differs.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: scripts/setup-monitoring.sh [options]

  --dry-run               print every command, run none; needs no cluster
  --context NAME          the kubeconfig context to use (default: the current one)
  --timeout DURATION      how long to wait for each installation (default 10m)
  --without-app           install the monitoring only, not the todo application
  --without-pubsub        without Strimzi, Dapr and KEDA: events stay in the backend's outbox
  --without-keda          the event service scales by its CPU alone; for a cluster that has a provider of external
                          metrics already (there can be only one)
  --without-metrics-server
                          the cluster brings its own (a foreign one is also left alone by itself)
  --insecure-kubelet-tls  do not check the kubelets' certificates: for kind and minikube only
  --help
USAGE
}

readonly PROMETHEUS_STACK_VERSION=88.5.4
readonly JAEGER_VERSION=4.12.0
readonly METRICS_SERVER_VERSION=3.13.1
# From 1.0 on Strimzi knows only kafka.strimzi.io/v1.
readonly STRIMZI_VERSION=1.0.1
readonly DAPR_VERSION=1.18.2
# The version whose triggers tidewatch has.
readonly KEDA_VERSION=2.20.2
readonly STRIMZI_NAMESPACE=strimzi
readonly DAPR_NAMESPACE=dapr-system
readonly KEDA_NAMESPACE=keda
readonly MONITORING_NAMESPACE=monitoring
readonly APP_NAMESPACE=todo-app-prod
readonly GRAFANA_SECRET=grafana-admin
readonly RECEIVERS_SECRET=alertmanager-receivers

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

dry_run=false
with_app=true
with_pubsub=true
with_keda=true
with_metrics_server=true
insecure_kubelet_tls=false
timeout=10m
kubectl=(kubectl)
helm=(helm)

die() {
  echo "setup-monitoring: $*" >&2
  exit 1
}

parse_arguments() {
  while (($#)); do
    case $1 in
    --dry-run) dry_run=true ;;
    --without-app) with_app=false ;;
    --without-pubsub) with_pubsub=false ;;
    --without-keda) with_keda=false ;;
    --without-metrics-server) with_metrics_server=false ;;
    --insecure-kubelet-tls) insecure_kubelet_tls=true ;;
    --context | --timeout)
      (($# > 1)) || die "$1 needs a value. hint: --help"
      if [[ $1 == --context ]]; then
        kubectl+=(--context "$2")
        helm+=(--kube-context "$2")
      else
        timeout=$2
      fi
      shift
      ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) die "unknown option '$1'. hint: --help" ;;
    esac
    shift
  done
}

step() {
  printf '\n==> %s\n' "$*"
}

# Prints a command as it can be typed, and runs it unless this is a dry run.
run() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
  $dry_run || "$@"
}

# The same for `first | second`, the two separated by an argument "--pipe".
run_pipe() {
  local first=() second=() side=first argument
  for argument in "$@"; do
    if [[ $argument == --pipe ]]; then
      side=second
    elif [[ $side == first ]]; then
      first+=("$argument")
    else
      second+=("$argument")
    fi
  done
  printf '+'
  printf ' %q' "${first[@]}"
  printf ' |'
  printf ' %q' "${second[@]}"
  printf '\n'
  $dry_run || "${first[@]}" | "${second[@]}"
}

check_tools() {
  $dry_run && return
  command -v kubectl >/dev/null || die "kubectl is not installed. hint: https://kubernetes.io/docs/tasks/tools/"
  command -v helm >/dev/null || die "helm is not installed. hint: https://helm.sh/docs/intro/install"
  "${kubectl[@]}" version --request-timeout=10s >/dev/null 2>&1 ||
    die "the cluster does not answer. hint: kubectl config get-contexts, then --context NAME"
}

install_release() { # <release> <chart> <version> <namespace> <values file> [more helm arguments]
  local release=$1 chart=$2 version=$3 namespace=$4 values=$5
  shift 5
  run "${helm[@]}" upgrade --install "$release" "$chart" --version "$version" --namespace "$namespace" \
    --values "$values" --wait --timeout "$timeout" "$@"
}

setup_namespaces() {
  step "Namespaces"
  run_pipe "${kubectl[@]}" create namespace "$MONITORING_NAMESPACE" --dry-run=client --output=yaml \
    --pipe "${kubectl[@]}" apply --filename -
  run_pipe "${helm[@]}" template todo-app helm/todo-app-prod --namespace "$APP_NAMESPACE" \
    --set createNamespace=true --show-only templates/namespace.yaml \
    --pipe "${kubectl[@]}" apply --filename -
  run "${kubectl[@]}" apply --filename kubernetes/rbac/
}

setup_repositories() {
  step "Chart repositories"
  run "${helm[@]}" repo add --force-update prometheus-community https://prometheus-community.github.io/helm-charts
  run "${helm[@]}" repo add --force-update jaegertracing https://jaegertracing.github.io/helm-charts
  run "${helm[@]}" repo add --force-update metrics-server https://kubernetes-sigs.github.io/metrics-server/
  run "${helm[@]}" repo add --force-update dapr https://dapr.github.io/helm-charts/
  run "${helm[@]}" repo add --force-update kedacore https://kedacore.github.io/charts
  run "${helm[@]}" repo update prometheus-community jaegertracing metrics-server dapr kedacore
}

# Made once and kept: a new password would not reach a Grafana that has its database already. It goes through a pipe, never
# through an argument or the output.
setup_grafana_password() {
  step "Grafana's password"
  local create=("${kubectl[@]}" --namespace "$MONITORING_NAMESPACE" create secret generic "$GRAFANA_SECRET"
    --from-literal=admin-user=admin --from-file=admin-password=/dev/stdin)
  if $dry_run; then
    echo "# unless the Secret $GRAFANA_SECRET exists, with 32 random characters on the standard input:"
    run "${create[@]}"
  elif "${kubectl[@]}" --namespace "$MONITORING_NAMESPACE" get secret "$GRAFANA_SECRET" >/dev/null 2>&1; then
    echo "the Secret $GRAFANA_SECRET exists and is kept"
  else
    head -c 24 /dev/urandom | base64 | tr -d '\n' | run "${create[@]}"
  fi
}

# Where notifications go is nobody's to guess; without the Secret, alerts are listed and nobody is told.
check_receivers() {
  step "Receivers of alerts"
  local create=("${kubectl[@]}" --namespace "$MONITORING_NAMESPACE" create secret generic "$RECEIVERS_SECRET")
  if ! $dry_run && "${kubectl[@]}" --namespace "$MONITORING_NAMESPACE" get secret "$RECEIVERS_SECRET" >/dev/null 2>&1; then
    echo "the Secret $RECEIVERS_SECRET exists and is used"
    return
  fi
  echo "# unless the Secret $RECEIVERS_SECRET exists, nobody is told of alerts. Make it with the addresses that you have, one a file:"
  printf '#'
  printf ' %q' "${create[@]}"
  printf ' --from-file=%s' pager-url slack-url discord-url dead-mans-switch-url
  printf '\n'
}

setup_metrics_server() {
  step "metrics-server (the HPAs read it)"
  if ! $with_metrics_server; then
    echo "left out, as asked"
    return
  fi
  if ! $dry_run && "${kubectl[@]}" get apiservice v1beta1.metrics.k8s.io >/dev/null 2>&1 &&
    ! "${helm[@]}" --namespace kube-system status metrics-server >/dev/null 2>&1; then
    echo "the cluster has its own and it is left alone"
    return
  fi
  local more=()
  if $insecure_kubelet_tls; then
    more=(--set "args={--kubelet-insecure-tls}")
  fi
  install_release metrics-server metrics-server/metrics-server "$METRICS_SERVER_VERSION" kube-system \
    kubernetes/values/metrics-server.yaml ${more[@]+"${more[@]}"}
}

setup_stack() {
  step "Prometheus, Alertmanager and Grafana"
  install_release prometheus prometheus-community/kube-prometheus-stack "$PROMETHEUS_STACK_VERSION" \
    "$MONITORING_NAMESPACE" kubernetes/values/kube-prometheus-stack.yaml
  step "Jaeger"
  install_release jaeger jaegertracing/jaeger "$JAEGER_VERSION" "$MONITORING_NAMESPACE" kubernetes/values/jaeger.yaml
}

# Before the application: its chart has objects of their kinds, and pods get their sidecars only while the injector runs.
setup_operators() {
  step "Strimzi and Dapr (events over Kafka)"
  if ! $with_pubsub; then
    echo "left out, as asked"
    return
  fi
  # helm installs CRDs and never upgrades them.
  run_pipe "${helm[@]}" show crds oci://quay.io/strimzi-helm/strimzi-kafka-operator --version "$STRIMZI_VERSION" \
    --pipe "${kubectl[@]}" apply --server-side --force-conflicts --filename -
  run_pipe "${helm[@]}" show crds dapr/dapr --version "$DAPR_VERSION" \
    --pipe "${kubectl[@]}" apply --server-side --force-conflicts --filename -
  install_release strimzi oci://quay.io/strimzi-helm/strimzi-kafka-operator "$STRIMZI_VERSION" "$STRIMZI_NAMESPACE" \
    kubernetes/values/strimzi.yaml --create-namespace
  install_release dapr dapr/dapr "$DAPR_VERSION" "$DAPR_NAMESPACE" kubernetes/values/dapr.yaml --create-namespace
}

# Before the application: its chart has a ScaledObject. The chart of KEDA upgrades its own CRDs.
setup_keda() {
  step "KEDA (the event service scales by its queue)"
  if ! $with_keda || ! $with_pubsub; then
    echo "left out, as asked: the event service scales by its CPU"
    return
  fi
  install_release keda kedacore/keda "$KEDA_VERSION" "$KEDA_NAMESPACE" kubernetes/values/keda.yaml --create-namespace
}

setup_app() {
  local kind=cpu
  if $with_keda; then
    kind=lag
  fi
  if $with_app; then
    step "The todo application, its HPAs, ServiceMonitors, alerts and dashboards"
    run "${helm[@]}" upgrade --install todo-app helm/todo-app-prod --namespace "$APP_NAMESPACE" \
      --set monitoring.enabled=true --set "pubsub.enabled=$with_pubsub" \
      --set "eventService.autoscaling.kind=$kind" --set "keda.namespace=$KEDA_NAMESPACE" --wait --timeout "$timeout"
  else
    step "ServiceMonitors, alerts and dashboards (without the application)"
    run "${kubectl[@]}" apply --filename kubernetes/monitoring/
  fi
}

print_addresses() {
  step "Ready. In one terminal each:"
  cat <<ADDRESSES
  kubectl -n $MONITORING_NAMESPACE port-forward svc/prometheus-grafana 3000:80                          http://localhost:3000
  kubectl -n $MONITORING_NAMESPACE port-forward svc/prometheus-kube-prometheus-prometheus 9090:9090     http://localhost:9090
  kubectl -n $MONITORING_NAMESPACE port-forward svc/prometheus-kube-prometheus-alertmanager 9093:9093   http://localhost:9093
  kubectl -n $MONITORING_NAMESPACE port-forward svc/jaeger 16686:16686                                  http://localhost:16686

Grafana's user is admin. Its password is in the Secret $GRAFANA_SECRET of the namespace $MONITORING_NAMESPACE, key admin-password.
ADDRESSES
}

parse_arguments "$@"
check_tools
setup_namespaces
setup_repositories
setup_grafana_password
check_receivers
setup_metrics_server
setup_stack
setup_operators
setup_keda
setup_app
print_addresses
