/**
 * Entry, kept small: it asks for a dashboard's data and loads React and the page's chunk, all at the same time, then starts the page.
 */
import { askAhead } from './app/ahead';
import { loadPage, routeOf } from './app/routes';
import './styles/base.css';
import './styles/layout.css';
import './styles/dashboard.css';
import './styles/pages.css';

const { page, uid } = routeOf(window.location.pathname);
const nothing = () => undefined;

// what fails here is asked again, and then reported, by the page
if (page === '/d') void askAhead(uid, new URL(window.location.href)).catch(nothing);
const pageLoaded = page === undefined ? Promise.resolve() : loadPage(page).catch(nothing);

void Promise.all([import('./app/start'), pageLoaded]).then(([{ start }]) => start());
