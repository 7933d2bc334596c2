/** The load as a list of segments, with presets. Input: the segments in use, those of the simulation itself while none were chosen. */
import { asKind, loadPresets, ratesOf, secondsOf, segmentKinds, segmentOf, type EditableSegment, type SegmentKind } from './load';

const names: Record<SegmentKind, [string, string]> = { constant: ['rate', ''], ramp: ['from', 'to'], spike: ['base', 'peak'], daily: ['low', 'high'] };
const most = 40;

function SegmentRow({ segment, name, onChange, onRemove }: { segment: EditableSegment; name: string; onChange: (segment: EditableSegment) => void; onRemove?: () => void }) {
  const rates = ratesOf(segment);
  const seconds = secondsOf(segment);
  const hour = segment.kind === 'daily' ? segment.peakHour : undefined;
  const change = (next: Partial<{ first: number; second: number; seconds: number }>) => {
    const { first = rates[0], second = rates[1], seconds: length = seconds } = next;
    if ([first, second, length].every((n) => Number.isFinite(n) && n >= 0) && length > 0) onChange(segmentOf(segment.kind, [first, second], length, hour));
  };
  const [first, second] = names[segment.kind];
  return (
    <li>
      <select aria-label={`${name}, kind`} value={segment.kind} onChange={(event) => onChange(asKind(segment, event.target.value as SegmentKind))}>
        {Object.entries(segmentKinds).map(([kind, label]) => (
          <option key={kind} value={kind}>
            {label}
          </option>
        ))}
      </select>
      <input type="number" min={0} step="any" aria-label={`${name}, ${first} per second`} title={`${first}, per second`} value={rates[0]} onChange={(event) => change({ first: event.target.valueAsNumber })} />
      {second ? (
        <>
          <span className="muted">→</span>
          <input type="number" min={0} step="any" aria-label={`${name}, ${second} per second`} title={`${second}, per second`} value={rates[1]} onChange={(event) => change({ second: event.target.valueAsNumber })} />
        </>
      ) : null}
      <span className="muted">/s for</span>
      <input type="number" min={1} step="any" aria-label={`${name}, seconds`} title="seconds" value={seconds} onChange={(event) => change({ seconds: event.target.valueAsNumber })} />
      <span className="muted">s</span>
      {onRemove && (
        <button type="button" className="slider-back" aria-label={`Remove ${name}`} onClick={onRemove}>
          ×
        </button>
      )}
    </li>
  );
}

export function LoadEditor({ segments, chosen, rest, onChange }: { segments: EditableSegment[]; chosen: boolean; rest: number; onChange: (segments: EditableSegment[]) => void }) {
  const last = segments.at(-1);
  const wanted = JSON.stringify(segments);
  return (
    <div className="load-editor">
      <div className="presets" role="group" aria-label="Loads">
        <button type="button" aria-pressed={!chosen} onClick={() => onChange([])}>
          Fitting step
        </button>
        {loadPresets.map((preset) => (
          <button key={preset.name} type="button" aria-pressed={chosen && JSON.stringify(preset.segments(rest)) === wanted} onClick={() => onChange(preset.segments(rest))}>
            {preset.name}
          </button>
        ))}
      </div>
      <ol className="segment-list" aria-label="Segments of the load">
        {segments.map((segment, i) => (
          <SegmentRow
            key={i}
            segment={segment}
            name={`Segment ${i + 1}`}
            onChange={(next) => onChange(segments.map((s, at) => (at === i ? next : s)))}
            onRemove={segments.length > 1 ? () => onChange(segments.filter((_s, at) => at !== i)) : undefined}
          />
        ))}
      </ol>
      {segments.length < most && (
        <button type="button" className="text-button" onClick={() => onChange([...segments, segmentOf('constant', [last ? ratesOf(last)[1] : rest, 0], 300)])}>
          Add a segment
        </button>
      )}
    </div>
  );
}
