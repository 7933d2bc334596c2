#!/usr/bin/env bash
# Checks the chart, the rendered chart, the alerts and the scripts with the tools that are installed, and says which are not:
# helm, promtool, amtool, shellcheck. What needs no tool is checked by `make test`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing=()
have() {
  command -v "$1" >/dev/null && return 0
  missing+=("$1")
  return 1
}

step() {
  printf '==> %s\n' "$*"
}

check_chart() {
  step "the rendered chart is fresh"
  scripts/render-chart.sh --check
  have helm || return 0
  step "helm: the chart as a whole, and other values"
  helm lint --strict --quiet helm/todo-app-prod 2>/dev/null
  local rendered=$work/with-monitoring.yaml file
  helm template todo-app helm/todo-app-prod --namespace todo-app-prod 2>/dev/null >"$rendered"
  for file in kubernetes/monitoring/*.yaml; do
    # Byte for byte: a template of Prometheus or Grafana that helm had rendered would differ.
    grep --quiet --fixed-strings --line-regexp "# $(basename "$file")" "$rendered" ||
      { echo "$file is not in the chart's output" >&2; return 1; }
    awk -v name="# $(basename "$file")" '$0 == name {on = 1; next} on && ($0 == "---" || /^# Source: /) {exit} on' \
      "$rendered" | diff --ignore-blank-lines - "$file" >/dev/null ||
      { echo "the chart changes $file" >&2; return 1; }
  done
  helm template todo-app helm/todo-app-prod --set backend.autoscaling.enabled=false,networkPolicy.enabled=false \
    --set listenOnAllAddresses=true,createNamespace=true,database.existingSecret= 2>/dev/null >"$work/other.yaml"
  grep --quiet '^  replicas: 2$' "$work/other.yaml"
  helm template todo-app helm/todo-app-prod --set monitoring.enabled=false,pubsub.enabled=false 2>/dev/null >"$work/silent.yaml"
  if grep --quiet --extended-regexp 'dapr\.io|strimzi|PUBSUB_' "$work/silent.yaml"; then
    echo "pubsub.enabled=false must leave nothing of Dapr and Kafka" >&2
    return 1
  fi
  helm template todo-app helm/todo-app-prod --set monitoring.enabled=false,kafka.deploy=false \
    --set kafka.bootstrapServers=kafka.elsewhere:9094 2>/dev/null >"$work/foreign.yaml"
  grep --quiet 'value: "kafka.elsewhere:9094"' "$work/foreign.yaml"
  local refused
  for refused in kafka.deploy=false kafka.partitions=4 dapr.samplingRate=often tracing.endpoint=jaeger:4318; do
    if helm template todo-app helm/todo-app-prod --set "$refused" >/dev/null 2>&1; then
      echo "$refused must be refused" >&2
      return 1
    fi
  done
  if helm template todo-app helm/todo-app-prod --set namespace=other >/dev/null 2>&1; then
    echo "another namespace with monitoring must be refused" >&2
    return 1
  fi
  if helm template todo-app helm/todo-app-prod --set backend.autoscaling.minReplicas=zero >/dev/null 2>&1; then
    echo "values.schema.json must refuse minReplicas=zero" >&2
    return 1
  fi
}

check_alerts() {
  step "the runbooks are fresh"
  scripts/render-runbooks.sh --check
  have promtool || return 0
  step "promtool: the rules and their unit tests"
  local rules
  mkdir -p "$work/monitoring" "$work/tests"
  for rules in prometheus-rules slo-rules; do
    # promtool reads rule groups: what stands under spec, two columns to the left.
    sed -n '/^spec:/,$ { /^spec:/d; s/^  //; p }' "kubernetes/monitoring/$rules.yaml" >"$work/monitoring/$rules.yaml"
    cp "kubernetes/tests/$rules.test.yaml" "$work/tests/"
    promtool check rules --lint=all --lint-fatal "$work/monitoring/$rules.yaml"
    promtool test rules "$work/tests/$rules.test.yaml"
  done
}

check_notifications() {
  have amtool || return 0
  step "amtool: the configuration of Alertmanager and its routes"
  local config=$work/alertmanager.yaml
  # What stands under the key, four columns to the left.
  sed -n '/^  alertmanager\.yaml: |$/,$ { /^  alertmanager\.yaml: |$/d; s/^    //; p }' \
    kubernetes/monitoring/alertmanager-config.yaml >"$config"
  amtool check-config "$config"
  amtool config routes test --config.file="$config" --verify.receivers=dead-mans-switch alertname=Watchdog severity=none
  amtool config routes test --config.file="$config" --verify.receivers=pager,chat alertname=HighErrorRate severity=critical
  amtool config routes test --config.file="$config" --verify.receivers=chat alertname=TargetDown severity=warning
  amtool config routes test --config.file="$config" --verify.receivers=nobody alertname=InfoInhibitor severity=none
}

check_scripts() {
  step "setup-monitoring.sh --dry-run"
  scripts/setup-monitoring.sh --dry-run >/dev/null
  have shellcheck || return 0
  step "shellcheck"
  shellcheck scripts/*.sh
}

check_chart
check_alerts
check_notifications
check_scripts
((${#missing[@]} == 0)) || echo "not installed, so not asked: ${missing[*]}"
