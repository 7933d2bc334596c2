/** Entry: loads the page's chunk, then renders the shell with it. */
import { createRoot } from 'react-dom/client';
import { startLoading } from './app/pages';
import { Shell } from './app/Shell';
import './styles/base.css';
import './styles/layout.css';
import './styles/dashboard.css';
import './styles/pages.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element with id "root"');
const render = () => createRoot(root).render(<Shell />);
// a chunk that cannot be loaded is reported by the shell, which tries it again
void startLoading(window.location.pathname).then(render, render);
