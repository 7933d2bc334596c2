/** The frame around every page: header with navigation, time, theme; the page itself is loaded when its route is opened. */
import { Component, type ReactNode } from 'react';
import { errorText } from '../api/http';
import { useFiring } from './alertBadge';
import { Icon } from './icons';
import { Link, useUrl } from './router';
import { toggleTheme, useTheme } from './theme';
import { useRangeRepair, useRefreshLoop } from './time';
import { TimeControls } from './TimeControls';
import { routeOf } from './routes';
import { usePage } from './usePage';

const sections = [
  { href: '/', label: 'Overview', owns: (path: string) => path === '/' },
  { href: '/alerts', label: 'Alerts', owns: (path: string) => path.startsWith('/alerts') || path.startsWith('/runbooks') },
  { href: '/dashboards', label: 'Dashboards', owns: (path: string) => path.startsWith('/dashboards') || path.startsWith('/d/') },
  { href: '/explore', label: 'Explore', owns: (path: string) => path.startsWith('/explore') },
  { href: '/traces', label: 'Traces', owns: (path: string) => path.startsWith('/trace') },
  { href: '/services', label: 'Services', owns: (path: string) => path.startsWith('/services') },
  { href: '/slos', label: 'SLOs', owns: (path: string) => path.startsWith('/slos') },
  { href: '/scaling', label: 'Scaling', owns: (path: string) => path.startsWith('/scaling') },
  { href: '/targets', label: 'Targets', owns: (path: string) => path.startsWith('/targets') },
];

function Page({ path }: { path: string }) {
  const { page, uid, hint } = routeOf(path);
  const shown = usePage(page);
  if (page === undefined) {
    return (
      <div className="page narrow">
        <h1>There is no page at {path}</h1>
        {hint && <p>{hint}</p>}
        <p>
          Go to the <Link href="/">overview</Link>.
        </p>
      </div>
    );
  }
  if (!shown) return <div className="page" aria-busy="true" />;
  return <shown.Component key={`${shown.page} ${uid}`} uid={uid} />;
}

/** A page that fails to render says so instead of leaving the window empty. */
class Guard extends Component<{ children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return (
      <div className="page narrow">
        <div className="notice error" role="alert">
          <strong>This page failed to draw.</strong> {errorText(this.state.error)}
        </div>
      </div>
    );
  }
}

function ThemeToggle() {
  const { name } = useTheme();
  const label = name === 'dark' ? 'Use the light theme' : 'Use the dark theme';
  return (
    <button type="button" className="button icon-button" aria-label={label} title={label} onClick={toggleTheme}>
      <Icon name={name === 'dark' ? 'sun' : 'moon'} />
    </button>
  );
}

function FiringBadge() {
  const firing = useFiring();
  if (firing === 0) return null;
  return (
    <span className="nav-badge" title={`${firing} firing`}>
      {firing}
      <span className="visually-hidden"> firing</span>
    </span>
  );
}

function Header({ path }: { path: string }) {
  return (
    <header className="header">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <Link href="/" className="brand" aria-label="tidewatch, overview">
        <img src="/favicon.svg" alt="" width="22" height="22" />
        tidewatch
      </Link>
      <nav aria-label="Sections">
        {sections.map(({ href, label, owns }) => (
          <Link key={href} href={href} aria-current={owns(path) ? 'page' : undefined}>
            {label}
            {href === '/alerts' && <FiringBadge />}
          </Link>
        ))}
      </nav>
      <div className="header-end">
        <TimeControls />
        <ThemeToggle />
      </div>
    </header>
  );
}

export function Shell() {
  const path = useUrl().pathname.replace(/(.)\/$/, '$1');
  useRefreshLoop();
  useRangeRepair();
  return (
    <>
      <Header path={path} />
      <main id="main" tabIndex={-1}>
        <Guard key={path}>
          <Page path={path} />
        </Guard>
      </main>
    </>
  );
}
