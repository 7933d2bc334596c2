/** The head that the pages of alerts share: which of them there are, and what the one at hand puts beside it. */
import type { ReactNode } from 'react';
import { Link } from '../app/router';
import '../styles/alerts.css';

const pages = [
  ['/alerts', 'Alerts'],
  ['/alerts/groups', 'Groups'],
  ['/alerts/silences', 'Silences'],
  ['/alerts/notifications', 'Notifications'],
  ['/alerts/rules', 'Rules'],
] as const;

export function AlertsHead({ at, title, children }: { at: (typeof pages)[number][0]; title: string; children?: ReactNode }) {
  return (
    <>
      <nav className="subnav" aria-label="Alerting">
        {pages.map(([href, label]) => (
          <Link key={href} href={href} aria-current={href === at ? 'page' : undefined}>
            {label}
          </Link>
        ))}
      </nav>
      <div className="page-head">
        <h1>{title}</h1>
        {children}
      </div>
    </>
  );
}

export function Unread({ what, error }: { what: string; error: string | undefined }) {
  if (error === undefined) return null;
  return (
    <div className="notice error" role="alert">
      {what} could not be read: {error}
    </div>
  );
}

export function NoManager({ what }: { what: string }) {
  return (
    <div className="notice" role="status">
      No Alertmanager runs here, so there are no {what}. Start one with <code>--alertmanager.config.file</code>; alerts go as well to those that <code>--alertmanager.url</code> of{' '}
      <code>tidewatch up</code>, or <code>alerting:</code> in prometheus.yml, names.
    </div>
  );
}

/** Choices of which one holds, with how many there are of each. */
export function Segments<T extends string>({ label, choices, chosen, onChoose }: { label: string; choices: { value: T; text: string; count?: number }[]; chosen: T; onChoose: (value: T) => void }) {
  return (
    <div className="segments" role="group" aria-label={label}>
      {choices.map(({ value, text, count }) => (
        <button key={value} type="button" aria-pressed={value === chosen} onClick={() => onChoose(value)}>
          {text} {count !== undefined && <span className="muted">{count}</span>}
        </button>
      ))}
    </div>
  );
}
