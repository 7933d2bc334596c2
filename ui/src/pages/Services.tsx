/** The services and who calls whom, as a graph and as a table; each leads to its traces. See traces/serviceData.ts for where the numbers come from. */
import { useCallback, useMemo } from 'react';
import { Link } from '../app/router';
import { useTheme } from '../app/theme';
import { usePageDefaults, useTimeRange } from '../app/time';
import { useLoad } from '../app/useLoad';
import '../styles/traces.css';
import { serviceColors } from '../traces/colors';
import { formatMicros } from '../traces/duration';
import { badShare, rateText, shareText } from '../traces/rates';
import { searchHref } from '../traces/searchState';
import { loadServiceMap, type ServiceMap } from '../traces/serviceData';
import { ServiceGraph } from '../traces/ServiceGraph';

const sources: Record<ServiceMap['source'], string> = {
  series: 'Calls from the series made of spans.',
  traces: 'Calls counted in the kept traces: there are no series of them yet.',
  both: 'Calls from the series made of spans; some, counted in the kept traces, have no series yet.',
  none: '',
};

function ServiceTable({ map, range, colorOf }: { map: ServiceMap; range: { from: string; to: string }; colorOf: (service: string) => string }) {
  const callers = (name: string) => map.edges.filter((e) => e.to === name).map((e) => e.from);
  const called = (name: string) => map.edges.filter((e) => e.from === name).map((e) => e.to);
  const sorted = [...map.nodes].sort((a, b) => (b.rate ?? 0) - (a.rate ?? 0) || a.name.localeCompare(b.name));
  return (
    <section className="card">
      <h2>Services</h2>
      <div className="scroll-x">
        <table className="data-table">
          <thead>
            <tr>
              <th>Service</th>
              <th className="number">Requests</th>
              <th className="number" title="Requests that the service itself reports as failed; for what sends no spans, those that its callers do">
                Errors
              </th>
              <th className="number">p95</th>
              <th>Called by</th>
              <th>Calls</th>
              <th>Traces</th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((node) => (
              <tr key={node.name}>
                <td className="strong">
                  <span className="service-dot" style={{ background: colorOf(node.name) }} /> {node.name}
                </td>
                <td className="number">{rateText(node.rate)}</td>
                <td className={(node.errors ?? 0) >= badShare ? 'number bad' : 'number'}>{shareText(node.errors)}</td>
                <td className="number">{node.p95 === undefined ? '–' : formatMicros(node.p95)}</td>
                <td className="muted">{callers(node.name).join(', ') || '–'}</td>
                <td className="muted">{called(node.name).join(', ') || '–'}</td>
                <td className="table-links">
                  <Link href={searchHref({ service: node.tracedBy }, range)}>all</Link> <Link href={searchHref({ service: node.tracedBy, tags: 'error=true' }, range)}>errors</Link>{' '}
                  <Link href={searchHref({ service: node.tracedBy, order: 'longest' }, range)}>slowest</Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export default function Services() {
  usePageDefaults({ from: 'now-15m', to: 'now' }, '30s');
  const theme = useTheme();
  const range = useTimeRange({ from: 'now-15m', to: 'now' });
  const { value: map, error, loading } = useLoad((signal) => loadServiceMap(range, signal), [range]);
  const colors = useMemo(() => serviceColors((map?.nodes ?? []).map((n) => n.name), theme), [map, theme]);
  const colorOf = useCallback((service: string) => colors.get(service) ?? 'var(--accent)', [colors]);
  return (
    <div className="page services" aria-busy={loading}>
      <div className="page-head">
        <h1>Services</h1>
        <span className="muted">{map && sources[map.source]}</span>
        <Link href="/traces" className="head-link">
          Search traces
        </Link>
      </div>
      {error && (
        <div className="notice error" role="alert">
          The services could not be read: {error}
        </div>
      )}
      {map && map.nodes.length === 0 && (
        <div className="notice" role="status">
          <strong>No service has sent spans in this time range.</strong> Applications send them with OTLP, by gRPC to port 4317 or by HTTP to port 4318. Only a sample is kept, by default one request in ten: use the application for a moment, or choose a longer time range.
        </div>
      )}
      {map && map.nodes.length > 0 && (
        <>
          <section className="card" aria-label="Service graph">
            <ServiceGraph map={map} range={range.raw} colorOf={colorOf} />
          </section>
          <ServiceTable map={map} range={range.raw} colorOf={colorOf} />
        </>
      )}
    </div>
  );
}
