/** The fields of a trace search. Lists act at once, texts with Enter or when they are left; all of it goes to the URL. */
import { useEffect, useId, useState } from 'react';
import { traceOperations } from '../api/jaeger';
import { Icon } from '../app/icons';
import { navigate } from '../app/router';
import { useLoad } from '../app/useLoad';
import { limits, orders, readTraceId, searchErrors, traceHref, type Order, type SearchState } from './searchState';

interface TextProps {
  label: string;
  value: string;
  placeholder: string;
  className?: string;
  /** What is wrong with a text, if anything. */
  check: (text: string) => string | undefined;
  onApply: (text: string) => void;
}

function TextField({ label, value, placeholder, className, check, onApply }: TextProps) {
  const [text, setText] = useState(value);
  const id = useId();
  useEffect(() => setText(value), [value]);
  const problem = check(text.trim());
  const apply = () => {
    if (problem === undefined && text.trim() !== value) onApply(text.trim());
  };
  return (
    <label className={`field ${className ?? ''}`}>
      <span>{label}</span>
      <input
        aria-label={label}
        value={text}
        placeholder={placeholder}
        spellCheck={false}
        autoComplete="off"
        aria-invalid={problem !== undefined}
        aria-describedby={problem ? id : undefined}
        onChange={(event) => setText(event.target.value)}
        onBlur={apply}
        onKeyDown={(event) => event.key === 'Enter' && apply()}
      />
      {problem && (
        <span className="field-problem" id={id} role="alert">
          {problem}
        </span>
      )}
    </label>
  );
}

/** Opens a trace by its id. */
export function TraceIdForm() {
  const [text, setText] = useState('');
  const [tried, setTried] = useState(false);
  const id = readTraceId(text);
  const bad = tried && id === undefined;
  return (
    <form
      className="trace-id-form"
      role="search"
      aria-label="Open a trace"
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (id !== undefined) navigate(traceHref(id));
      }}
    >
      <input
        type="search"
        aria-label="Trace id"
        placeholder="Open by trace id"
        spellCheck={false}
        value={text}
        aria-invalid={bad}
        onChange={(event) => {
          setText(event.target.value);
          setTried(false);
        }}
      />
      {bad && (
        <span className="field-problem" role="alert">
          A trace id has up to 32 hexadecimal digits.
        </span>
      )}
    </form>
  );
}

interface SearchFormProps {
  state: SearchState;
  services: string[];
  onChange: (change: Partial<SearchState>) => void;
  onRun: () => void;
}

export function SearchForm({ state, services, onChange, onRun }: SearchFormProps) {
  const { value: operations } = useLoad((signal) => (state.service ? traceOperations(state.service, signal) : Promise.resolve([])), [state.service]);
  const names = [...new Set((operations ?? []).map((o) => o.name))].sort();
  // what the URL asks for is offered even if nothing of it has come in yet
  const offered = (list: string[], chosen: string) => (chosen && !list.includes(chosen) ? [chosen, ...list] : list);
  return (
    <div className="card trace-search" role="search" aria-label="Search traces">
      <label className="field">
        <span>Service</span>
        <select aria-label="Service" value={state.service} onChange={(event) => onChange({ service: event.target.value, operation: '' })}>
          <option value="">All services</option>
          {offered(services, state.service).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Operation</span>
        <select aria-label="Operation" value={state.operation} disabled={!state.service} onChange={(event) => onChange({ operation: event.target.value })}>
          <option value="">All operations</option>
          {offered(names, state.operation).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <TextField className="wide" label="Tags" placeholder="http.response.status_code=500 error=true" value={state.tags} check={(tags) => searchErrors({ tags, min: '', max: '' }).tags} onApply={(tags) => onChange({ tags })} />
      <TextField label="Min duration" placeholder="1.5ms" className="short" value={state.min} check={(min) => searchErrors({ tags: '', min, max: '' }).min} onApply={(min) => onChange({ min })} />
      <TextField label="Max duration" placeholder="2s" className="short" value={state.max} check={(max) => searchErrors({ tags: '', min: '', max }).max} onApply={(max) => onChange({ max })} />
      <label className="field short">
        <span>At most</span>
        <select aria-label="At most" value={state.limit} onChange={(event) => onChange({ limit: Number(event.target.value) })}>
          {[...new Set([...limits, state.limit])].sort((a, b) => a - b).map((n) => (
            <option key={n}>{n}</option>
          ))}
        </select>
      </label>
      <button type="button" className="button primary" onClick={onRun}>
        <Icon name="search" size={14} /> Find
      </button>
    </div>
  );
}

export function OrderSelect({ order, onChange }: { order: Order; onChange: (order: Order) => void }) {
  return (
    <select className="end" aria-label="Order" value={order} onChange={(event) => onChange(event.target.value as Order)}>
      {Object.entries(orders).map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  );
}
