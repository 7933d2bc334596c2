/** Runs a simulation for each request, a moment after the last change; a newer request cancels the one under way. The last report stays until the next. */
import { useEffect, useState } from 'react';
import { errorText, isAbort } from '../api/http';
import { simulate, type SimulationReport, type SimulationRequest } from '../api/simulation';

export const pauseMs = 50;

export interface Simulated {
  report?: SimulationReport;
  error?: string;
  /** A newer report is on its way. */
  pending: boolean;
  /** From the request to the report; milliseconds. */
  tookMs?: number;
}

export function useSimulation(request: SimulationRequest | undefined): Simulated {
  const [state, setState] = useState<Simulated>({ pending: true });
  const body = request && JSON.stringify(request);
  useEffect(() => {
    if (body === undefined) return undefined;
    const controller = new AbortController();
    setState((last) => ({ ...last, pending: true }));
    const timer = window.setTimeout(() => {
      const began = performance.now();
      simulate(JSON.parse(body) as SimulationRequest, controller.signal).then(
        (report) => {
          if (!controller.signal.aborted) setState({ report, pending: false, tookMs: performance.now() - began });
        },
        (error: unknown) => {
          if (!controller.signal.aborted && !isAbort(error)) setState((last) => ({ report: last.report, error: errorText(error), pending: false }));
        },
      );
    }, pauseMs);
    return () => {
      window.clearTimeout(timer);
      controller.abort();
    };
  }, [body]);
  return state;
}
