/**
 * The box around a panel: title, description, warnings, loading bar, and the error where a query failed. Draws its content only once the panel has
 * come near the visible part of the page. Input: the panel's place and the store of its state.
 */
import { Component, memo, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { errorText } from '../api/http';
import { Icon } from '../app/icons';
import { Store, useStore } from '../app/store';
import { interpolateText, type Scope } from '../grafana/interpolate';
import type { Box, Cell } from '../grafana/layout';
import type { PanelModel } from '../grafana/model';
import type { ColorTheme } from '../grafana/theme';
import { panelComponent } from './registry';
import type { PanelState } from './run';

const titleHeight = 28;
const padding = 8;

/** A narrower panel has a smaller title, on two lines where it needs them. */
const smallWidth = 200;

class PanelGuard extends Component<{ children: ReactNode; onDrawn: () => void }, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch() {
    this.props.onDrawn();
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <PanelError text={`this panel failed to draw: ${errorText(this.state.error)}`} onDrawn={this.props.onDrawn} />;
  }
}

function PanelError({ text, onDrawn }: { text: string; onDrawn: () => void }) {
  useEffect(onDrawn);
  return (
    <div className="panel-message error" role="alert">
      <Icon name="warning" size={18} />
      <span>{text}</span>
    </div>
  );
}

/** True from when the element first comes near the viewport. Judged at once from its place, then by an observer. */
function useNearViewport(top: number, offset: number): [boolean, React.RefObject<HTMLElement | null>] {
  const element = useRef<HTMLElement>(null);
  const [near, setNear] = useState(() => offset + top < window.scrollY + window.innerHeight);
  useEffect(() => {
    if (near || !element.current) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true);
      },
      { rootMargin: '240px' },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [near]);
  return [near, element];
}

export interface PanelFrameProps {
  cell: Cell;
  box: Box;
  /** Where the grid starts on the page, in pixels. */
  offset: number;
  state: Store<PanelState>;
  scope: Scope;
  theme: ColorTheme;
  syncKey: string;
  sharedTooltip: boolean;
  onDrawn: (key: string) => void;
}

function Title({ panel, state }: { panel: PanelModel; state: PanelState }) {
  const notices = state.result?.notices ?? [];
  return (
    <header className="panel-title">
      <h2 title={panel.title}>{panel.title}</h2>
      {panel.description && (
        <span className="panel-hint" title={panel.description} aria-label={panel.description} role="note" tabIndex={0}>
          <Icon name="info" size={13} />
        </span>
      )}
      {notices.length > 0 && (
        <span className="panel-hint warn" title={notices.join('\n')} aria-label={notices.join('. ')} role="note" tabIndex={0}>
          <Icon name="warning" size={13} />
        </span>
      )}
      {(panel.timeFrom || panel.timeShift) && <span className="panel-time">{panel.timeFrom ? `Last ${panel.timeFrom}` : `${panel.timeShift} earlier`}</span>}
    </header>
  );
}

export const PanelFrame = memo(function PanelFrame(props: PanelFrameProps) {
  const { cell, box, offset, state: store, scope, theme, onDrawn } = props;
  const state = useStore(store);
  const [near, element] = useNearViewport(box.top, offset);
  const drawn = useCallback(() => onDrawn(cell.key), [onDrawn, cell.key]);
  const interpolate = useCallback((text: string) => interpolateText(text, scope), [scope]);
  const panel = useMemo(() => {
    const replaced = (text: string | undefined) => text && interpolate(text);
    return { ...cell.panel, title: replaced(cell.panel.title), description: replaced(cell.panel.description) };
  }, [cell.panel, interpolate]);
  const Body = panelComponent(panel.type);
  const titled = Boolean(panel.title);
  const { result, frames } = state;
  return (
    <section
      ref={element}
      className={`panel ${panel.transparent ? 'transparent' : ''} ${titled ? '' : 'untitled'} ${box.width < smallWidth ? 'small' : ''}`}
      style={{ left: box.left, top: box.top, width: box.width, height: box.height }}
      aria-label={panel.title || panel.type}
      aria-busy={state.loading}
      data-panel-type={panel.type}
      data-state={state.error ? 'error' : result ? 'done' : 'loading'}
    >
      {state.loading && result === undefined && <div className="panel-loading" />}
      {(titled || Boolean(panel.description)) && <Title panel={panel} state={state} />}
      <div className="panel-body">
        {state.error && <PanelError text={state.error} onDrawn={drawn} />}
        {!state.error && near && result && frames && (
          <PanelGuard onDrawn={drawn} key={theme.name}>
            <Body
              panel={panel}
              result={result}
              frames={frames}
              theme={theme}
              width={box.width - 2 * padding}
              height={box.height - (titled ? titleHeight : 0) - 2 * padding}
              syncKey={props.syncKey}
              sharedTooltip={props.sharedTooltip}
              onDrawn={drawn}
              interpolate={interpolate}
            />
          </PanelGuard>
        )}
      </div>
    </section>
  );
});
