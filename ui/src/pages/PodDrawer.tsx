/** One pod: its CPU and memory over time, its events where the server has them, and the end of its log. Opens over the overview. */
import { useEffect, useMemo, useRef, useState } from 'react';
import { containersOf, listEvents, listPods, podLog } from '../api/kubernetes';
import { Icon } from '../app/icons';
import { Link, useUrl } from '../app/router';
import { useTheme } from '../app/theme';
import { useTick, zoomTo } from '../app/time';
import { useLoad } from '../app/useLoad';
import { TimeChart } from '../charts/TimeChart';
import type { PanelModel } from '../grafana/model';
import { fetchPanel, QueryShare } from '../panels/fetch';
import { seriesOfResult, timeseriesModel } from '../panels/timeseriesModel';
import { formatAbsolute, type TimeRange } from '../time/range';
import { readLogLine, traceIdOf } from './logLine';
import { searchHref } from '../traces/searchState';
import { formatTags } from '../traces/tags';
import type { PodRow } from './overviewData';
import { eventsOf, eventTime } from './podTroubles';

const tailLines = 500;
/** Where the lines of one trace are looked for: it may be some time ago. */
const tailOfTrace = 10_000;

function panelsOf(pod: PodRow): PanelModel[] {
  const matchers = `namespace="${pod.namespace}",pod="${pod.name}"`;
  const limitStyle = [
    { matcher: { id: 'byName', options: 'limit' }, properties: [{ id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 8] } }, { id: 'custom.fillOpacity', value: 0 }, { id: 'color', value: { mode: 'fixed', fixedColor: 'red' } }] },
  ];
  const chart = (title: string, unit: string, used: string, resource: string): PanelModel => ({
    type: 'timeseries',
    title,
    targets: [
      { refId: 'A', expr: used, legendFormat: '{{container}}' },
      { refId: 'B', expr: `sum(kube_pod_container_resource_limits{${matchers},resource="${resource}"})`, legendFormat: 'limit' },
    ],
    fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 12, showPoints: 'never' } }, overrides: limitStyle },
  });
  return [
    chart('CPU in cores', 'short', `sum by (container) (rate(container_cpu_usage_seconds_total{${matchers},container!=""}[$__rate_interval]))`, 'cpu'),
    chart('Memory', 'bytes', `sum by (container) (container_memory_working_set_bytes{${matchers},container!=""})`, 'memory'),
  ];
}

function PodChart({ panel, range }: { panel: PanelModel; range: TimeRange }) {
  const theme = useTheme();
  const { value: result, error } = useLoad(
    (signal) => fetchPanel({ panel, range, width: 380, scope: { variables: {}, scoped: {} } }, new QueryShare(signal)),
    [panel, range],
  );
  const model = useMemo(() => result && timeseriesModel({ panel, series: seriesOfResult(result), step: result.step, theme }), [panel, result, theme]);
  return (
    <figure className="pod-chart">
      <figcaption>{panel.title}</figcaption>
      {error && <p className="notice error">{error}</p>}
      {model && result && (
        <TimeChart model={model} range={result.range} theme={theme} tooltip={{ mode: 'multi', sort: 'none' }} syncKey="pod" onZoom={zoomTo} label={`${panel.title} of the pod`} />
      )}
    </figure>
  );
}

function Events({ pod }: { pod: PodRow }) {
  const tick = useTick();
  const { value: events } = useLoad((signal) => listEvents(pod.namespace, signal), [pod.namespace, tick]);
  const own = eventsOf(pod, events ?? []).slice(-8);
  if (own.length === 0) return null;
  return (
    <section>
      <h3>Events</h3>
      <ul className="events">
        {own.map((event) => (
          <li key={event.metadata.name} className={event.type === 'Warning' ? 'warn' : undefined}>
            <span className="log-clock">{eventTime(event) > 0 && formatAbsolute(eventTime(event))}</span> <b>{event.reason}</b> {event.message} {event.count && event.count > 1 ? `(${event.count} times)` : ''}
          </li>
        ))}
      </ul>
    </section>
  );
}

function LogText({ line }: { line: string }) {
  const { clock, level, text } = readLogLine(line);
  const trace = traceIdOf(line);
  return (
    <>
      {trace && (
        <Link className="log-trace" href={`/trace/${trace}`} title={`Open trace ${trace}`}>
          trace
        </Link>
      )}
      {clock && <span className="log-clock">{clock} </span>}
      {level && <span className={`log-level level-${level}`}>{level.padEnd(5)} </span>}
      {text}
      {'\n'}
    </>
  );
}

/** A pod with a sidecar has several logs. Undefined until they are known; a server without the pods API has one log. */
function useContainers(pod: PodRow): string[] | undefined {
  const { value, error } = useLoad(
    async (signal) => {
      const found = (await listPods(pod.namespace, signal)).find((p) => p.metadata.name === pod.name);
      return found ? containersOf(found) : [];
    },
    [pod.namespace, pod.name],
  );
  return error ? [] : value;
}

function LogView({ pod }: { pod: PodRow }) {
  const asked = useUrl().searchParams.get('log') ?? '';
  const [again, setAgain] = useState(0);
  const [filter, setFilter] = useState(asked);
  const [chosen, setChosen] = useState<string | undefined>();
  const containers = useContainers(pod);
  const container = chosen ?? containers?.[0];
  const tick = useTick();
  const box = useRef<HTMLPreElement>(null);
  // a trace that was asked for may be many lines ago
  const tail = asked ? tailOfTrace : tailLines;
  const { value: log, error } = useLoad(
    (signal) => (containers === undefined ? Promise.resolve(undefined) : podLog({ namespace: pod.namespace, name: pod.name, container }, tail, signal)),
    [pod.namespace, pod.name, container, containers, again, tick, tail],
  );
  const lines = useMemo(() => (log ?? '').replace(/\n$/, '').split('\n'), [log]);
  const shown = filter ? lines.filter((line) => line.toLowerCase().includes(filter.toLowerCase())) : lines;
  useEffect(() => {
    const pre = box.current;
    if (pre) pre.scrollTop = pre.scrollHeight;
  }, [log]);
  useEffect(() => setFilter(asked), [asked]);
  return (
    <section className="log">
      <div className="log-head">
        <h3>Log</h3>
        {(containers?.length ?? 0) > 1 && (
          <select aria-label="Container" value={container} onChange={(event) => setChosen(event.target.value)}>
            {containers?.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
        <input type="search" placeholder="Filter lines" aria-label="Filter log lines" value={filter} onChange={(event) => setFilter(event.target.value)} />
        <button type="button" className="button icon-button" aria-label="Read the log again" title="Read the log again" onClick={() => setAgain(again + 1)}>
          <Icon name="refresh" />
        </button>
      </div>
      {error && <p className="notice error">The log could not be read: {error}</p>}
      <pre ref={box} tabIndex={0} aria-label={`Last ${tail} lines of ${pod.name}`}>
        {log !== undefined && shown.join('') === '' && (filter ? `No line of the last ${tail} matches.` : 'The pod has written nothing yet.')}
        {shown.slice(-tailLines).map((line, i) => (
          <LogText key={i} line={line} />
        ))}
      </pre>
    </section>
  );
}

export function PodDrawer({ pod, range, onClose }: { pod: PodRow; range: TimeRange; onClose: () => void }) {
  const panels = useMemo(() => panelsOf(pod), [pod.namespace, pod.name]);
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    close.current?.focus();
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape') onClose();
    };
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('keydown', escape);
      before?.focus();
    };
  }, []);
  return (
    <aside className="drawer" role="dialog" aria-label={`Pod ${pod.name}`}>
      <div className="drawer-head">
        <div>
          <h2>{pod.name}</h2>
          <p className="muted">
            {pod.namespace} · {pod.waiting ?? pod.phase}
            {pod.ip && ` · ${pod.ip}`}
            {pod.node && ` · on ${pod.node}`} · {pod.restarts} {pod.restarts === 1 ? 'restart' : 'restarts'} ·{' '}
            <Link href={searchHref({ service: pod.workload, tags: formatTags({ 'k8s.pod.name': pod.name }) })}>traces</Link>
          </p>
        </div>
        <button ref={close} type="button" className="button icon-button" aria-label="Close" title="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div className="pod-charts">
        {panels.map((panel) => (
          <PodChart key={panel.title} panel={panel} range={range} />
        ))}
      </div>
      <Events pod={pod} />
      <LogView pod={pod} />
    </aside>
  );
}
