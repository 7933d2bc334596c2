/**
 * The scalings and firing alerts that every time series panel of a dashboard shows. Input: the annotations API and the dashboard's time range. Output: what charts draw, given
 * to the panels by context, so that they come when they come: no panel waits for them.
 */
import { createContext } from 'react';
import type { Annotation } from '../api/annotations';
import type { ChartAnnotation } from '../charts/model';
import type { ColorTheme } from '../grafana/theme';

export const PanelAnnotations = createContext<ChartAnnotation[]>([]);

/** The alert that an annotation tells of, or the part of the scaling page that it belongs to. */
export function annotationHref({ tags = [] }: Annotation): string | undefined {
  const [kind, namespace, workload] = tags;
  if (kind === 'alert' && namespace) return `/alerts?q=${encodeURIComponent(`alertname=${namespace}`)}`;
  return kind === 'scaling' && namespace && workload ? `/scaling?workload=${encodeURIComponent(`${namespace}/${workload}`)}` : undefined;
}

export const isAlert = ({ tags }: Annotation): boolean => tags?.[0] === 'alert';

export function chartAnnotations(all: Annotation[], theme: ColorTheme): ChartAnnotation[] {
  return all.map((annotation) => ({
    timeMs: annotation.time,
    name: '',
    text: annotation.text,
    color: theme.color(isAlert(annotation) ? 'red' : 'blue'),
    ...(isAlert(annotation) && annotation.timeEnd && annotation.timeEnd > annotation.time ? { endMs: annotation.timeEnd } : {}),
    href: annotationHref(annotation),
  }));
}
