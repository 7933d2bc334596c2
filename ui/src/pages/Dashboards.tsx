/** The list of dashboards the server has, by folder, with a filter. */
import { useState } from 'react';
import { searchDashboards, type DashboardHit } from '../api/grafana';
import { Link } from '../app/router';
import { useLoad } from '../app/useLoad';

function Hit({ hit }: { hit: DashboardHit }) {
  return (
    <li>
      <Link href={`/d/${encodeURIComponent(hit.uid)}`} className="dashboard-link">
        <span>{hit.title}</span>
        <span className="tags">
          {(hit.tags ?? []).map((tag) => (
            <span key={tag} className="tag">
              {tag}
            </span>
          ))}
        </span>
      </Link>
    </li>
  );
}

export default function Dashboards() {
  const { value, error, loading } = useLoad((signal) => searchDashboards(signal), []);
  const [filter, setFilter] = useState('');
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = (value ?? []).filter((hit) => {
    const text = [hit.title, hit.folderTitle, ...(hit.tags ?? [])].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const folders = [...new Set(shown.map((hit) => hit.folderTitle ?? 'General'))].sort();
  return (
    <div className="page narrow">
      <div className="page-head">
        <h1>Dashboards</h1>
        <input
          type="search"
          placeholder="Filter by title or tag"
          aria-label="Filter dashboards"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
      </div>
      {error && (
        <div className="notice error" role="alert">
          The dashboards could not be listed: {error}
        </div>
      )}
      {!loading && !error && shown.length === 0 && (
        <p className="empty">
          {filter ? `No dashboard matches “${filter}”.` : 'No dashboards. They are read from ConfigMaps labelled grafana_dashboard: "1".'}
        </p>
      )}
      {folders.map((folder) => (
        <section key={folder} className="card">
          <h2>{folder}</h2>
          <ul className="dashboard-list">
            {shown
              .filter((hit) => (hit.folderTitle ?? 'General') === folder)
              .map((hit) => (
                <Hit key={hit.uid} hit={hit} />
              ))}
          </ul>
        </section>
      ))}
    </div>
  );
}
