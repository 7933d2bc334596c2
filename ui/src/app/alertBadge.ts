/**
 * How many alerts fire that nobody has silenced, for the navigation. Asked a moment after the page has begun, so that it delays nothing, and at every refresh.
 * A server without rules has none; what fails is not shown here: the page of alerts says it.
 */
import { useEffect } from 'react';
import { Store, useStore } from './store';
import { useTick } from './time';

const firing = new Store(0);
const pauseMs = 600;

async function countFiring(): Promise<number> {
  const [{ activeAlerts }, { managedAlerts }, { countAttention }] = await Promise.all([import('../api/rules'), import('../api/alertmanager'), import('../alerts/model')]);
  const alerts = await activeAlerts();
  const anyFires = alerts.some((a) => a.state === 'firing' && a.labels.severity !== 'none');
  return anyFires ? countAttention(alerts, await managedAlerts().catch(() => undefined)) : 0;
}

export function useFiring(): number {
  const tick = useTick();
  useEffect(() => {
    let current = true;
    const timer = window.setTimeout(() => {
      countFiring().then(
        (count) => current && firing.set(count),
        () => undefined,
      );
    }, pauseMs);
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [tick]);
  return useStore(firing);
}
