/**
 * Trace search: fields, a scatter of what was found, and the list. All of it is in the URL; see traces/searchState.ts. Two chosen traces can be compared.
 */
import { useCallback, useMemo } from 'react';
import { traceServices } from '../api/jaeger';
import { Link, setParameters, useUrl } from '../app/router';
import { useTheme } from '../app/theme';
import { refreshNow, usePageDefaults, useTick, useTimeRange } from '../app/time';
import { useLoad } from '../app/useLoad';
import '../styles/traces.css';
import { describeRange, type TimeRange } from '../time/range';
import { serviceColors } from '../traces/colors';
import type { Trace } from '../traces/model';
import { ResultList } from '../traces/ResultList';
import { Scatter } from '../traces/Scatter';
import { OrderSelect, SearchForm, TraceIdForm } from '../traces/SearchForm';
import { compareHref, hasErrors, mostServicesAtOnce, runSearch, searchErrors, searchStateOf, sortTraces, togglePick, urlOf, type SearchState } from '../traces/searchState';

function NoServices() {
  return (
    <div className="notice" role="status">
      <p>
        <strong>No traces yet.</strong> Applications send them with OTLP, by gRPC to port 4317 or by HTTP to port 4318: set <code>OTEL_EXPORTER_OTLP_ENDPOINT</code>.
      </p>
      <p>
        Only a sample is kept, by default one request in ten and at least one a second for each operation: use the application for a moment. For every request set <code>OTEL_TRACES_SAMPLER=always_on</code>.
      </p>
    </div>
  );
}

function NothingFound({ state, range }: { state: SearchState; range: TimeRange }) {
  const narrow = [state.operation && 'another operation', state.tags && 'fewer tags (all of them have to be on one span)', (state.min || state.max) && 'wider bounds of the duration'].filter(Boolean);
  return (
    <div className="notice" role="status">
      <p>
        <strong>
          No trace of {state.service || 'any service'} in “{describeRange(range.raw)}” matches.
        </strong>{' '}
        Try {[...narrow, 'a longer time range'].join(', ')}. Only a sample of the requests is kept, by default one in ten.
      </p>
    </div>
  );
}

function Picks({ picked, traces }: { picked: string[]; traces: Trace[] }) {
  const [a, b] = picked;
  if (a === undefined) return null;
  const known = (id: string) => traces.find((t) => t.id === id);
  return (
    <div className="picks" role="status">
      {b === undefined ? (
        <span className="muted">Choose a second trace to compare with {a.slice(0, 7)}.</span>
      ) : (
        // the older one first, as what the newer one is measured against
        <Link className="button primary" href={(known(a)?.start ?? 0) <= (known(b)?.start ?? Infinity) ? compareHref(a, b) : compareHref(b, a)}>
          Compare {a.slice(0, 7)} and {b.slice(0, 7)}
        </Link>
      )}
      <button type="button" className="text-button" onClick={() => setParameters({ pick: [] }, { replace: true })}>
        Clear
      </button>
    </div>
  );
}

export default function Traces() {
  usePageDefaults(undefined, 'off');
  const url = useUrl();
  const theme = useTheme();
  const range = useTimeRange();
  const tick = useTick();
  const state = useMemo(() => searchStateOf(url), [url]);
  const { value: services, error: servicesError } = useLoad((signal) => traceServices(signal), [tick]);
  const wrong = hasErrors(searchErrors(state));
  const tooMany = !state.service && (services?.length ?? 0) > mostServicesAtOnce;
  const asked = JSON.stringify({ ...state, order: undefined, picked: undefined });
  const { value: found, error, loading } = useLoad(
    (signal) => (services === undefined || wrong || tooMany || services.length === 0 ? Promise.resolve(undefined) : runSearch(state, services, range, signal)),
    [asked, range, services],
  );
  const colors = useMemo(() => serviceColors([...(services ?? []), ...(found ?? []).flatMap((t) => t.services.map((s) => s.name))], theme), [services, found, theme]);
  const colorOf = useCallback((service: string) => colors.get(service) ?? 'var(--accent)', [colors]);
  const sorted = useMemo(() => sortTraces(found ?? [], state.order), [found, state.order]);
  const change = (changes: Partial<SearchState>) => setParameters(urlOf({ ...state, ...changes }));
  const pick = useCallback((id: string) => {
    const current = searchStateOf(new URL(window.location.href));
    setParameters({ pick: togglePick(current.picked, id) }, { replace: true });
  }, []);
  const failed = sorted.filter((t) => t.errors > 0).length;
  return (
    <div className="page traces" aria-busy={loading}>
      <div className="page-head">
        <h1>Traces</h1>
        <TraceIdForm />
        <Link href="/services" className="head-link">
          Service graph
        </Link>
      </div>
      <SearchForm state={state} services={services ?? []} onChange={change} onRun={refreshNow} />
      {(servicesError ?? error) && (
        <div className="notice error" role="alert">
          The traces could not be read: {servicesError ?? error}
        </div>
      )}
      {services?.length === 0 && <NoServices />}
      {tooMany && (
        <div className="notice" role="status">
          There are {services?.length} services: choose one of them.
        </div>
      )}
      {!loading && !error && found?.length === 0 && <NothingFound state={state} range={range} />}
      {sorted.length > 0 && (
        <>
          <section className="card" aria-label="Durations">
            <Scatter traces={sorted} range={range} picked={state.picked} colorOf={colorOf} />
          </section>
          <section className="card" aria-label="Results">
            <div className="card-head">
              <h2>
                {sorted.length} {sorted.length === 1 ? 'trace' : 'traces'}
              </h2>
              <span className="muted">
                {failed > 0 && `${failed} with errors`}
                {sorted.length >= state.limit && `${failed > 0 ? ', ' : ''}the newest ${state.limit}: there may be more`}
              </span>
              <Picks picked={state.picked} traces={sorted} />
              <OrderSelect order={state.order} onChange={(order) => change({ order })} />
            </div>
            <ResultList traces={sorted} picked={state.picked} now={range.to} colorOf={colorOf} onPick={pick} />
          </section>
        </>
      )}
    </div>
  );
}
