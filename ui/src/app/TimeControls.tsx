/** The header's time range picker, zoom out and refresh. They change the URL only; see time.ts. */
import { useState } from 'react';
import { describeRange, formatAbsolute, isRange, parseTime, quickRanges, type RawRange } from '../time/range';
import { Icon } from './icons';
import { Popover } from './Popover';
import { setParameters } from './router';
import { refreshIntervals, refreshNow, setRange, useRawRange, useRefreshInterval, useTimeRange, zoomOutFrom } from './time';

const editable = (text: string) => (/^\d+$/.test(text) ? formatAbsolute(Number(text)) : text);

/** Absolute times become milliseconds in the URL, relative ones stay as they are. */
function urlTime(text: string, roundUp: boolean): string | undefined {
  const trimmed = text.trim();
  const ms = parseTime(trimmed, Date.now(), roundUp);
  if (ms === undefined) return undefined;
  return trimmed.startsWith('now') ? trimmed : String(ms);
}

function AbsoluteRange({ raw, close }: { raw: RawRange; close: () => void }) {
  const [from, setFrom] = useState(editable(raw.from));
  const [to, setTo] = useState(editable(raw.to));
  const start = urlTime(from, false);
  const end = urlTime(to, true);
  const reversed = start !== undefined && end !== undefined && !isRange({ from: start, to: end }, Date.now());
  const apply = () => {
    if (start === undefined || end === undefined || reversed) return;
    setRange({ from: start, to: end });
    close();
  };
  return (
    <form
      className="absolute-range"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <label>
        From
        <input value={from} onChange={(e) => setFrom(e.target.value)} aria-invalid={start === undefined} spellCheck={false} />
      </label>
      <label>
        To
        <input value={to} onChange={(e) => setTo(e.target.value)} aria-invalid={end === undefined || reversed} spellCheck={false} />
      </label>
      <p className="hint">{reversed ? 'The end has to be after the start.' : 'now-6h, now/d, or 2026-01-31 12:00:00'}</p>
      <button type="submit" className="button primary" disabled={start === undefined || end === undefined || reversed}>
        Apply range
      </button>
    </form>
  );
}

export function TimeControls() {
  const raw = useRawRange();
  const range = useTimeRange();
  const refresh = useRefreshInterval();
  return (
    <div className="time-controls" role="group" aria-label="Time">
      <Popover
        align="right"
        title="Time range"
        className="time-picker"
        label={
          <>
            <Icon name="clock" />
            <span>{describeRange(raw)}</span>
            <Icon name="chevron" size={12} />
          </>
        }
      >
        {(close) => (
          <div className="time-popover">
            <AbsoluteRange raw={raw} close={close} />
            <ul className="quick-ranges" aria-label="Quick ranges">
              {quickRanges.map((q) => (
                <li key={q.label}>
                  <button
                    type="button"
                    className="menu-item"
                    aria-current={q.from === raw.from && q.to === raw.to}
                    onClick={() => {
                      setRange(q);
                      close();
                    }}
                  >
                    {q.label}
                  </button>
                </li>
              ))}
            </ul>
          </div>
        )}
      </Popover>
      <button type="button" className="button icon-button" aria-label="Zoom out" title="Zoom out" onClick={() => zoomOutFrom(range)}>
        <Icon name="zoomOut" />
      </button>
      <div className="button-group">
        <button type="button" className="button icon-button" aria-label="Refresh" title="Refresh" onClick={refreshNow}>
          <Icon name="refresh" />
        </button>
        <select
          className="button"
          aria-label="Refresh interval"
          title="Refresh interval"
          value={refreshIntervals.includes(refresh) ? refresh : 'off'}
          onChange={(event) => setParameters({ refresh: event.target.value }, { replace: true })}
        >
          {refreshIntervals.map((interval) => (
            <option key={interval}>{interval}</option>
          ))}
        </select>
      </div>
    </div>
  );
}
