/**
 * The service level objectives: what is promised, what was kept, what of the budget is left and how fast it goes. Reads the objectives with their PromQL, asks
 * it, and says what the numbers cannot: that there were none, or too few events to judge.
 */
import { useEffect, useMemo } from 'react';
import { queryInstant } from '../api/prometheus';
import { activeAlerts, type ActiveAlert } from '../api/rules';
import { listSlos, type Slo } from '../api/slos';
import { Link } from '../app/router';
import { useTheme } from '../app/theme';
import { usePageDefaults, useTimeRange, zoomOutFrom, zoomTo } from '../app/time';
import { useLoad } from '../app/useLoad';
import { Unread } from '../alerts/AlertsHead';
import { exploreHref, runbookPlace } from '../alerts/links';
import { burnLevel, countQueries, remarks, shareText, standingOf, standingText, type ObjectiveNumbers } from '../alerts/objective';
import { TimeChart } from '../charts/TimeChart';
import type { PanelModel } from '../grafana/model';
import { fetchPanel, QueryShare } from '../panels/fetch';
import { seriesOfResult, timeseriesModel } from '../panels/timeseriesModel';
import { parseDuration } from '../time/duration';
import type { TimeRange } from '../time/range';
import '../styles/alerts.css';

const chartWidth = 700;

async function firstValue(expr: string, at: number, signal: AbortSignal): Promise<number | undefined> {
  const value = (await queryInstant(expr, at, signal)).samples[0]?.value;
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

async function numbersOf(slo: Slo, at: number, signal: AbortSignal): Promise<ObjectiveNumbers> {
  const windows = Object.keys(slo.series.burnRate).sort((a, b) => (parseDuration(a) ?? 0) - (parseDuration(b) ?? 0));
  const counts = countQueries(slo);
  const ask = (expr: string) => firstValue(expr, at, signal);
  const [sliError, remaining, events, failures, ...rates] = await Promise.all([
    ask(slo.series.sliError),
    ask(slo.series.errorBudgetRemaining),
    ask(counts.events).catch(() => undefined),
    ask(counts.failures).catch(() => undefined),
    ...windows.map((window) => ask(slo.series.burnRate[window] as string)),
  ]);
  return { sliError, remaining, events, failures, burnRates: windows.map((window, i) => [window, rates[i]]) };
}

const budgetPanel = (slo: Slo): PanelModel => ({
  type: 'timeseries',
  title: 'Error budget left',
  interval: '30s',
  targets: [{ refId: 'A', expr: slo.series.errorBudgetRemaining, legendFormat: 'budget left' }],
  fieldConfig: {
    defaults: {
      unit: 'percentunit',
      color: { mode: 'fixed', fixedColor: 'blue' },
      custom: { lineWidth: 2, fillOpacity: 14, showPoints: 'never', axisSoftMin: 0, axisSoftMax: 1, thresholdsStyle: { mode: 'dashed' } },
      thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'transparent' }, { value: 0, color: 'red' }] },
    },
    overrides: [],
  } as unknown as PanelModel['fieldConfig'],
});

function burnPanel(slo: Slo): PanelModel {
  const windows = ['5m', '1h', '6h'].filter((window) => slo.series.burnRate[window] !== undefined);
  return {
    type: 'timeseries',
    title: 'Burn rate',
    interval: '30s',
    targets: windows.map((window, i) => ({ refId: String.fromCharCode(65 + i), expr: slo.series.burnRate[window], legendFormat: window })),
    fieldConfig: {
      defaults: {
        min: 0,
        custom: { lineWidth: 1.5, fillOpacity: 0, showPoints: 'never', axisSoftMax: 2, thresholdsStyle: { mode: 'dashed' } },
        thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'transparent' }, { value: 1, color: 'orange' }] },
      },
      overrides: [],
    } as unknown as PanelModel['fieldConfig'],
  };
}

function SloChart({ panel, range, label }: { panel: PanelModel; range: TimeRange; label: string }) {
  const theme = useTheme();
  const { value: result, error } = useLoad((signal) => fetchPanel({ panel, range, width: chartWidth, scope: { variables: {}, scoped: {} } }, new QueryShare(signal)), [panel, range]);
  const model = useMemo(() => result && timeseriesModel({ panel, series: seriesOfResult(result), step: result.step, theme }), [panel, result, theme]);
  const empty = model?.series.every((s) => s.values.every((v) => v === null));
  return (
    <figure className="alert-chart slo-chart">
      <figcaption className="chart-parts">
        <span>{panel.title}</span>
        {model && !empty && model.series.length > 1 && (
          <span className="chart-names">
            {model.series.map((s) => (
              <span key={s.key}>
                <i className="swatch" style={{ background: s.color }} /> {s.name}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      {error && <p className="notice error">{error}</p>}
      {!error && empty && <p className="empty">No data in this time range.</p>}
      {model && result && !empty && <TimeChart model={model} range={result.range} theme={theme} tooltip={{ mode: 'multi', sort: 'none' }} syncKey="slo" onZoom={zoomTo} onZoomOut={() => zoomOutFrom(result.range)} label={label} />}
    </figure>
  );
}

function Budget({ numbers, window }: { numbers: ObjectiveNumbers; window: string }) {
  const { remaining } = numbers;
  const level = remaining === undefined ? '' : remaining <= 0 ? 'bad' : remaining < 0.25 ? 'warn' : '';
  return (
    <div className="slo-number slo-budget">
      <dt>Error budget left</dt>
      <dd className={level}>{remaining === undefined ? '–' : shareText(remaining)}</dd>
      <dd>
        <span className="bar-track" role="meter" aria-label="Error budget left" aria-valuemin={0} aria-valuemax={100} aria-valuenow={remaining === undefined ? undefined : Math.round(100 * Math.max(0, remaining))}>
          <span className={`bar-fill meter-fill ${level}`} style={{ width: `${100 * Math.min(1, Math.max(0, remaining ?? 0))}%` }} />
        </span>
        <span className="muted">of {window}</span>
      </dd>
    </div>
  );
}

function AlertStates({ slo, alerts }: { slo: Slo; alerts: ActiveAlert[] }) {
  const own = alerts.filter((a) => slo.alerts.includes(a.labels.alertname ?? '') && a.labels.slo === slo.name && (a.labels.service ?? slo.service) === slo.service);
  return (
    <ul className="slo-alerts">
      {slo.alerts.map((name) => {
        const state = own.filter((a) => a.labels.alertname === name).some((a) => a.state === 'firing') ? 'firing' : own.some((a) => a.labels.alertname === name) ? 'pending' : 'inactive';
        return (
          <li key={name}>
            <Link href={`/alerts?q=${encodeURIComponent(`alertname=${name}`)}${state === 'inactive' ? '&state=inactive' : ''}`}>{name}</Link> <span className={`state state-${state === 'inactive' ? 'up' : state}`}>{state === 'inactive' ? 'quiet' : state}</span>
          </li>
        );
      })}
    </ul>
  );
}

function SloCard({ slo, alerts, range }: { slo: Slo; alerts: ActiveAlert[]; range: TimeRange }) {
  const { value: numbers, error } = useLoad((signal) => numbersOf(slo, range.to, signal), [JSON.stringify(slo), range]);
  const [budget, burn] = useMemo(() => [budgetPanel(slo), burnPanel(slo)], [JSON.stringify(slo)]);
  const standing = numbers && standingOf(numbers);
  const runbook = runbookPlace(slo.runbookUrl, slo.alerts[0] ?? slo.name);
  const level = standing === 'spent' ? 'firing' : standing === 'burning' ? 'pending' : standing === 'kept' ? 'up' : 'inactive';
  return (
    <section className="card slo" id={`${slo.namespace}/${slo.name}`} aria-label={slo.name}>
      <div className="card-head">
        <h2>{slo.name}</h2>
        {standing && <span className={`state state-${level}`}>{standingText[standing]}</span>}
        <span className="muted slo-words">
          {slo.description} <span className="nowrap">({slo.service} in {slo.namespace})</span>
        </span>
        <span className="hpa-links end">
          {runbook && (runbook.outside ? <a href={runbook.href} target="_blank" rel="noreferrer">{runbook.label}</a> : <Link href={runbook.href}>{runbook.label}</Link>)}{' '}
          <Link href={exploreHref(slo.series.sliError)}>Explore</Link>
        </span>
      </div>
      {error && <p className="notice error">The objective could not be asked: {error}</p>}
      <div className={standing === 'unknown' ? 'slo-body unmeasured' : 'slo-body'}>
        <div className="slo-state">
          <dl className="slo-numbers">
            <div className="slo-number">
              <dt>Objective</dt>
              <dd>{shareText(slo.objective)}</dd>
              <dd className="muted">{slo.kind === 'latency' && slo.threshold !== undefined ? `within ${slo.threshold < 1 ? `${Math.round(1000 * slo.threshold)} ms` : `${slo.threshold} s`}, ` : ''}over {slo.window}</dd>
            </div>
            <div className="slo-number">
              <dt>Kept</dt>
              <dd className={standing === 'spent' ? 'bad' : ''}>{numbers?.sliError === undefined ? '–' : shareText(1 - numbers.sliError)}</dd>
              <dd className="muted">{numbers && numbers.sliError === undefined ? 'nothing was measured' : 'of the events were good'}</dd>
            </div>
            {numbers && standing !== 'unknown' && <Budget numbers={numbers} window={slo.window} />}
          </dl>
          {numbers && standing !== 'unknown' && (
            <div>
              <h3>Burn rates</h3>
              <ul className="burn-rates">
                {numbers.burnRates.map(([window, rate]) => (
                  <li key={window} title={`${rate === undefined ? 'no data' : `${rate.toPrecision(3)} times as fast as allowed`} in the last ${window}`}>
                    <span className="muted">{window}</span> <b className={burnLevel(rate)}>{rate === undefined ? '–' : `${Number(rate.toPrecision(2))}×`}</b>
                  </li>
                ))}
              </ul>
            </div>
          )}
          {slo.alerts.length > 0 && <AlertStates slo={slo} alerts={alerts} />}
          {numbers &&
            remarks(slo, numbers).map((remark) => <p key={remark} className="hint">{remark}</p>)}
        </div>
        {standing !== 'unknown' && (
          <div className="slo-charts">
            <SloChart panel={budget} range={range} label={`Error budget left of ${slo.name} over time`} />
            <SloChart panel={burn} range={range} label={`Burn rates of ${slo.name} over time`} />
          </div>
        )}
      </div>
    </section>
  );
}

/** The window of most objectives. */
const sloRange = { from: 'now-7d', to: 'now' };

export default function SlosPage() {
  usePageDefaults(sloRange, '30s');
  const range = useTimeRange(sloRange);
  const { value, error } = useLoad(async (signal) => {
    const [slos, alerts] = await Promise.all([listSlos(signal), activeAlerts(signal)]);
    return { slos, alerts };
  }, [range]);
  const slos = value?.slos;
  useEffect(() => {
    const wanted = decodeURIComponent(window.location.hash.slice(1));
    if (slos && wanted) document.getElementById(wanted)?.scrollIntoView();
  }, [slos !== undefined]);
  return (
    <div className="page alerts" aria-busy={!value && !error}>
      <div className="page-head">
        <h1>Service level objectives</h1>
        {slos && slos.length > 0 && <span className="muted">{slos.length === 1 ? 'one objective' : `${slos.length} objectives`}</span>}
      </div>
      <Unread what="The objectives" error={error} />
      {value && (slos ?? []).length === 0 && (
        <div className="notice" role="status">
          No objectives here: <code>tidewatch slo generate</code> makes rules of a declaration, and the objectives that evaluated rules keep are shown here.
        </div>
      )}
      {(slos ?? []).map((slo) => (
        <SloCard key={`${slo.namespace}/${slo.service}/${slo.name}`} slo={slo} alerts={value?.alerts ?? []} range={range} />
      ))}
    </div>
  );
}
