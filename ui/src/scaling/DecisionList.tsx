/** An autoscaler's decisions, the latest first: when, how many replicas, why in a sentence, and each step behind it. Input: the decisions API. */
import { useEffect, useState } from 'react';
import type { Decision } from '../api/scaling';
import { formatAbsolute } from '../time/range';
import { onlyChanges, replicasText } from './decisions';

/** Shown at first, and added by each click. */
const portion = 6;

export const clockOf = (time: string): string => {
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return time;
  const text = formatAbsolute(ms);
  return text.slice(0, 10) === formatAbsolute(Date.now()).slice(0, 10) ? text.slice(11) : text;
};

function Change({ decision }: { decision: Decision }) {
  const { currentReplicas: from, desiredReplicas: to } = decision;
  const direction = to > from ? 'up' : to < from ? 'down' : 'same';
  return (
    <span className={`change change-${direction}`} aria-label={from === to ? `${to} replicas, unchanged` : `from ${from} to ${to} replicas`}>
      {replicasText(decision)}
    </span>
  );
}

function Steps({ decision }: { decision: Decision }) {
  const unmet = (decision.conditions ?? []).filter((c) => c.status !== 'True' && c.type !== 'ScalingLimited');
  return (
    <div className="steps">
      <ol>
        {decision.steps.map((step, i) => (
          <li key={i}>
            <span className="step-kind">{step.kind}</span>
            <span className="step-text">{step.text}</span>
            <span className="step-replicas" aria-label={step.replicas == null ? undefined : `${step.replicas} replicas after this step`}>
              {step.replicas ?? ''}
            </span>
          </li>
        ))}
      </ol>
      {decision.steps.length === 0 && <p className="muted">Nothing was computed.</p>}
      {unmet.map((c) => (
        <p key={c.type} className="warn">
          {c.type} is {c.status}, {c.reason}: {c.message}
        </p>
      ))}
    </div>
  );
}

function Line({ decision }: { decision: Decision }) {
  const [open, setOpen] = useState(false);
  return (
    <li className={decision.scaled ? 'decision scaled' : 'decision'}>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <time dateTime={decision.time}>{clockOf(decision.time)}</time>
        <Change decision={decision} />
        <span className="sentence">{decision.sentence}</span>
      </button>
      {open && <Steps decision={decision} />}
    </li>
  );
}

export function DecisionList({ decisions, changes, title }: { decisions: Decision[]; changes: boolean; title: string }) {
  const [most, setMost] = useState(portion);
  useEffect(() => setMost(portion), [changes]);
  const matching = changes ? onlyChanges(decisions) : decisions;
  const shown = matching.slice(0, most);
  return (
    <div className="decisions">
      {matching.length === 0 && (
        <p className="empty">{changes && decisions.length > 0 ? `None of the last ${decisions.length} decisions changed the replicas.` : 'No decision yet: the first is taken within a sync period.'}</p>
      )}
      <ol aria-label={title}>
        {shown.map((decision) => (
          <Line key={decision.time} decision={decision} />
        ))}
      </ol>
      {shown.length < matching.length && (
        <button type="button" className="text-button" onClick={() => setMost(most + 4 * portion)}>
          Show {Math.min(4 * portion, matching.length - shown.length)} more of {matching.length}
        </button>
      )}
    </div>
  );
}
