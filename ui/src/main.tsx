/** Entry: starts loading the page's chunk, then renders the shell. */
import { createRoot } from 'react-dom/client';
import { startLoading } from './app/pages';
import { Shell } from './app/Shell';
import './styles/base.css';
import './styles/layout.css';
import './styles/dashboard.css';

startLoading(window.location.pathname);

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element with id "root"');
createRoot(root).render(<Shell />);
