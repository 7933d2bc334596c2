/** What every panel type receives. */
import type { PanelModel } from '../grafana/model';
import type { ColorTheme } from '../grafana/theme';
import type { PanelResult } from './fetch';
import type { DataFrame } from '@grafana/data';

export interface PanelProps {
  /** Title, text and display names already have their variables replaced. */
  panel: PanelModel;
  result: PanelResult;
  /** After transformations; undefined where the panel has none and reads the result itself. */
  frames: DataFrame[];
  theme: ColorTheme;
  /** Pixels inside the panel's padding. */
  width: number;
  height: number;
  syncKey: string;
  sharedTooltip: boolean;
  onDrawn: () => void;
  /** Replaces variables in a text. */
  interpolate: (text: string) => string;
}
