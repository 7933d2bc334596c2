/**
 * One dashboard: loads its JSON, resolves its variables, lays out its panels and starts their queries. Input: the uid, and the URL's time range and
 * `var-` parameters. See panels/run.ts for the queries and panels/PanelFrame.tsx for what a panel shows.
 */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { loadAnnotations } from '../api/annotations';
import { loadDashboard } from '../api/grafana';
import { isAbort } from '../api/http';
import { Icon } from '../app/icons';
import { setParameters, useUrl } from '../app/router';
import { useTheme } from '../app/theme';
import { usePageDefaults, useTimeRange } from '../app/time';
import { useLoad } from '../app/useLoad';
import { boxOf, heightOf, layoutPanels, narrowCells, narrowWidth, type Cell } from '../grafana/layout';
import type { DashboardModel } from '../grafana/model';
import { chosenIn, repeatValuesOf, resolveVariables, valuesOf, type ResolvedVariable } from '../grafana/variables';
import { chartAnnotations, isAlert, PanelAnnotations } from '../panels/annotations';
import { PanelFrame } from '../panels/PanelFrame';
import { DashboardRun, DrawTracker, type RunInput } from '../panels/run';
import { defaultRange, type TimeRange } from '../time/range';
import { VariableBar } from './VariableBar';

/** The part of the URL that chooses variables, as one string to depend on. */
function useVariableParameters(): string {
  const url = useUrl();
  return [...url.searchParams].filter(([name]) => name.startsWith('var-')).join('&');
}

function useVariables(dashboard: DashboardModel, range: TimeRange): ResolvedVariable[] | undefined {
  const models = useMemo(() => dashboard.templating?.list ?? [], [dashboard]);
  const chosen = useVariableParameters();
  const [variables, setVariables] = useState<ResolvedVariable[] | undefined>(models.length === 0 ? [] : undefined);
  const followsTime = models.some((m) => m.refresh === 2 || m.type === 'interval');
  useEffect(() => {
    if (models.length === 0) return undefined;
    const controller = new AbortController();
    resolveVariables({ models, range, fromUrl: chosenIn(new URL(window.location.href)), signal: controller.signal }).then(
      (resolved) => {
        if (!controller.signal.aborted) setVariables((last) => (sameChoice(last, resolved) ? last : resolved));
      },
      (error: unknown) => {
        if (!isAbort(error)) throw error;
      },
    );
    return () => controller.abort();
  }, [models, chosen, followsTime ? range : undefined]);
  return variables;
}

function sameChoice(a: ResolvedVariable[] | undefined, b: ResolvedVariable[]): boolean {
  const essence = (list: ResolvedVariable[]) => JSON.stringify(list.map((v) => [v.options, v.selected, v.error]));
  return a !== undefined && essence(a) === essence(b);
}

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const div = element.current as HTMLDivElement;
    setWidth(div.clientWidth);
    const observer = new ResizeObserver(() => setWidth(div.clientWidth));
    observer.observe(div);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

interface GridProps {
  dashboard: DashboardModel;
  variables: ResolvedVariable[];
  range: TimeRange;
  width: number;
  offset: number;
}

function useRun(input: RunInput, cells: Cell[], width: number, offset: number) {
  const [run] = useState(() => new DashboardRun());
  const [tracker] = useState(() => new DrawTracker());
  useEffect(() => () => run.stop(), [run]);
  useEffect(() => {
    const visible = cells.filter((cell) => {
      const { top, height } = boxOf(cell.pos, width);
      const y = offset + top - window.scrollY;
      return cell.panel.type !== 'row' && y < window.innerHeight && y + height > 0;
    });
    tracker.expect(visible.map((cell) => cell.key));
    run.start(input, cells, (cell) => boxOf(cell.pos, width));
  }, [run, tracker, input, cells]);
  return { run, tracker };
}

function RowTitle({ cell, top, onToggle, text }: { cell: Cell; top: number; onToggle: () => void; text: string }) {
  const hidden = cell.hiddenPanels ?? 0;
  return (
    <div className="row-title" style={{ top }}>
      <button type="button" aria-expanded={hidden === 0} onClick={onToggle} className={hidden > 0 ? 'closed' : ''}>
        <Icon name="chevron" size={13} />
        {text || 'Row'}
        {hidden > 0 && <span className="muted">{hidden === 1 ? '1 panel' : `${hidden} panels`}</span>}
      </button>
    </div>
  );
}

function Grid({ dashboard, variables, range, width, offset }: GridProps) {
  const theme = useTheme();
  const [toggledRows, setToggledRows] = useState<ReadonlySet<string>>(new Set());
  const values = useMemo(() => valuesOf(variables, range), [variables, range]);
  const input = useMemo(() => ({ variables: values, range }), [values, range]);
  const narrow = width < narrowWidth;
  const cells = useMemo(() => {
    const wide = layoutPanels(dashboard.panels ?? [], repeatValuesOf(values), toggledRows);
    return narrow ? narrowCells(wide) : wide;
  }, [dashboard, variables, toggledRows, narrow]);
  const { run, tracker } = useRun(input, cells, width, offset);
  const toggle = (key: string) => {
    const next = new Set(toggledRows);
    if (!next.delete(key)) next.add(key);
    setToggledRows(next);
  };
  const scopes = useMemo(
    () => new Map(cells.map((cell) => [cell.key, { variables: values, scoped: { __dashboard: dashboard.title ?? '', ...cell.scoped } }])),
    [cells, variables],
  );
  const placed = useMemo(() => cells.map((cell) => ({ cell, box: boxOf(cell.pos, width) })), [cells, width]);
  return (
    <div className="grid" style={{ height: heightOf(cells) }}>
      {placed.map(({ cell, box }) => {
        const scope = scopes.get(cell.key) as { variables: typeof values; scoped: Record<string, string> };
        if (cell.panel.type === 'row') {
          const text = (cell.panel.title ?? '').replace(/\$\{?(\w+)\}?/g, (all, name: string) => scope.scoped[name] ?? [values[name]?.text ?? all].flat().join(' + '));
          return <RowTitle key={cell.key} cell={cell} top={box.top} text={text} onToggle={() => toggle(cell.key)} />;
        }
        return (
          <PanelFrame
            key={cell.key}
            cell={cell}
            box={box}
            offset={offset}
            state={run.stateOf(cell.key)}
            scope={scope}
            theme={theme}
            syncKey={dashboard.uid ?? 'dashboard'}
            sharedTooltip={dashboard.graphTooltip === 2}
            onDrawn={tracker.drawn}
          />
        );
      })}
    </div>
  );
}

interface ShownAnnotations {
  scalings: boolean;
  alerts: boolean;
}

/** The scalings and alerts within the range; unavailable where the server has no annotations, and none while they are switched off. */
function useAnnotations(range: TimeRange, shown: ShownAnnotations) {
  const theme = useTheme();
  const any = shown.scalings || shown.alerts;
  const { value, error } = useLoad((signal) => (any ? loadAnnotations(range, signal) : Promise.resolve([])), [range, any]);
  const wanted = (value ?? []).filter((a) => (isAlert(a) ? shown.alerts : shown.scalings));
  // the same ones after a refresh do not draw every chart once more
  const essence = JSON.stringify(wanted);
  const annotations = useMemo(() => chartAnnotations(wanted, theme), [essence, theme]);
  return { annotations, error, available: !any || value !== undefined || error !== undefined };
}

const toggles = [
  { name: 'scalings', label: 'Scalings', title: 'Each change of replicas by an autoscaler, as a line in every time series' },
  { name: 'alerts', label: 'Alerts', title: 'Each time in which an alert fired, tinted in every time series' },
] as const;

function AnnotationToggles({ shown, error }: { shown: ShownAnnotations; error: string | undefined }) {
  return (
    <span className="annotation-toggles">
      {toggles.map(({ name, label, title }) => (
        <label key={name} className="check annotation-toggle" title={error ? `The annotations could not be read: ${error}` : title}>
          <input type="checkbox" role="switch" checked={shown[name]} onChange={() => setParameters({ [name]: shown[name] ? 'off' : undefined }, { replace: true })} />
          {label}
          {error && <Icon name="warning" size={13} />}
        </label>
      ))}
    </span>
  );
}

const refreshOf = ({ refresh }: DashboardModel): string => (typeof refresh === 'string' && refresh !== '' ? refresh : 'off');

function LoadedDashboard({ dashboard }: { dashboard: DashboardModel }) {
  const range = useTimeRange(dashboard.time ?? defaultRange);
  usePageDefaults(dashboard.time, refreshOf(dashboard));
  const variables = useVariables(dashboard, range);
  const { searchParams } = useUrl();
  const shown = { scalings: searchParams.get('scalings') !== 'off', alerts: searchParams.get('alerts') !== 'off' };
  const { annotations, error, available } = useAnnotations(range, shown);
  const [element, width] = useWidth();
  useEffect(() => {
    document.title = `${dashboard.title ?? 'Dashboard'} – tidewatch`;
    return () => {
      document.title = 'tidewatch';
    };
  }, [dashboard]);
  const offset = (element.current?.getBoundingClientRect().top ?? 90) + window.scrollY;
  return (
    <div className="page dashboard">
      <div className="page-head">
        <h1 title={dashboard.description}>{dashboard.title}</h1>
        {variables && <VariableBar variables={variables} />}
        {available && <AnnotationToggles shown={shown} error={error} />}
      </div>
      <div ref={element} className="grid-holder">
        {width > 0 && variables && (
          <PanelAnnotations value={annotations}>
            <Grid dashboard={dashboard} variables={variables} range={range} width={width} offset={offset} />
          </PanelAnnotations>
        )}
      </div>
    </div>
  );
}

export default function Dashboard({ uid }: { uid: string }) {
  const { value, error } = useLoad((signal) => loadDashboard(uid, signal), [uid]);
  if (error) {
    return (
      <div className="page narrow">
        <div className="notice error" role="alert">
          The dashboard “{uid}” could not be loaded: {error}
        </div>
      </div>
    );
  }
  return value ? <LoadedDashboard dashboard={value} /> : <div className="page" aria-busy="true" />;
}
