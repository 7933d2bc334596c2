/**
 * The first seconds of a page. What main.ts asks for ahead, while the page's code is still loading, is asked again by the page itself with the same
 * arguments; `early` gives the same answer to both. Later, every call asks anew. `startNow` is what "now" means in those seconds, so that both
 * ask for the same times.
 */
const phaseMs = 3000;

const answers = new Map<string, Promise<unknown>>();

export const startNow = Date.now();

const inPhase = (): boolean => Date.now() - startNow < phaseMs;

export const pageNow = (): number => (inPhase() ? startNow : Date.now());

/** A shared answer is nobody's to cancel: `ask` gets the signal only when it asks for one caller. */
export function early<T>(key: string, signal: AbortSignal | undefined, ask: (signal?: AbortSignal) => Promise<T>): Promise<T> {
  if (!inPhase()) {
    answers.clear();
    return ask(signal);
  }
  const known = answers.get(key);
  if (known) return known as Promise<T>;
  const answer = ask();
  answers.set(key, answer);
  // a failed answer is not kept
  answer.catch(() => answers.delete(key));
  return answer;
}
