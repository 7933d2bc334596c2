/** The variables of a dashboard: a picker for each one that is shown. A choice goes into the URL as `var-<name>`. */
import { useState } from 'react';
import { Icon } from '../app/icons';
import { Popover } from '../app/Popover';
import { setParameters } from '../app/router';
import { allToken, optionsWithAll, type ResolvedVariable } from '../grafana/variables';

const longest = 300;

function choose(variable: ResolvedVariable, values: string[]): void {
  setParameters({ [`var-${variable.model.name}`]: values });
}

/** The values after a click on one: a single choice, or added and removed; "All" and single values exclude each other. */
export function toggled(selected: string[], value: string, multi: boolean): string[] {
  if (!multi || value === allToken) return [value];
  const others = selected.filter((v) => v !== allToken);
  if (!others.includes(value)) return [...others, value];
  return others.length > 1 ? others.filter((v) => v !== value) : others;
}

function Options({ variable, close }: { variable: ResolvedVariable; close: () => void }) {
  const [filter, setFilter] = useState('');
  const { selected, model } = variable;
  const wanted = filter.toLowerCase();
  const options = optionsWithAll(variable).filter((o) => o.text.toLowerCase().includes(wanted));
  return (
    <div className="variable-options">
      <input type="search" autoFocus placeholder="Filter" aria-label={`Filter ${model.name}`} value={filter} onChange={(e) => setFilter(e.target.value)} />
      {variable.error && <p className="notice error">{variable.error}</p>}
      {options.length === 0 && !variable.error && <p className="empty">No values</p>}
      <ul role="listbox" aria-multiselectable={Boolean(model.multi)} aria-label={model.label || model.name}>
        {options.slice(0, longest).map((option) => (
          <li key={option.value} role="option" aria-selected={selected.includes(option.value)}>
            <button
              type="button"
              className={`menu-item ${model.multi ? 'with-check' : ''}`}
              onClick={() => {
                choose(variable, toggled(selected, option.value, Boolean(model.multi)));
                if (!model.multi) close();
              }}
            >
              {option.text}
            </button>
          </li>
        ))}
      </ul>
      {options.length > longest && <p className="hint">{options.length - longest} more: filter to see them.</p>}
    </div>
  );
}

function textOf({ options, selected, error }: ResolvedVariable): string {
  if (selected[0] === allToken) return 'All';
  if (selected.length === 0) return error ? 'error' : 'none';
  return selected.map((value) => options.find((o) => o.value === value)?.text ?? value).join(' + ');
}

function TextVariable({ variable }: { variable: ResolvedVariable }) {
  const [text, setText] = useState(variable.selected[0] ?? '');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        choose(variable, [text]);
      }}
    >
      <input aria-label={variable.model.label || variable.model.name} value={text} onChange={(e) => setText(e.target.value)} onBlur={() => choose(variable, [text])} />
    </form>
  );
}

function Variable({ variable }: { variable: ResolvedVariable }) {
  const { model, error } = variable;
  const name = model.label || model.name;
  return (
    <div className="variable">
      {model.hide !== 1 && <span className="variable-name">{name}</span>}
      {model.type === 'textbox' ? (
        <TextVariable variable={variable} />
      ) : (
        <Popover
          title={`${name}: ${textOf(variable)}`}
          className={error ? 'variable-picker failed' : 'variable-picker'}
          label={
            <>
              <span className="variable-value">{textOf(variable)}</span>
              <Icon name="chevron" size={12} />
            </>
          }
        >
          {(close) => <Options variable={variable} close={close} />}
        </Popover>
      )}
    </div>
  );
}

const unshown = new Set(['constant', 'datasource']);

export function VariableBar({ variables }: { variables: ResolvedVariable[] }) {
  const shown = variables.filter((v) => v.model.hide !== 2 && !unshown.has(v.model.type));
  if (shown.length === 0) return null;
  return (
    <div className="variables" role="group" aria-label="Variables">
      {shown.map((variable) => (
        <Variable key={variable.model.name} variable={variable} />
      ))}
    </div>
  );
}
