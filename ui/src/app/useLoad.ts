/**
 * Loads something asynchronously for a component: cancels when the inputs change, keeps the last value while a newer one is on its way.
 */
import { useEffect, useState } from 'react';
import { errorText, isAbort } from '../api/http';

export interface Loaded<T> {
  value?: T;
  error?: string;
  loading: boolean;
}

export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, inputs: unknown[]): Loaded<T> {
  const [state, setState] = useState<Loaded<T>>({ loading: true });
  useEffect(() => {
    const controller = new AbortController();
    setState((last) => ({ ...last, loading: true }));
    load(controller.signal).then(
      (value) => {
        if (!controller.signal.aborted) setState({ value, loading: false });
      },
      (error: unknown) => {
        if (!controller.signal.aborted && !isAbort(error)) setState((last) => ({ value: last.value, error: errorText(error), loading: false }));
      },
    );
    return () => controller.abort();
  }, inputs);
  return state;
}
