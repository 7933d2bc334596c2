/**
 * A query parameter that changes with every key: the component has the value at once, the URL a moment after the last change, because browsers refuse
 * too many changes of the address. Follows the URL when it changes from outside.
 */
import { useEffect, useRef, useState } from 'react';
import { setParameters, useUrl } from './router';

const pauseMs = 250;

export function useLazyParameter(name: string): [string | null, (value: string | null) => void] {
  const inUrl = useUrl().searchParams.get(name);
  const [value, setValue] = useState(inUrl);
  const known = useRef(inUrl);
  useEffect(() => {
    if (inUrl === known.current) return;
    known.current = inUrl;
    setValue(inUrl);
  }, [inUrl]);
  useEffect(() => {
    if (value === known.current) return undefined;
    const timer = window.setTimeout(() => {
      known.current = value;
      setParameters({ [name]: value ?? undefined }, { replace: true });
    }, pauseMs);
    return () => window.clearTimeout(timer);
  }, [name, value]);
  return [value, setValue];
}
