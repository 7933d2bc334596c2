/** The simulator's state: at once in the page, a moment later in the address, which it follows when that changes from outside (back, a link). */
import { useCallback, useEffect, useRef, useState } from 'react';
import { navigate, useUrl } from '../app/router';
import { readState, writeState, type SimulatorState } from './state';

/** Browsers refuse too many changes of the address. */
const pauseMs = 250;

export function useSimulatorState(): [SimulatorState, (change: (last: SimulatorState) => SimulatorState) => void] {
  const url = useUrl();
  const search = url.searchParams.toString();
  const [state, setState] = useState(() => readState(url.searchParams));
  const written = useRef(search);
  useEffect(() => {
    if (search === written.current) return;
    written.current = search;
    setState(readState(new URLSearchParams(search)));
  }, [search]);
  const wanted = writeState(state).toString();
  useEffect(() => {
    if (wanted === writeState(readState(new URLSearchParams(written.current))).toString()) return undefined;
    const timer = window.setTimeout(() => {
      written.current = wanted;
      navigate(`/scaling/simulate${wanted && `?${wanted}`}`, { replace: true });
    }, pauseMs);
    return () => window.clearTimeout(timer);
  }, [wanted]);
  return [state, useCallback((change) => setState(change), [])];
}
