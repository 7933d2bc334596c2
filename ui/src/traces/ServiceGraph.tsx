/** The services as boxes, callers left of what they call, and the calls as lines. A box or a line leads to its traces; the one under the pointer is put forward. */
import { useMemo, useState } from 'react';
import { Link } from '../app/router';
import { formatMicros } from './duration';
import { edgePath, layoutGraph, type PlacedEdge } from './graphLayout';
import { badShare, failedHelp, rateText, shareText } from './rates';
import { searchHref } from './searchState';
import type { ServiceEdge, ServiceMap, ServiceNode } from './serviceData';

const box = { nodeWidth: 196, nodeHeight: 58, layerGap: 120, nodeGap: 26 };

interface ServiceGraphProps {
  map: ServiceMap;
  range: { from: string; to: string };
  colorOf: (service: string) => string;
}

const widthOf = (edge: ServiceEdge, most: number): number => 1.2 + 3.3 * Math.sqrt((edge.rate ?? 0) / Math.max(most, 1e-9));

const callsText = (edge: ServiceEdge): string => (edge.rate === undefined ? `${edge.calls ?? 0} ${edge.calls === 1 ? 'call' : 'calls'}` : rateText(edge.rate));

/** In the middle of the longest gap that the edge crosses. */
function labelPlace({ points }: PlacedEdge): { x: number; y: number } {
  const at = Math.floor((points.length - 1) / 2);
  const a = points[at] ?? { x: 0, y: 0 };
  const b = points[at + 1] ?? a;
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

function NodeBox({ node, x, y, color, dimmed, href, onHover }: { node: ServiceNode; x: number; y: number; color: string; dimmed: boolean; href: string; onHover: (name: string | undefined) => void }) {
  const bad = (node.errors ?? 0) >= badShare;
  const label = `${node.name}: ${rateText(node.rate)}, ${shareText(node.errors)} errors, p95 ${node.p95 === undefined ? 'unknown' : formatMicros(node.p95)}`;
  const name = node.name.length > 24 ? `${node.name.slice(0, 23)}…` : node.name;
  return (
    <Link href={href} aria-label={`Traces of ${label}`} onMouseEnter={() => onHover(node.name)} onMouseLeave={() => onHover(undefined)} onFocus={() => onHover(node.name)} onBlur={() => onHover(undefined)}>
      <g className={`graph-node ${dimmed ? 'dimmed' : ''} ${bad ? 'failing' : ''}`} transform={`translate(${x - box.nodeWidth / 2} ${y - box.nodeHeight / 2})`}>
        <title>{label}</title>
        <rect width={box.nodeWidth} height={box.nodeHeight} rx="8" />
        <rect className="graph-stripe" width="5" height={box.nodeHeight - 16} x="8" y="8" rx="2.5" fill={color} />
        <text className="graph-name" x="22" y="24">
          {name}
        </text>
        {node.rate === undefined && node.p95 === undefined ? (
          <text className="graph-numbers" x="22" y="43">
            no numbers yet
          </text>
        ) : (
          <text className="graph-numbers" x="22" y="43">
            {rateText(node.rate)} · <tspan className={bad ? 'graph-bad' : ''}>{shareText(node.errors)}</tspan> · {node.p95 === undefined ? '–' : formatMicros(node.p95)}
          </text>
        )}
      </g>
    </Link>
  );
}

export function ServiceGraph({ map, range, colorOf }: ServiceGraphProps) {
  const [hovered, setHovered] = useState<string | undefined>();
  const [fitted, setFitted] = useState(false);
  const names = map.nodes.map((n) => n.name);
  // a refresh with the same services keeps their places
  const shape = JSON.stringify([names, map.edges.map((e) => [e.from, e.to])]);
  const layout = useMemo(() => layoutGraph(names, map.edges, box), [shape]);
  const edges = new Map(map.edges.map((e) => [`${e.from}\n${e.to}`, e]));
  const nodes = new Map(map.nodes.map((n) => [n.name, n]));
  const most = Math.max(0, ...map.edges.map((e) => e.rate ?? 0));
  const near = (edge: { from: string; to: string }) => edge.from === hovered || edge.to === hovered;
  const neighbours = new Set(layout.edges.filter(near).flatMap((e) => [e.from, e.to]));
  const crowded = layout.edges.length > 24;
  const large = layout.height > window.innerHeight - 260 || layout.width > window.innerWidth - 40;
  return (
    <>
      {large && (
        <div className="graph-bar">
          <label className="check">
            <input type="checkbox" checked={fitted} onChange={(event) => setFitted(event.target.checked)} />
            Fit into the window
          </label>
        </div>
      )}
      <div className="graph-scroll" tabIndex={0} role="group" aria-label={`Graph of ${names.length} services and ${layout.edges.length} calls`}>
        <svg className={large && fitted ? 'service-graph fitted' : 'service-graph'} width={layout.width} height={layout.height} viewBox={`0 0 ${layout.width} ${layout.height}`}>
          <defs>
            {['', 'bad'].map((kind) => (
              <marker key={kind} id={`arrow${kind}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">
                <path className={`graph-arrow ${kind}`} d="M0 0.5L7.5 4L0 7.5z" />
              </marker>
            ))}
          </defs>
          {layout.edges.map((placed) => {
            const edge = edges.get(`${placed.from}\n${placed.to}`);
            if (!edge) return null;
            const bad = (edge.errors ?? 0) >= badShare;
            const dimmed = hovered !== undefined && !near(placed);
            const text = `${placed.from} calls ${placed.to}: ${callsText(edge)}${edge.errors === undefined ? '' : `, ${shareText(edge.errors)} failed as either side sees it`}${edge.p95 === undefined ? '' : `, p95 ${formatMicros(edge.p95)}`}`;
            const line = edgePath(placed.points);
            return (
              <Link key={`${placed.from} ${placed.to}`} href={searchHref({ service: nodes.get(placed.to)?.tracedBy ?? placed.to }, range)} tabIndex={-1} aria-hidden="true">
                <g className={`graph-edge ${bad ? 'failing' : ''} ${dimmed ? 'dimmed' : ''} ${placed.back ? 'back' : ''}`}>
                  <title>{text}</title>
                  <path className="graph-touch" d={line} />
                  <path className="graph-line" d={line} strokeWidth={widthOf(edge, most)} markerEnd={`url(#arrow${bad ? 'bad' : ''})`} />
                </g>
              </Link>
            );
          })}
          {layout.edges.map((placed) => {
            const edge = edges.get(`${placed.from}\n${placed.to}`);
            const { x, y } = labelPlace(placed);
            if (!edge || (hovered === undefined ? crowded : !near(placed))) return null;
            return (
              <text key={`${placed.from} ${placed.to}`} className="graph-calls" x={x} y={y} textAnchor="middle" aria-hidden="true">
                {callsText(edge)}
                {(edge.errors ?? 0) >= badShare && <tspan className="graph-bad"> {shareText(edge.errors)}</tspan>}
              </text>
            );
          })}
          {layout.nodes.map(({ name, x, y }) => (
            <NodeBox
              key={name}
              node={nodes.get(name) as ServiceNode}
              x={x}
              y={y}
              color={colorOf(name)}
              dimmed={hovered !== undefined && hovered !== name && !neighbours.has(name)}
              href={searchHref({ service: nodes.get(name)?.tracedBy ?? name }, range)}
              onHover={setHovered}
            />
          ))}
        </svg>
      </div>
      {map.edges.some((e) => (e.errors ?? 0) >= badShare) && <p className="graph-legend muted">{failedHelp}</p>}
    </>
  );
}
