/**
 * The form of a silence, as a drawer over the page: matchers, how long, who and why, and the alerts that it silences. Input: a draft, or a silence to change.
 * Output: a silence in the Alertmanager. What it silences is asked of the Alertmanager itself, so that it is what will be silenced.
 */
import { useEffect, useRef, useState } from 'react';
import { managedAlerts, setSilence, type Silence } from '../api/alertmanager';
import { errorText } from '../api/http';
import { Icon } from '../app/icons';
import { useLoad } from '../app/useLoad';
import { LabelChips } from './Labels';
import { checkDraft, durations, matcherText, rememberCreator, type MatcherDraft, type MatcherOp, type SilenceDraft } from './silences';

const ops: MatcherOp[] = ['=', '!=', '=~', '!~'];
const pauseMs = 250;
const mostShown = 30;

function MatcherRow({ matcher, first, onChange, onRemove }: { matcher: MatcherDraft; first: boolean; onChange: (matcher: MatcherDraft) => void; onRemove: () => void }) {
  return (
    <div className="matcher-row">
      <input aria-label="Label" placeholder="label" value={matcher.name} autoFocus={first && matcher.name === ''} spellCheck={false} onChange={(event) => onChange({ ...matcher, name: event.target.value })} />
      <select aria-label="How it is compared" value={matcher.op} onChange={(event) => onChange({ ...matcher, op: event.target.value as MatcherOp })}>
        {ops.map((op) => (
          <option key={op}>{op}</option>
        ))}
      </select>
      <input aria-label="Value" placeholder="value" value={matcher.value} spellCheck={false} onChange={(event) => onChange({ ...matcher, value: event.target.value })} />
      <button type="button" className="button icon-button" aria-label={`Without ${matcher.name || 'this matcher'}`} title="Remove: silence more" onClick={onRemove}>
        <Icon name="close" size={14} />
      </button>
    </div>
  );
}

function useLater<T>(value: T): T {
  const [later, setLater] = useState(value);
  const essence = JSON.stringify(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setLater(value), pauseMs);
    return () => window.clearTimeout(timer);
  }, [essence]);
  return later;
}

function Preview({ matchers }: { matchers: MatcherDraft[] }) {
  const asked = useLater(matchers.filter((m) => m.name.trim() !== '').map(matcherText));
  const essence = asked.join(' ');
  const { value: alerts, error, loading } = useLoad((signal) => (asked.length === 0 ? Promise.resolve(undefined) : managedAlerts(asked, signal)), [essence]);
  if (error) return <p className="notice error">{error}</p>;
  if (asked.length === 0) return <p className="hint">Without a matcher nothing is silenced.</p>;
  return (
    <section aria-label="Alerts that it silences" aria-busy={loading} aria-live="polite">
      <h3>{alerts === undefined ? 'Asking which alerts it silences …' : alerts.length === 0 ? 'No alert that fires now matches' : `Silences ${alerts.length === 1 ? 'one alert' : `${alerts.length} alerts`} that ${alerts.length === 1 ? 'fires' : 'fire'} now`}</h3>
      <ul className="silence-preview">
        {(alerts ?? []).slice(0, mostShown).map((alert) => (
          <li key={alert.fingerprint}>
            <strong>{alert.labels.alertname}</strong> <LabelChips labels={alert.labels} omit={['alertname']} />
          </li>
        ))}
      </ul>
      {(alerts?.length ?? 0) > mostShown && <p className="hint">and {(alerts?.length ?? 0) - mostShown} more</p>}
    </section>
  );
}

export function SilenceForm({ draft: initial, original, onClose, onDone }: { draft: SilenceDraft; original?: Silence; onClose: () => void; onDone: (id: string) => void }) {
  const [draft, setDraft] = useState(initial);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const change = (changes: Partial<SilenceDraft>) => {
    setProblem(undefined);
    setDraft((last) => ({ ...last, ...changes }));
  };
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const wanted = initial.matchers.some((m) => m.name !== '') ? (initial.comment === '' ? 'textarea' : 'input') : 'input';
    form.current?.querySelector<HTMLElement>(wanted)?.focus();
    const escape = (event: KeyboardEvent) => {
      if (event.key === 'Escape') onClose();
    };
    document.addEventListener('keydown', escape);
    return () => {
      document.removeEventListener('keydown', escape);
      before?.focus();
    };
  }, []);
  const submit = async () => {
    const checked = checkDraft(draft, Date.now(), original);
    if ('problem' in checked) {
      setProblem(checked.problem);
      return;
    }
    setBusy(true);
    try {
      const id = await setSilence(checked.ok);
      rememberCreator(checked.ok.createdBy);
      onDone(id);
    } catch (error) {
      setProblem(errorText(error));
      setBusy(false);
    }
  };
  const title = draft.id ? 'Change the silence' : 'New silence';
  return (
    <aside className="drawer silence-drawer" role="dialog" aria-label={title}>
      <div className="drawer-head">
        <h2>{title}</h2>
        <button type="button" className="button icon-button" aria-label="Close" title="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <form
        ref={form}
        className="silence-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit();
        }}
      >
        <fieldset>
          <legend>Alerts with all of</legend>
          {draft.matchers.map((matcher, i) => (
            <MatcherRow
              key={i}
              first={i === 0}
              matcher={matcher}
              onChange={(next) => change({ matchers: draft.matchers.map((m, at) => (at === i ? next : m)) })}
              onRemove={() => change({ matchers: draft.matchers.filter((_, at) => at !== i) })}
            />
          ))}
          <button type="button" className="text-button" onClick={() => change({ matchers: [...draft.matchers, { name: '', op: '=', value: '' }] })}>
            + Matcher
          </button>
        </fieldset>
        <fieldset>
          <legend>For</legend>
          <div className="silence-times">
            <span className="segments">
              {durations.map((duration) => (
                <button key={duration} type="button" aria-pressed={draft.ends === duration} onClick={() => change({ ends: duration })}>
                  {duration}
                </button>
              ))}
            </span>
            <label>
              or until <input aria-label="Duration or end" placeholder="3h, 2026-12-31 08:00" value={draft.ends} onChange={(event) => change({ ends: event.target.value })} />
            </label>
            <label>
              from <input aria-label="Beginning" placeholder="now" value={draft.starts} onChange={(event) => change({ starts: event.target.value })} />
            </label>
          </div>
        </fieldset>
        <label className="field">
          Comment
          <textarea rows={2} placeholder="Why, and what is being done" value={draft.comment} onChange={(event) => change({ comment: event.target.value })} />
        </label>
        <label className="field">
          Created by
          <input value={draft.createdBy} autoComplete="username" placeholder="your name" onChange={(event) => change({ createdBy: event.target.value })} />
        </label>
        {problem && (
          <p className="notice error" role="alert">
            {problem}
          </p>
        )}
        <div className="form-end">
          <button type="submit" className="button primary" disabled={busy} title="Ctrl+Enter">
            {draft.id ? 'Change' : 'Silence'}
          </button>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
        </div>
        <Preview matchers={draft.matchers} />
      </form>
    </aside>
  );
}
