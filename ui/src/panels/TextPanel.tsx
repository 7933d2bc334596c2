/** The text panel: Markdown or HTML, made safe by Grafana's sanitizer, or plain code. The renderer is loaded when a dashboard has such a panel. */
import { useEffect, useState } from 'react';
import type { PanelProps } from './types';

export function TextPanel({ panel, interpolate, onDrawn }: PanelProps) {
  const { content = '', mode = 'markdown' } = (panel.options ?? {}) as { content?: string; mode?: string };
  const text = interpolate(content);
  const [html, setHtml] = useState<string | undefined>();
  useEffect(() => {
    let current = true;
    if (mode === 'code') onDrawn();
    else {
      void import('../grafana/markdown').then(({ renderText }) => {
        if (current) setHtml(renderText(text, mode));
      });
    }
    return () => {
      current = false;
    };
  }, [text, mode]);
  useEffect(() => {
    if (html !== undefined) onDrawn();
  }, [html]);
  if (mode === 'code') return <pre className="text-panel">{text}</pre>;
  return <div className="text-panel" dangerouslySetInnerHTML={{ __html: html ?? '' }} />;
}
