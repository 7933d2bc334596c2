/** An opened alert: what it says, the graph of its expression, its rule, who is told and who not. The graph's code is loaded with the first one opened. */
import type { ReactNode } from 'react';
import { Link } from '../app/router';
import { useLoad } from '../app/useLoad';
import { formatAbsolute, type TimeRange } from '../time/range';
import { LabelChips } from './Labels';
import type { AlertRow } from './model';
import { agoText, secondsText, timeOf } from './text';
import { exploreHref } from './links';
import { elapsedText } from '../charts/ticks';

const loadChart = () => import('./ExpressionChart');

function Graph({ row, range }: { row: AlertRow; range: TimeRange }) {
  const { value: chart, error } = useLoad(loadChart, []);
  if (error) return <p className="notice error">The graph could not be loaded: {error}</p>;
  if (!chart || !row.of) return <div className="alert-chart" aria-busy="true" />;
  const { rule } = row.of;
  return (
    <chart.ExpressionChart
      query={rule.query}
      labels={row.state === 'inactive' ? undefined : row.labels}
      range={range}
      activeAt={row.since}
      pendingFor={rule.duration}
      firing={row.state !== 'pending' && row.state !== 'inactive'}
      label={`The expression of ${row.name} over time`}
    />
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

const isWeb = (text: string): boolean => /^https?:\/\/\S+$/.test(text);
/** Shown above, or as a button. */
const shownElsewhere = ['summary', 'description', 'message', 'runbook_url'];

const moment = (text: string | undefined): string => {
  const ms = timeOf(text);
  return ms === undefined ? '–' : formatAbsolute(ms);
};

function SilencedBy({ ids }: { ids: string[] }) {
  return ids.map((id) => (
    <Link key={id} className="id-link" href={`/alerts/silences?open=${encodeURIComponent(id)}`}>
      {id.slice(0, 8)}
    </Link>
  ));
}

function Managed({ row }: { row: AlertRow }) {
  const { managed } = row;
  if (!managed) return null;
  const { silencedBy, inhibitedBy, mutedBy } = managed.status;
  return (
    <>
      <Fact name="Told">
        {managed.receivers.map((r) => r.name).join(', ') || 'nobody'} <Link href="/alerts/notifications">history</Link>
      </Fact>
      {silencedBy.length > 0 && (
        <Fact name="Silenced by">
          <SilencedBy ids={silencedBy} />
        </Fact>
      )}
      {inhibitedBy.length > 0 && <Fact name="Inhibited by">{inhibitedBy.length === 1 ? 'another alert' : `${inhibitedBy.length} other alerts`} that fires: see <Link href="/alerts/groups">groups</Link></Fact>}
      {(mutedBy ?? []).length > 0 && <Fact name="Muted by">the time interval {(mutedBy ?? []).join(', ')}</Fact>}
    </>
  );
}

export function AlertDetails({ row, range, now, onPick }: { row: AlertRow; range: TimeRange; now: number; onPick: (name: string, value: string) => void }) {
  const { annotations, of } = row;
  const text = annotations.description ?? annotations.message;
  const others = Object.entries(annotations).filter(([name]) => !shownElsewhere.includes(name));
  return (
    <div className="alert-body">
      <div className="alert-facts">
        {text && <p className="alert-text">{text}</p>}
        <LabelChips labels={row.labels} onPick={onPick} />
        <dl className="facts">
          {row.since && <Fact name={of && of.rule.duration > 0 ? 'Holds since' : 'Since'}>{moment(row.since)}</Fact>}
          {row.keepFiringSince && <Fact name="Over since">{moment(row.keepFiringSince)}: it goes on firing for {elapsedText((of?.rule.keepFiringFor ?? 0) * 1000)}</Fact>}
          {of && of.rule.duration > 0 && <Fact name="Fires after">{elapsedText(of.rule.duration * 1000)}</Fact>}
          {others.map(([name, value]) => (
            <Fact key={name} name={name}>
              {isWeb(value) ? (
                <a href={value} target="_blank" rel="noreferrer">
                  {value}
                </a>
              ) : (
                value
              )}
            </Fact>
          ))}
          <Managed row={row} />
          {of ? (
            <Fact name="Rule">
              <Link href={`/alerts/rules?q=${encodeURIComponent(of.rule.name)}`}>
                {of.group} / {of.rule.name}
              </Link>{' '}
              <span className="muted">
                evaluated {agoText(of.rule.lastEvaluation, now)} in {secondsText(of.rule.evaluationTime)}
              </span>
            </Fact>
          ) : (
            <Fact name="Rule">
              none here: it was sent to the Alertmanager
              {row.managed?.generatorURL && isWeb(row.managed.generatorURL) && (
                <>
                  {' by '}
                  <a href={row.managed.generatorURL} target="_blank" rel="noreferrer">
                    {row.managed.generatorURL}
                  </a>
                </>
              )}
            </Fact>
          )}
        </dl>
        {of?.rule.lastError && <p className="target-error">{of.rule.lastError}</p>}
      </div>
      {of && (
        <div className="alert-graph">
          <Graph row={row} range={range} />
          <pre className="alert-query">
            <Link href={exploreHref(of.rule.query)} title="Open in explore">
              {of.rule.query}
            </Link>
          </pre>
        </div>
      )}
    </div>
  );
}
