/** Renders the shell, once the page's chunk is there. */
import { createRoot } from 'react-dom/client';
import { Shell } from './Shell';

export function start(): void {
  const root = document.getElementById('root');
  if (!root) throw new Error('index.html has no element with id "root"');
  createRoot(root).render(<Shell />);
}
