/** The keys of the trace page. Letters work everywhere outside fields; the arrows only in the tree, so that they scroll the page elsewhere. */
import { useEffect, useRef } from 'react';

export type TraceAction = 'next' | 'previous' | 'first' | 'last' | 'expand' | 'collapse' | 'open' | 'find' | 'nextMatch' | 'previousMatch' | 'nextError' | 'zoomIn' | 'zoomOut' | 'zoomAll' | 'collapseAll' | 'expandAll' | 'leave';

const letters: Record<string, TraceAction> = {
  j: 'next',
  k: 'previous',
  l: 'expand',
  h: 'collapse',
  o: 'open',
  '/': 'find',
  n: 'nextMatch',
  N: 'previousMatch',
  e: 'nextError',
  '+': 'zoomIn',
  '=': 'zoomIn',
  '-': 'zoomOut',
  '0': 'zoomAll',
  C: 'collapseAll',
  E: 'expandAll',
  Escape: 'leave',
};

const inTree: Record<string, TraceAction> = {
  ArrowDown: 'next',
  ArrowUp: 'previous',
  ArrowRight: 'expand',
  ArrowLeft: 'collapse',
  Enter: 'open',
  ' ': 'open',
  Home: 'first',
  End: 'last',
};

/** What the help lists. */
export const keyHelp: [string, string][] = [
  ['j k ↓ ↑', 'next and previous span'],
  ['l h → ←', 'show or hide what is below, or go to the parent'],
  ['o Enter', 'details of the span'],
  ['/', 'find in the trace'],
  ['n N', 'next and previous match'],
  ['e', 'next span with an error'],
  ['+ − 0', 'zoom to the span, out, whole trace'],
  ['C E', 'collapse or expand all'],
];

export function actionOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>, place: 'field' | 'tree' | 'control' | 'page'): TraceAction | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || place === 'field') return undefined;
  if (place === 'tree' && event.key in inTree) return inTree[event.key];
  return letters[event.key];
}

function placeOf(target: EventTarget | null): 'field' | 'tree' | 'control' | 'page' {
  if (!(target instanceof Element)) return 'page';
  if (target.closest('input, select, textarea, [contenteditable]')) return 'field';
  if (target.closest('button, a, summary')) return 'control';
  return target.closest('[role=tree]') ? 'tree' : 'page';
}

export function useTraceKeys(act: (action: TraceAction) => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const action = event.defaultPrevented ? undefined : actionOf(event, placeOf(event.target));
      if (!action) return;
      event.preventDefault();
      latest.current(action);
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
}
