/** Prometheus's addresses of a graph, which notifications carry as the source of their alerts: leads on to explore with the same expressions. */
import { useEffect } from 'react';
import { navigate, useUrl } from '../app/router';
import { exploreHref } from '../alerts/links';

export default function GraphPage() {
  const { searchParams } = useUrl();
  const queries = [...searchParams].filter(([name]) => /^g\d+\.expr$/.test(name)).map(([, expr]) => expr);
  useEffect(() => navigate(queries.length > 0 ? exploreHref(...queries) : '/explore', { replace: true }), []);
  return null;
}
