/**
 * The simulator: an autoscaler that runs here or pasted YAML, a load, sliders; each change runs the simulation anew. All of it is in the address.
 * Input: the Kubernetes API for what runs, tidewatch's simulation API. See simulate/state.ts for the way from the address to a request.
 */
import { useMemo } from 'react';
import { Link } from '../app/router';
import { usePageDefaults } from '../app/time';
import { useLoad } from '../app/useLoad';
import '../styles/scaling.css';
import { Changes, Notes, Scalings, Sums, VerdictBar } from '../simulate/Findings';
import type { EditableSegment } from '../simulate/load';
import { LoadEditor } from '../simulate/LoadEditor';
import { exampleYaml, nameOf, rulesOf, type Direction, type Manifest } from '../simulate/manifest';
import { PolicyEditor } from '../simulate/PolicyEditor';
import { ResultYaml } from '../simulate/ResultYaml';
import { SliderGroup } from '../simulate/Sliders';
import { isQueued, sliderGroups, slidersOf } from '../simulate/sliders';
import { pastedManifests, runningManifests } from '../simulate/source';
import { changedManifest, requestOf, restRate, type SimulatorState } from '../simulate/state';
import { Timeline } from '../simulate/Timeline';
import { useSimulation } from '../simulate/useSimulation';
import { useSimulatorState } from '../simulate/useSimulatorState';

type Change = (change: (last: SimulatorState) => SimulatorState) => void;

interface Source {
  /** Those of the chosen kind: running or pasted. */
  manifests: Manifest[];
  base?: Manifest;
  running: Manifest[];
  error?: string;
}

function useSource(state: SimulatorState): Source {
  const { value: running, error: unread } = useLoad(runningManifests, []);
  const known = running !== undefined || unread !== undefined;
  const text = state.yaml ?? (known && (running ?? []).length === 0 ? exampleYaml : undefined);
  const { value: pasted, error: unreadable } = useLoad(async () => (text === undefined ? undefined : { text, manifests: await pastedManifests(text) }), [text]);
  const manifests = text === undefined ? (running ?? []) : (pasted?.manifests ?? []);
  const base = manifests.find((m) => nameOf(m.autoscaler) === state.hpa) ?? manifests[0];
  return { manifests, base, running: running ?? [], error: (text === undefined ? unread : unreadable) ?? undefined };
}

const pasting = '(YAML)';

function SourcePicker({ state, source, change }: { state: SimulatorState; source: Source; change: Change }) {
  const { running, manifests, base, error } = source;
  const pasted = state.yaml !== undefined || running.length === 0;
  const choose = (value: string) => {
    if (value === pasting) change((last) => ({ ...last, yaml: exampleYaml, moved: {}, up: undefined, down: undefined }));
    else change((last) => ({ load: last.load, moved: {}, hpa: value }));
  };
  return (
    <div className="source-picker">
      <label>
        Autoscaler{' '}
        <select aria-label="Autoscaler" value={pasted ? pasting : base && nameOf(base.autoscaler)} onChange={(event) => choose(event.target.value)}>
          {running.map(({ autoscaler }) => (
            <option key={nameOf(autoscaler)} value={nameOf(autoscaler)}>
              {autoscaler.metadata?.name} ({autoscaler.metadata?.namespace})
            </option>
          ))}
          <option value={pasting}>Pasted YAML</option>
        </select>
      </label>
      {pasted && (
        <textarea
          aria-label="YAML of the autoscaler, with its Deployment if there is one"
          spellCheck={false}
          rows={9}
          value={state.yaml ?? exampleYaml}
          aria-invalid={error !== undefined}
          onChange={(event) => change((last) => ({ ...last, yaml: event.target.value }))}
        />
      )}
      {pasted && manifests.length > 1 && (
        <select aria-label="Which of the autoscalers" value={base && nameOf(base.autoscaler)} onChange={(event) => change((last) => ({ ...last, hpa: event.target.value }))}>
          {manifests.map(({ autoscaler }) => (
            <option key={nameOf(autoscaler)}>{nameOf(autoscaler)}</option>
          ))}
        </select>
      )}
      {error && (
        <p className="notice error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

interface ControlsProps {
  base: Manifest;
  state: SimulatorState;
  change: Change;
  segments: EditableSegment[];
}

function Controls({ base, state, change, segments }: ControlsProps) {
  const sliders = useMemo(() => slidersOf(base), [base]);
  const manifest = useMemo(() => changedManifest(base, state), [base, state]);
  const move = (name: string, value: number | undefined) =>
    change((last) => {
      const { [name]: _old, ...moved } = last.moved;
      return { ...last, moved: value === undefined ? moved : { ...moved, [name]: value } };
    });
  return (
    <>
      {sliderGroups.map((group) => (
        <details key={group} className="control-group" open>
          <summary>{group}</summary>
          {group === 'Load' && <LoadEditor segments={segments} chosen={state.load.length > 0} rest={restRate(base, state)} onChange={(load) => change((last) => ({ ...last, load }))} />}
          <SliderGroup sliders={sliders.filter((s) => s.group === group)} base={base} moved={state.moved} onMove={move} />
          {group === 'Autoscaler' &&
            (['up', 'down'] as Direction[]).map((direction) => (
              <PolicyEditor
                key={direction}
                direction={direction}
                rules={rulesOf(manifest, direction)}
                changed={state[direction] !== undefined}
                onChange={(rules) => change((last) => ({ ...last, [direction]: rules }))}
              />
            ))}
        </details>
      ))}
    </>
  );
}

export default function SimulatePage() {
  usePageDefaults(undefined, 'off');
  const [state, change] = useSimulatorState();
  const source = useSource(state);
  const { base } = source;
  const request = useMemo(() => base && requestOf(base, state), [base, state]);
  const { report, error, pending, tookMs } = useSimulation(request);
  const segments = state.load.length > 0 ? state.load : ((report?.load.segments ?? []).filter((s) => s.kind !== 'recorded') as EditableSegment[]);
  const changed = Object.keys(state.moved).length > 0 || state.up !== undefined || state.down !== undefined;
  const queued = base !== undefined && isQueued(base, state.moved.partitions);
  return (
    <div className="page simulate">
      <div className="page-head">
        <h1>Scaling simulator</h1>
        <span className="muted">What an autoscaler would do under a load, in virtual time, by the same decisions as the live one.</span>
        <Link href="/scaling" className="head-link">
          Scaling
        </Link>
        <button type="button" className="button" disabled={!changed && state.load.length === 0} onClick={() => change((last) => ({ hpa: last.hpa, yaml: last.yaml, load: [], moved: {} }))}>
          Put all back
        </button>
      </div>
      <div className="simulator">
        <aside className="card controls" aria-label="Controls">
          <SourcePicker state={state} source={source} change={change} />
          {base && <Controls base={base} state={state} change={change} segments={segments} />}
        </aside>
        <div className="simulated-main" data-pending={pending}>
          {error && (
            <div className="notice error" role="alert">
              {error}
            </div>
          )}
          {report && (
            <>
              <VerdictBar report={report} pending={pending} tookMs={tookMs} />
              <section className="card" aria-label="Timeline">
                <Timeline report={report} queued={queued} />
                <Sums report={report} queued={queued} />
              </section>
            </>
          )}
        </div>
        <div className="simulated-rest">
          {report && (
            <>
              <Notes report={report} />
              <Changes report={report} />
              <Scalings report={report} />
            </>
          )}
          {base && <ResultYaml manifest={changedManifest(base, state)} changed={changed} />}
        </div>
      </div>
    </div>
  );
}
