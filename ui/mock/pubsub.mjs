// Series of Kafka, Dapr and events for the mock: of every such metric that the product's dashboards read and the catalog does not have, with the label
// values that their queries name, so that a new panel has something to draw. Beside them the containers of sidecars and of the broker.
import { catalog, namespace } from './metrics.mjs';
import { productDashboards } from './productDashboards.mjs';

const common = {
  namespace: [namespace],
  job: ['kafka'],
  endpoint: ['dapr-metrics'],
  topic: ['task-events', ''],
  partition: ['0', '1'],
  consumergroup: ['event-service'],
  app_id: ['todo-backend', 'event-service'],
  pod: ['todo-backend-7d9c5b8f4-x2kqp'],
  component: ['todo-pubsub'],
};

const words = (value) => {
  if (Array.isArray(value)) return value.flatMap(words);
  if (value && typeof value === 'object') return Object.entries(value).flatMap(([key, inner]) => (['expr', 'query', 'definition'].includes(key) && typeof inner === 'string' ? [inner] : words(inner)));
  return [];
};

/** Literal values that queries ask a label of a metric to have. */
function valuesByLabel(queries, metric) {
  const labels = new Map();
  for (const query of queries) {
    for (const [, inside] of query.matchAll(new RegExp(`\\b${metric}\\{([^}]*)\\}`, 'g'))) {
      for (const [, name, op, value] of inside.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)) {
        if (!labels.has(name)) labels.set(name, new Set());
        const plain = value.split('|').filter((v) => /^[\w./-]+$/.test(v));
        if (!op.startsWith('!')) for (const v of plain) labels.get(name).add(v);
      }
    }
  }
  return labels;
}

const cross = (rows, name, values) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));

export function addPubsub() {
  const queries = words(productDashboards());
  const metrics = new Set(queries.flatMap((q) => [...q.matchAll(/\b((?:kafka|dapr|events)_\w+)\s*\{/g)].map((m) => m[1])));
  for (const metric of metrics) {
    if (catalog[metric]) continue;
    const named = valuesByLabel(queries, metric);
    const labels = { ...common };
    for (const [name, values] of named) if (values.size > 0 && name !== 'namespace') labels[name] = [...new Set([...(name === 'topic' ? common.topic : []), ...values])].slice(0, 4);
    let series = [{}];
    for (const [name, values] of Object.entries(labels)) series = cross(series, name, values);
    if (metric.endsWith('_bucket')) series = cross(series, 'le', ['1', '10', '100', '+Inf']);
    const counter = /_(total|count|bucket|sum)$/.test(metric);
    catalog[metric] = { type: counter ? 'counter' : 'gauge', help: 'Of Kafka or Dapr.', series, level: 3, constant: false };
  }
  const ofSidecar = { container_cpu_usage_seconds_total: 0.01, container_memory_working_set_bytes: 24e6, kube_pod_container_status_restarts_total: 0 };
  for (const [metric, small] of Object.entries(ofSidecar)) {
    const { series, level } = catalog[metric];
    catalog[metric].level = (labels) => (['daprd', 'kafka'].includes(labels.container) ? small : level(labels));
    series.push(...series.filter((labels) => labels.container !== 'frontend').map((labels) => ({ ...labels, container: 'daprd' })), { ...series[0], pod: 'todo-kafka-broker-0', container: 'kafka' });
  }
  catalog.up.series.push({ namespace, job: 'todo-backend-dapr', endpoint: 'dapr-metrics', pod: common.pod[0], instance: '127.10.1.1:9090', app_id: 'todo-backend' });
}
