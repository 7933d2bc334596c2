/** The silences: what is in force, what comes and what was, with the alerts that each keeps quiet. Made, changed, expired and made again here. */
import { useState } from 'react';
import { expireSilence, managedAlerts, silences, type ManagedAlert, type Silence } from '../api/alertmanager';
import { errorText } from '../api/http';
import { setParameters, useUrl } from '../app/router';
import { refreshNow, usePageDefaults, useTick } from '../app/time';
import { useLazyParameter } from '../app/useLazyParameter';
import { useLoad } from '../app/useLoad';
import { AlertsHead, NoManager, Segments, Unread } from '../alerts/AlertsHead';
import { LabelChips, MatcherChips } from '../alerts/Labels';
import { SilenceForm } from '../alerts/SilenceForm';
import { draftMatcher, draftOf, rememberedCreator, type SilenceDraft } from '../alerts/silences';
import { timeOf, untilText } from '../alerts/text';
import { formatAbsolute } from '../time/range';

type State = Silence['status']['state'];
const states: State[] = ['active', 'pending', 'expired'];
const firstShown = 100;

interface Editing {
  draft: SilenceDraft;
  original?: Silence;
}

const shown = (text: string): string => {
  const ms = timeOf(text);
  return ms === undefined ? '–' : formatAbsolute(ms);
};

function When({ silence, now }: { silence: Silence; now: number }) {
  const { state } = silence.status;
  const [word, at] = state === 'pending' ? ['begins', silence.startsAt] : state === 'active' ? ['ends', silence.endsAt] : ['ended', silence.endsAt];
  return (
    <span title={`${shown(silence.startsAt)} to ${shown(silence.endsAt)}`}>
      {word} {untilText(at, now)}
    </span>
  );
}

interface SilenceRowProps {
  silence: Silence;
  alerts: ManagedAlert[];
  now: number;
  open: boolean;
  onEdit: () => void;
}

function SilenceRow({ silence, alerts, now, open, onEdit }: SilenceRowProps) {
  const [problem, setProblem] = useState<string>();
  const [asking, setAsking] = useState(false);
  const { state } = silence.status;
  const expire = async () => {
    try {
      await expireSilence(silence.id);
      refreshNow();
    } catch (error) {
      setProblem(errorText(error));
    }
    setAsking(false);
  };
  return (
    <li className={`alert silence silence-${state}`} id={`silence-${silence.id}`} aria-label={silence.comment}>
      <div className="silence-head">
        <span className={`state state-${state === 'active' ? 'silenced' : state === 'pending' ? 'pending' : 'inactive'}`}>{state}</span>
        <div className="silence-what">
          <MatcherChips matchers={silence.matchers.map(draftMatcher)} />
          <p>
            {silence.comment} <span className="muted">– {silence.createdBy || 'nobody named'}</span>
          </p>
        </div>
        <span className="silence-when">
          <When silence={silence} now={now} />
        </span>
        <button type="button" className="text-button" aria-expanded={open} disabled={alerts.length === 0} onClick={() => setParameters({ open: open ? undefined : silence.id }, { replace: true })}>
          {alerts.length === 1 ? '1 alert' : `${alerts.length} alerts`}
        </button>
        <span className="alert-actions">
          <button type="button" className="text-button" onClick={onEdit}>
            {state === 'expired' ? 'Silence again' : 'Edit'}
          </button>
          {state !== 'expired' &&
            (asking ? (
              <button type="button" className="text-button bad" autoFocus onBlur={() => setAsking(false)} onClick={() => void expire()}>
                Yes, expire
              </button>
            ) : (
              <button type="button" className="text-button" onClick={() => setAsking(true)}>
                Expire
              </button>
            ))}
        </span>
      </div>
      {problem && <p className="notice error">{problem}</p>}
      {open && alerts.length > 0 && (
        <ul className="silence-preview">
          {alerts.slice(0, 50).map((alert) => (
            <li key={alert.fingerprint}>
              <strong>{alert.labels.alertname}</strong> <LabelChips labels={alert.labels} omit={['alertname']} />
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

const textOf = ({ id, comment, createdBy, matchers }: Silence): string => [id, comment, createdBy, ...matchers.map((m) => `${m.name}=${m.value}`)].join(' ').toLowerCase();

export default function SilencesPage() {
  usePageDefaults(undefined, '10s');
  const tick = useTick();
  const { searchParams } = useUrl();
  const [search, setSearch] = useLazyParameter('q');
  const [limit, setLimit] = useState(firstShown);
  const [editing, setEditing] = useState<Editing | undefined>(() =>
    searchParams.has('new') ? { draft: { matchers: [{ name: '', op: '=', value: '' }], starts: '', ends: '2h', createdBy: rememberedCreator(), comment: '' } } : undefined,
  );
  const { value, error } = useLoad(async (signal) => {
    const [all, alerts] = await Promise.all([silences(signal), managedAlerts([], signal)]);
    return { all, alerts: alerts ?? [], at: Date.now() };
  }, [tick]);
  const opened = searchParams.get('open');
  const linked = value?.all?.find((s) => s.id === opened);
  const asked = searchParams.get('state') as State | null;
  // a link to a silence shows it, in whatever state it is by now
  const state: State = asked ?? linked?.status.state ?? 'active';
  const words = (search ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const found = (value?.all ?? []).filter((s) => words.every((word) => textOf(s).includes(word)));
  const order = (a: Silence, b: Silence) => (state === 'expired' ? Date.parse(b.endsAt) - Date.parse(a.endsAt) : Date.parse(a.endsAt) - Date.parse(b.endsAt));
  const list = found.filter((s) => s.status.state === state).sort(order);
  const close = () => {
    setEditing(undefined);
    setParameters({ new: undefined }, { replace: true });
  };
  return (
    <div className="page alerts" aria-busy={!value && !error}>
      <AlertsHead at="/alerts/silences" title="Silences">
        <Segments label="Filter by state" choices={states.map((s) => ({ value: s, text: s, count: value?.all && found.filter((x) => x.status.state === s).length }))} chosen={state} onChoose={(s) => setParameters({ state: s, open: undefined }, { replace: true })} />
        <input type="search" placeholder="Filter by matcher, comment or name" aria-label="Filter silences" value={search ?? ''} onChange={(event) => setSearch(event.target.value || null)} />
        {value?.all && (
          <button type="button" className="button primary" onClick={() => setEditing({ draft: { matchers: [{ name: '', op: '=', value: '' }], starts: '', ends: '2h', createdBy: rememberedCreator(), comment: '' } })}>
            New silence
          </button>
        )}
      </AlertsHead>
      <Unread what="The silences" error={error} />
      {value && value.all === undefined && <NoManager what="silences" />}
      {value?.all && list.length === 0 && <p className="empty">{words.length > 0 ? 'No silence matches.' : state === 'active' ? 'Nothing is silenced.' : state === 'pending' ? 'No silence is about to begin.' : 'No silence has expired lately.'}</p>}
      <ul className="alert-list">
        {list.slice(0, limit).map((silence) => (
          <SilenceRow
            key={silence.id}
            silence={silence}
            alerts={(value?.alerts ?? []).filter((a) => a.status.silencedBy.includes(silence.id))}
            now={value?.at ?? Date.now()}
            open={silence.id === opened}
            onEdit={() => setEditing({ draft: draftOf(silence), original: silence })}
          />
        ))}
      </ul>
      {list.length > limit && (
        <button type="button" className="button" onClick={() => setLimit(limit * 5)}>
          Show more of {list.length}
        </button>
      )}
      {editing && (
        <SilenceForm
          draft={editing.draft}
          original={editing.original}
          onClose={close}
          onDone={(id) => {
            setEditing(undefined);
            setParameters({ new: undefined, state: undefined, open: id }, { replace: true });
            refreshNow();
          }}
        />
      )}
    </div>
  );
}
