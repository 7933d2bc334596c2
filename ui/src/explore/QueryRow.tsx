/** One query of explore: its editor, and what is wrong with it. The editor's code is loaded when the first row appears. */
import { useEffect, useRef } from 'react';
import { Icon } from '../app/icons';
import type { PromqlEditor } from './editor';

export interface QueryRowProps {
  letter: string;
  text: string;
  error?: string;
  notices: string[];
  onChange: (text: string) => void;
  onRun: () => void;
  onRemove?: () => void;
  /** Called with the editor when it is there, and when it gets the focus. */
  onFocus: (editor: PromqlEditor) => void;
  autoFocus: boolean;
}

export function QueryRow(props: QueryRowProps) {
  const { letter, text, error, notices, onRemove } = props;
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<PromqlEditor | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    let gone = false;
    void import('./editor').then(({ createEditor }) => {
      if (gone || !host.current) return;
      editor.current = createEditor(host.current, {
        text: latest.current.text,
        label: `PromQL expression ${letter}`,
        onChange: (next) => latest.current.onChange(next),
        onRun: () => latest.current.onRun(),
      });
      if (latest.current.autoFocus) editor.current.focus();
      latest.current.onFocus(editor.current);
    });
    return () => {
      gone = true;
      editor.current?.destroy();
    };
  }, []);
  useEffect(() => editor.current?.setText(text), [text]);
  return (
    <div>
      <div className="query">
        <span className="query-letter" aria-hidden="true">
          {letter}
        </span>
        <div className="editor" ref={host} onFocus={() => editor.current && props.onFocus(editor.current)} />
        {onRemove && (
          <button type="button" className="button icon-button" aria-label={`Remove query ${letter}`} title="Remove this query" onClick={onRemove}>
            <Icon name="close" />
          </button>
        )}
      </div>
      {error && (
        <div className="notice error query-note" role="alert">
          {error}
        </div>
      )}
      {notices.map((notice) => (
        <div key={notice} className="notice warn query-note" role="status">
          {notice}
        </div>
      ))}
    </div>
  );
}
