/**
 * A layered drawing of a directed graph: callers left of what they call. Cycles are cut for the layers, long edges run through places of their own, the order
 * within a layer is improved by the middle of each node's neighbours. Input: names and edges. Output: places in pixels. Pure and deterministic.
 */
export interface GraphEdge {
  from: string;
  to: string;
}

export interface Point {
  x: number;
  y: number;
}

export interface PlacedNode extends Point {
  name: string;
  layer: number;
}

export interface PlacedEdge extends GraphEdge {
  /** From the right side of one box through the places between to the left side of the other. */
  points: Point[];
  /** Against the direction of the layers. */
  back: boolean;
}

export interface GraphLayout {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

export interface LayoutOptions {
  nodeWidth: number;
  nodeHeight: number;
  /** Between layers. */
  layerGap: number;
  /** Between boxes of a layer. */
  nodeGap: number;
}

/** A box, or the place where a long edge passes a layer. */
interface Vertex {
  name?: string;
  layer: number;
  before: number[];
  after: number[];
  y: number;
}

/** Edges that close a cycle, found depth first from the nodes that nobody calls. */
function backEdges(names: string[], edges: GraphEdge[]): Set<GraphEdge> {
  const out = new Map<string, GraphEdge[]>(names.map((name) => [name, []]));
  const called = new Set<string>();
  for (const edge of edges) {
    out.get(edge.from)?.push(edge);
    called.add(edge.to);
  }
  const back = new Set<GraphEdge>();
  const state = new Map<string, 'open' | 'done'>();
  const visit = (name: string): void => {
    state.set(name, 'open');
    for (const edge of out.get(name) ?? []) {
      if (state.get(edge.to) === 'open') back.add(edge);
      else if (!state.has(edge.to)) visit(edge.to);
    }
    state.set(name, 'done');
  };
  for (const name of [...names.filter((n) => !called.has(n)), ...names]) if (!state.has(name)) visit(name);
  return back;
}

/** The longest way from a node that nobody calls. */
function layersOf(names: string[], forward: GraphEdge[]): Map<string, number> {
  const waiting = new Map(names.map((name) => [name, 0]));
  for (const { to } of forward) waiting.set(to, (waiting.get(to) ?? 0) + 1);
  const layer = new Map(names.map((name) => [name, 0]));
  const ready = names.filter((name) => waiting.get(name) === 0);
  for (let name = ready.shift(); name !== undefined; name = ready.shift()) {
    for (const edge of forward) {
      if (edge.from !== name) continue;
      layer.set(edge.to, Math.max(layer.get(edge.to) ?? 0, (layer.get(name) ?? 0) + 1));
      const left = (waiting.get(edge.to) ?? 0) - 1;
      waiting.set(edge.to, left);
      if (left === 0) ready.push(edge.to);
    }
  }
  return layer;
}

interface Build {
  vertices: Vertex[];
  layers: number[][];
  /** The vertices an edge runs through, its ends included, left to right. */
  routes: Map<GraphEdge, number[]>;
}

function build(names: string[], edges: GraphEdge[], back: Set<GraphEdge>): Build {
  const turned = edges.map((edge) => ({ edge, from: back.has(edge) ? edge.to : edge.from, to: back.has(edge) ? edge.from : edge.to }));
  const layer = layersOf(names, turned);
  const vertices: Vertex[] = names.map((name) => ({ name, layer: layer.get(name) ?? 0, before: [], after: [], y: 0 }));
  const at = new Map(names.map((name, i) => [name, i]));
  const routes = new Map<GraphEdge, number[]>();
  for (const { edge, from, to } of turned) {
    const start = at.get(from) as number;
    const end = at.get(to) as number;
    const route = [start];
    for (let l = (vertices[start] as Vertex).layer + 1; l < (vertices[end] as Vertex).layer; l++) {
      route.push(vertices.length);
      vertices.push({ layer: l, before: [], after: [], y: 0 });
    }
    route.push(end);
    routes.set(edge, route);
    for (let i = 1; i < route.length; i++) {
      (vertices[route[i - 1] as number] as Vertex).after.push(route[i] as number);
      (vertices[route[i] as number] as Vertex).before.push(route[i - 1] as number);
    }
  }
  const layers: number[][] = [];
  vertices.forEach((v, i) => (layers[v.layer] ??= []).push(i));
  return { vertices, layers, routes };
}

const mean = (values: number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/** Orders every layer by the mean place of the neighbours, to the right and back, a few times. */
function order({ vertices, layers }: Build): void {
  const place = new Float64Array(vertices.length);
  const number = () => layers.forEach((layer) => layer.forEach((v, i) => (place[v] = i - layer.length / 2)));
  number();
  for (let round = 0; round < 12; round++) {
    const right = round % 2 === 0;
    for (const layer of right ? layers : [...layers].reverse()) {
      const key = new Map(
        layer.map((v) => {
          const vertex = vertices[v] as Vertex;
          const near = right ? vertex.before : vertex.after;
          return [v, near.length > 0 ? mean(near.map((n) => place[n] as number)) : (place[v] as number)];
        }),
      );
      layer.sort((a, b) => (key.get(a) as number) - (key.get(b) as number) || a - b);
      layer.forEach((v, i) => (place[v] = i - layer.length / 2));
    }
  }
}

const sizeOf = (vertex: Vertex, { nodeHeight, nodeGap }: LayoutOptions): number => (vertex.name === undefined ? nodeGap : nodeHeight + nodeGap);

/** Places each layer near the middle of its neighbours without changing the order, by pushing overlaps apart around the layer's own middle. */
function settle({ vertices, layers }: Build, options: LayoutOptions): void {
  for (const layer of layers) {
    let y = 0;
    for (const v of layer) {
      const vertex = vertices[v] as Vertex;
      vertex.y = y + sizeOf(vertex, options) / 2;
      y += sizeOf(vertex, options);
    }
    for (const v of layer) (vertices[v] as Vertex).y -= y / 2;
  }
  for (let round = 0; round < 8; round++) {
    const right = round % 2 === 0;
    for (const layer of right ? layers : [...layers].reverse()) {
      const wanted = layer.map((v) => {
        const vertex = vertices[v] as Vertex;
        const near = right ? vertex.before : vertex.after;
        return near.length > 0 ? mean(near.map((n) => (vertices[n] as Vertex).y)) : vertex.y;
      });
      spread(layer.map((v) => sizeOf(vertices[v] as Vertex, options)), wanted).forEach((y, i) => ((vertices[layer[i] as number] as Vertex).y = y));
    }
  }
}

/** Middles of boxes as near as possible to what is wanted, in the given order and without overlaps: overlapping ones form a block around their mean. */
export function spread(sizes: number[], wanted: number[]): number[] {
  const blocks: { first: number; size: number; count: number; sum: number }[] = [];
  const startOf = (b: (typeof blocks)[number]) => b.sum / b.count;
  sizes.forEach((size, i) => {
    // where the block would begin if this box alone decided
    blocks.push({ first: i, size, count: 1, sum: (wanted[i] as number) - size / 2 });
    for (let last = blocks.at(-1), above = blocks.at(-2); last && above && startOf(last) < startOf(above) + above.size; last = blocks.at(-1), above = blocks.at(-2)) {
      above.sum += last.sum - last.count * above.size;
      above.count += last.count;
      above.size += last.size;
      blocks.pop();
    }
  });
  const middles: number[] = [];
  for (const block of blocks) {
    let y = startOf(block);
    for (let i = block.first; i < block.first + block.count; i++) {
      middles.push(y + (sizes[i] as number) / 2);
      y += sizes[i] as number;
    }
  }
  return middles;
}

export function layoutGraph(names: string[], edges: GraphEdge[], options: LayoutOptions): GraphLayout {
  const known = [...new Set(names)].sort();
  const usable = edges.filter((e) => e.from !== e.to && known.includes(e.from) && known.includes(e.to));
  const back = backEdges(known, usable);
  const graph = build(known, usable, back);
  order(graph);
  settle(graph, options);
  const { nodeWidth, nodeHeight, layerGap } = options;
  const margin = 16;
  const lowest = Math.min(0, ...graph.vertices.map((v) => v.y)) - nodeHeight / 2 - margin;
  const x = (layer: number) => margin + layer * (nodeWidth + layerGap) + nodeWidth / 2;
  const y = (vertex: Vertex) => vertex.y - lowest;
  const nodes = graph.vertices.flatMap((v): PlacedNode[] => (v.name === undefined ? [] : [{ name: v.name, layer: v.layer, x: x(v.layer), y: y(v) }]));
  const placed = usable.map((edge): PlacedEdge => {
    const route = (graph.routes.get(edge) ?? []).map((i) => graph.vertices[i] as Vertex);
    const points = route.flatMap((v, i): Point[] => {
      const middle = { x: x(v.layer), y: y(v) };
      if (i === 0) return [{ x: middle.x + nodeWidth / 2, y: middle.y }];
      if (i === route.length - 1) return [{ x: middle.x - nodeWidth / 2, y: middle.y }];
      return [{ x: middle.x - nodeWidth / 2, y: middle.y }, { x: middle.x + nodeWidth / 2, y: middle.y }];
    });
    return { from: edge.from, to: edge.to, back: back.has(edge), points: back.has(edge) ? points.reverse() : points };
  });
  const bottom = Math.max(0, ...nodes.map((n) => n.y)) + nodeHeight / 2 + margin;
  return { nodes, edges: placed, width: x(Math.max(0, graph.layers.length - 1)) + nodeWidth / 2 + margin, height: bottom };
}

/** A smooth line through the points, as an SVG path. */
export function edgePath(points: Point[]): string {
  const [first, ...rest] = points;
  if (!first) return '';
  let at = first;
  const parts = [`M${at.x.toFixed(1)} ${at.y.toFixed(1)}`];
  for (const p of rest) {
    const bend = (p.x - at.x) / 2;
    parts.push(at.y === p.y ? `L${p.x.toFixed(1)} ${p.y.toFixed(1)}` : `C${(at.x + bend).toFixed(1)} ${at.y.toFixed(1)} ${(p.x - bend).toFixed(1)} ${p.y.toFixed(1)} ${p.x.toFixed(1)} ${p.y.toFixed(1)}`);
    at = p;
  }
  return parts.join('');
}
