/**
 * Asks for a dashboard's data while the code that draws it is still loading: the JSON, the variables, the panels' queries. The page asks for the same again and
 * gets these answers (api/early.ts). Nothing depends on it: a failure here is found and shown by the page.
 */
import { startNow } from '../api/early';
import { loadDashboard } from '../api/grafana';
import { boxOf, layoutPanels } from '../grafana/layout';
import { chosenIn, repeatValuesOf, resolveVariables, valuesOf } from '../grafana/variables';
import { asksQueries, fetchPanel, QueryShare } from '../panels/fetch';
import { defaultRange, rawRangeOf, resolveRange } from '../time/range';

/** Left and right of the grid together, as in layout.css. */
const pagePadding = 32;

export async function askAhead(uid: string, url: URL): Promise<void> {
  const dashboard = await loadDashboard(uid);
  const range = resolveRange(rawRangeOf(url, dashboard.time ?? defaultRange, startNow), startNow);
  const models = dashboard.templating?.list ?? [];
  const variables = valuesOf(await resolveVariables({ models, range, fromUrl: chosenIn(url) }), range);
  const cells = layoutPanels(dashboard.panels ?? [], repeatValuesOf(variables), new Set());
  const share = new QueryShare(new AbortController().signal);
  const width = document.documentElement.clientWidth - pagePadding;
  await Promise.allSettled(
    cells
      .filter(({ panel }) => asksQueries(panel))
      .map(({ panel, scoped, pos }) => fetchPanel({ panel, scope: { variables, scoped }, range, width: boxOf(pos, width).width }, share)),
  );
}
