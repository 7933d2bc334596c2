// The series of the mock: metric names with their label sets and the level of their values. Deterministic; the same pods and targets at every start.
export const namespace = 'todo-app-prod';

export const workloads = [
  { name: 'todo-backend', container: 'backend', port: 9464, image: 'todo-backend:0.1.0', replicas: 2, memory: 96e6, cpu: 0.12 },
  { name: 'todo-frontend', container: 'frontend', port: 9464, image: 'todo-frontend:0.1.0', replicas: 2, memory: 41e6, cpu: 0.05 },
  { name: 'event-service', container: 'event-service', port: 9464, image: 'todo-event-service:0.1.0', replicas: 1, memory: 33e6, cpu: 0.02 },
];

const suffixes = ['7d9c5b8f4-x2kqp', '7d9c5b8f4-m8wzt', '6f4b9d7c5-hjr5v', '6f4b9d7c5-n4d2s', '5b6c8d9f7-qk7lw'];

export const pods = workloads.flatMap((workload, w) =>
  Array.from({ length: workload.replicas }, (_, i) => ({
    workload,
    name: `${workload.name}-${suffixes[w * 2 + i]}`,
    ip: `127.10.${w + 1}.${i + 1}`,
    uid: `0000000${w}-000${i}`,
    restarts: w === 2 ? 1 : 0,
  })),
);

const application = (pod) => ({
  job: pod.workload.name,
  namespace,
  service: pod.workload.name,
  pod: pod.name,
  container: pod.workload.container,
  endpoint: 'metrics',
  instance: `${pod.ip}:${pod.workload.port}`,
});
const kube = { job: 'kube-state-metrics', instance: '127.0.0.1:3100', namespace };
const cadvisor = (pod) => ({
  job: 'kubelet',
  metrics_path: '/metrics/cadvisor',
  namespace,
  pod: pod.name,
  container: pod.workload.container,
  image: pod.workload.image,
  node: 'localhost',
});
const node = { job: 'node-exporter', instance: 'localhost:9100' };

const cross = (rows, name, values) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));

const routes = [
  { method: 'GET', endpoint: '/api/tasks', status: '200' },
  { method: 'POST', endpoint: '/api/tasks', status: '201' },
  { method: 'GET', endpoint: '/api/tasks/{id}', status: '200' },
  { method: 'GET', endpoint: '/api/tasks/{id}', status: '404' },
  { method: 'DELETE', endpoint: '/api/tasks/{id}', status: '204' },
  { method: 'POST', endpoint: '/api/tasks/{id}/complete', status: '500' },
];
const backends = pods.filter((p) => p.workload.name === 'todo-backend').map(application);
const everyone = pods.map(application);
const requests = everyone.flatMap((labels) => routes.map((route) => ({ ...labels, ...route })));

/** name → {type, help, series: label sets, level: number or (labels) => number, constant: no waves} */
export const catalog = {};
const add = (name, type, help, series, level, constant = false) => (catalog[name] = { type, help, series, level, constant });

add('up', 'gauge', 'Whether the last scrape succeeded.', [
  ...everyone,
  { ...kube, namespace: undefined },
  { job: 'kubelet', instance: 'localhost:10250', metrics_path: '/metrics/cadvisor' },
  node,
  { job: 'prometheus', instance: '127.0.0.1:9090' },
], 1, true);
add('http_requests_total', 'counter', 'HTTP requests answered, by method, route template and status.', requests, (l) => (l.status >= '400' ? 0.15 : 6));
add('http_request_duration_seconds_bucket', 'histogram', 'Time to answer a request.', cross(requests, 'le', ['0.005', '0.05', '0.5', '+Inf']), 4);
add('http_request_duration_seconds_count', 'histogram', 'Time to answer a request.', requests, 6);
add('http_request_duration_seconds_sum', 'histogram', 'Time to answer a request.', requests, 0.1);
for (const verb of ['created', 'updated', 'deleted', 'completed']) {
  add(`tasks_${verb}_total`, 'counter', `Tasks ${verb}.`, backends, 1.4);
}
add('events_published_total', 'counter', 'Events handed to the event service.', cross(cross(backends, 'event_type', ['task.created', 'task.completed', 'task.deleted']), 'success', ['true', 'false']), (l) => (l.success === 'true' ? 2 : 0.02));
add('events_consumed_total', 'counter', 'Events stored by the event service.', cross(everyone.filter((l) => l.job === 'event-service'), 'event_type', ['task.created', 'task.completed']), 2);
add('db_connections_active', 'gauge', 'Database connections in use.', backends, 4);
add('db_query_duration_seconds_bucket', 'histogram', 'Time of a database query.', cross(cross(backends, 'query_type', ['select', 'insert', 'update']), 'le', ['0.001', '0.01', '+Inf']), 3);
add('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', everyone, 40e6);

add('kube_deployment_spec_replicas', 'gauge', 'Number of desired pods for a deployment.', workloads.map((w) => ({ ...kube, deployment: w.name })), (l) => workloads.find((w) => w.name === l.deployment).replicas, true);
for (const state of ['', '_ready', '_available', '_updated']) {
  add(`kube_deployment_status_replicas${state}`, 'gauge', 'Replicas of a deployment.', catalog.kube_deployment_spec_replicas.series, catalog.kube_deployment_spec_replicas.level, true);
}
const kubePod = (pod) => ({ ...kube, pod: pod.name, uid: pod.uid });
add('kube_pod_info', 'gauge', 'Information about a pod.', pods.map((p) => ({ ...kubePod(p), pod_ip: p.ip, host_ip: '127.0.0.1', node: 'localhost', created_by_kind: 'ReplicaSet', created_by_name: p.workload.name })), 1, true);
add('kube_pod_status_phase', 'gauge', 'The phase of a pod.', pods.flatMap((p) => ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'].map((phase) => ({ ...kubePod(p), phase }))), (l) => (l.phase === 'Running' ? 1 : 0), true);
add('kube_pod_status_ready', 'gauge', 'Whether the pod is ready.', pods.flatMap((p) => ['true', 'false', 'unknown'].map((condition) => ({ ...kubePod(p), condition }))), (l) => (l.condition === 'true' ? 1 : 0), true);
add('kube_pod_container_status_restarts_total', 'counter', 'Restarts of a container.', pods.map((p) => ({ ...kubePod(p), container: p.workload.container })), (l) => (l.container === 'event-service' ? 1 : 0), true);
add('kube_pod_container_resource_limits', 'gauge', 'Limits of a container.', pods.flatMap((p) => [
  { ...kubePod(p), container: p.workload.container, resource: 'memory', unit: 'byte', node: 'localhost' },
  { ...kubePod(p), container: p.workload.container, resource: 'cpu', unit: 'core', node: 'localhost' },
]), (l) => (l.resource === 'cpu' ? 0.5 : 128 * 1024 ** 2), true);
add('kube_pod_container_resource_requests', 'gauge', 'Requests of a container.', catalog.kube_pod_container_resource_limits.series, (l) => (l.resource === 'cpu' ? 0.1 : 64 * 1024 ** 2), true);
add('container_cpu_usage_seconds_total', 'counter', 'Cumulative CPU time.', pods.map(cadvisor), (l) => workloads.find((w) => w.container === l.container).cpu);
add('container_memory_working_set_bytes', 'gauge', 'Working set.', pods.map(cadvisor), (l) => workloads.find((w) => w.container === l.container).memory);
add('container_network_receive_bytes_total', 'counter', 'Bytes received.', pods.map((p) => ({ ...cadvisor(p), interface: 'eth0', container: undefined, image: undefined })), 42e3);
add('container_network_transmit_bytes_total', 'counter', 'Bytes sent.', catalog.container_network_receive_bytes_total.series, 61e3);
add('node_cpu_seconds_total', 'counter', 'Seconds the CPUs spent in each mode.', cross(cross([node], 'cpu', ['0', '1']), 'mode', ['idle', 'user', 'system', 'iowait']), (l) => ({ idle: 0.7, user: 0.2, system: 0.08, iowait: 0.02 })[l.mode]);
add('node_memory_MemTotal_bytes', 'gauge', 'Memory.', [node], 8 * 1024 ** 3, true);
add('node_memory_MemAvailable_bytes', 'gauge', 'Memory available.', [node], 4.6 * 1024 ** 3);
add('node_load1', 'gauge', '1 minute load average.', [node], 0.8);
add('node_filesystem_avail_bytes', 'gauge', 'Space available.', [{ ...node, mountpoint: '/', device: '/dev/vda1', fstype: 'ext4' }], 31e9, true);
add('node_filesystem_size_bytes', 'gauge', 'Size.', [{ ...node, mountpoint: '/', device: '/dev/vda1', fstype: 'ext4' }], 64e9, true);

add('db_query_duration_seconds_count', 'histogram', 'Time of a database query.', cross(backends, 'query_type', ['select', 'insert', 'update']), 3);
add('events_publish_duration_seconds_bucket', 'histogram', 'Time to hand over an event.', cross(cross(backends, 'event_type', ['task.created', 'task.completed']), 'le', ['0.01', '0.1', '+Inf']), 2);
add('kube_deployment_status_replicas_unavailable', 'gauge', 'Unavailable replicas.', catalog.kube_deployment_spec_replicas.series, 0, true);
add('kube_node_status_allocatable', 'gauge', 'Allocatable resources of a node.', [
  { ...kube, namespace: undefined, node: 'localhost', resource: 'cpu', unit: 'core' },
  { ...kube, namespace: undefined, node: 'localhost', resource: 'memory', unit: 'byte' },
], (l) => (l.resource === 'cpu' ? 2 : 8 * 1024 ** 3), true);
add('kube_node_status_condition', 'gauge', 'Condition of a node.', ['Ready', 'MemoryPressure', 'DiskPressure'].flatMap((condition) => ['true', 'false', 'unknown'].map((status) => ({ ...kube, namespace: undefined, node: 'localhost', condition, status }))), (l) => ((l.condition === 'Ready') === (l.status === 'true') && l.status !== 'unknown' ? 1 : 0), true);
add('kube_pod_container_status_waiting_reason', 'gauge', 'Why a container waits.', [], 1, true);
for (const direction of ['receive', 'transmit']) {
  add(`node_network_${direction}_bytes_total`, 'counter', `Bytes of ${direction}.`, [{ ...node, device: 'eth0' }, { ...node, device: 'lo' }], 90e3);
}

// not of the product: for looking at many series, gaps, and long names
add('mock_many', 'gauge', 'Three hundred series.', Array.from({ length: 300 }, (_, i) => ({ instance: `127.20.${i >> 8}.${i & 255}:9464`, shard: String(i) })), (l) => 10 + (Number(l.shard) % 37));
add('mock_load', 'gauge', 'Ten thousand series.', Array.from({ length: 10000 }, (_, i) => ({ instance: `host-${i}`, panel: String(i % 12), group: String(i % 120) })), (l) => 20 + (Number(l.group) % 17));
add('mock_gaps', 'gauge', 'Series with missing samples.', [{ name: 'broken' }, { name: 'whole' }], 5);
add('mock_long', 'gauge', 'Very long label values.', Array.from({ length: 5 }, (_, i) => ({ path: `/api/v1/namespaces/todo-app-prod/services/todo-backend/endpoints/with/a/very/long/path/that/never/ends/${i}`, region: 'europe-west4-frankfurt-availability-zone-b' })), 3);
add('mock_huge', 'gauge', 'Large and small numbers.', [{ size: 'tera' }, { size: 'nano' }], (l) => (l.size === 'tera' ? 4.2e12 : 3.3e-9));
add('mock_signed', 'gauge', 'Positive and negative.', [{ way: 'in' }, { way: 'out' }], 8);

// what is made of traces
const spanNames = {
  'todo-frontend': [['POST /tasks', 'SERVER', 3], ['GET /', 'SERVER', 9]],
  'todo-backend': [['POST /api/tasks', 'SERVER', 3], ['GET /api/tasks', 'SERVER', 9], ['POST /api/tasks/{id}/complete', 'SERVER', 2], ['INSERT tasks', 'CLIENT', 3]],
  'event-service': [['POST /events/tasks', 'SERVER', 3], ['GET /api/activity', 'SERVER', 8]],
};
const spanSeries = Object.entries(spanNames).flatMap(([service_name, spans]) => spans.flatMap(([span_name, kind, level]) => ['UNSET', 'ERROR'].map((code) => ({ service_name, span_name, span_kind: `SPAN_KIND_${kind}`, status_code: `STATUS_CODE_${code}`, level }))));
const withoutLevel = ({ level: _level, ...labels }) => labels;
const levelOf = (l) => spanSeries.find((s) => s.service_name === l.service_name && s.span_name === l.span_name).level * (l.status_code === 'STATUS_CODE_ERROR' ? 0.02 : 1);
add('traces_span_metrics_calls_total', 'counter', 'Spans by service, name, kind and status.', spanSeries.map(withoutLevel), levelOf);
add('traces_span_metrics_duration_milliseconds_bucket', 'histogram', 'Durations of spans.', cross(spanSeries.map(withoutLevel), 'le', ['2', '10', '100', '+Inf']), levelOf);
const calls = [['todo-frontend', 'todo-backend', 12], ['todo-frontend', 'event-service', 8], ['todo-backend', 'event-service', 3]];
const many = process.env.MOCK_SERVICES ? Array.from({ length: Number(process.env.MOCK_SERVICES) }, (_, i) => [`service-${Math.floor(i / 3)}`, `service-${i + 1}`, 1 + (i % 7)]) : [];
const edges = [...calls, ...many].map(([client, server]) => ({ client, server, connection_type: client === 'todo-backend' ? 'messaging_system' : '' }));
const callLevel = (l) => [...calls, ...many].find(([client, server]) => client === l.client && server === l.server)[2];
add('traces_service_graph_request_total', 'counter', 'Calls between services.', edges, callLevel);
add('traces_service_graph_request_failed_total', 'counter', 'Calls that failed.', edges, (l) => callLevel(l) * (l.server === 'event-service' ? 0.06 : 0.004));
add('traces_service_graph_request_server_seconds_bucket', 'histogram', 'Durations of calls, seen by the server.', cross(edges, 'le', ['0.01', '0.1', '+Inf']), callLevel);
