/** The alerts that the overview shows: those that fire and that nobody has silenced. Reads the rules and, where there is one, the Alertmanager. */
import { managedAlerts } from '../api/alertmanager';
import { isMissing } from '../api/http';
import { ruleGroups } from '../api/rules';
import { alertRows, wantsAttention, type AlertRow } from '../alerts/model';

export interface FiringSummary {
  firing: AlertRow[];
  pending: number;
  silenced: number;
}

/** Undefined where there are no alerting rules. */
export async function loadFiring(signal: AbortSignal): Promise<FiringSummary | undefined> {
  const [groups, managed] = await Promise.all([
    ruleGroups('alert', signal).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    }),
    managedAlerts([], signal).catch(() => undefined),
  ]);
  const rows = alertRows(groups, managed);
  if (rows.length === 0) return undefined;
  const count = (...states: AlertRow['state'][]) => rows.filter((row) => states.includes(row.state)).length;
  return { firing: rows.filter(wantsAttention), pending: count('pending'), silenced: count('silenced', 'inhibited') };
}
