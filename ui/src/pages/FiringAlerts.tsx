/** What fires, on the first page before everything else: each with what it says, since when, and where to look. */
import { Link } from '../app/router';
import { Severity } from '../alerts/Labels';
import { alertHref, causes, runbookPlace, type Place } from '../alerts/links';
import { severityOf } from '../alerts/model';
import { sinceText } from '../alerts/text';
import type { FiringSummary } from './overviewAlerts';

const mostShown = 6;

function Go({ place }: { place: Place }) {
  if (!place.outside) return <Link href={place.href}>{place.label}</Link>;
  return (
    <a href={place.href} target="_blank" rel="noreferrer">
      {place.label}
    </a>
  );
}

export function FiringAlerts({ alerts }: { alerts: FiringSummary }) {
  const { firing } = alerts;
  if (firing.length === 0) return null;
  const now = Date.now();
  return (
    <section className="notice error firing-alerts" aria-label="Firing alerts">
      <ul>
        {firing.slice(0, mostShown).map((row) => {
          const runbook = runbookPlace(row.annotations.runbook_url, row.name);
          return (
            <li key={row.key}>
              <Severity value={severityOf(row)} />
              <Link className="strong" href={alertHref(row)}>
                {row.name}
              </Link>
              <span className="firing-text">{row.annotations.summary ?? row.annotations.description}</span>
              <span className="muted nowrap">for {sinceText(row.since, now)}</span>
              <span className="alert-actions">
                {causes(row)
                  .slice(0, 2)
                  .map((place) => (
                    <Go key={place.label} place={place} />
                  ))}
                {runbook && <Go place={runbook} />}
              </span>
            </li>
          );
        })}
      </ul>
      {firing.length > mostShown && (
        <Link href="/alerts?state=firing">and {firing.length - mostShown} more</Link>
      )}
    </section>
  );
}
