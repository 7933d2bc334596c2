/** The policies of one direction: how much may change in which time, and which of several counts. */
import type { Direction, Policy, Rules } from './manifest';

const most = 4;

interface PolicyEditorProps {
  direction: Direction;
  rules: Rules;
  changed: boolean;
  onChange: (rules: Rules | undefined) => void;
}

function PolicyRow({ policy, name, onChange, onRemove }: { policy: Policy; name: string; onChange: (policy: Policy) => void; onRemove?: () => void }) {
  const number = (field: 'value' | 'periodSeconds', text: string, highest: number) => {
    const value = Math.round(Number(text));
    if (value >= 1 && value <= highest) onChange({ ...policy, [field]: value });
  };
  return (
    <li>
      <input type="number" min={1} aria-label={`${name}, value`} value={policy.value} onChange={(event) => number('value', event.target.value, 100_000)} />
      <select aria-label={`${name}, type`} value={policy.type} onChange={(event) => onChange({ ...policy, type: event.target.value as Policy['type'] })}>
        <option value="Percent">%</option>
        <option value="Pods">pods</option>
      </select>
      <span className="muted">in</span>
      <input type="number" min={1} max={1800} aria-label={`${name}, seconds`} value={policy.periodSeconds} onChange={(event) => number('periodSeconds', event.target.value, 1800)} />
      <span className="muted">s</span>
      {onRemove && (
        <button type="button" className="slider-back" aria-label={`Remove ${name}`} onClick={onRemove}>
          ×
        </button>
      )}
    </li>
  );
}

export function PolicyEditor({ direction, rules, changed, onChange }: PolicyEditorProps) {
  const { policies, selectPolicy } = rules;
  const title = direction === 'up' ? 'Policies up' : 'Policies down';
  const withPolicy = (at: number, policy: Policy | undefined) => onChange({ ...rules, policies: policies.flatMap((p, i) => (i === at ? (policy ?? []) : p)) });
  return (
    <fieldset className={changed ? 'policies moved' : 'policies'}>
      <legend>
        {title}
        <select aria-label={`${title}, which counts`} value={selectPolicy} onChange={(event) => onChange({ ...rules, selectPolicy: event.target.value as Rules['selectPolicy'] })}>
          <option value="Max">the largest counts</option>
          <option value="Min">the smallest counts</option>
          <option value="Disabled">never</option>
        </select>
        {changed && (
          <button type="button" className="slider-back" aria-label={`${title}: back to the manifest's`} onClick={() => onChange(undefined)}>
            ↺
          </button>
        )}
      </legend>
      {selectPolicy !== 'Disabled' && (
        <ul>
          {policies.map((policy, i) => (
            <PolicyRow key={i} policy={policy} name={`${title} ${i + 1}`} onChange={(next) => withPolicy(i, next)} onRemove={policies.length > 1 ? () => withPolicy(i, undefined) : undefined} />
          ))}
          {policies.length < most && (
            <li>
              <button type="button" className="text-button" onClick={() => onChange({ ...rules, policies: [...policies, { type: 'Pods', value: 1, periodSeconds: 60 }] })}>
                Add a policy
              </button>
            </li>
          )}
        </ul>
      )}
    </fieldset>
  );
}
