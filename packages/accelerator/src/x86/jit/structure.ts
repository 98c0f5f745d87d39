/** A control-flow graph: for each node, by its number, where it may go. Node 0 is the entry. */
export type Graph = readonly (readonly number[])[];

/** How to put a graph into nested blocks and loops (Ramsey, "Beyond Relooper", ICFP 2022). */
export interface Structure {
  /** Nodes in reverse postorder. */
  readonly order: readonly number[];
  /** Position in {@link order}; −1 when the node cannot be reached. */
  readonly position: readonly number[];
  /** For each node, the nodes that it immediately dominates, last in order first. */
  readonly children: readonly (readonly number[])[];
  /** Reached from more than one place in forward direction: gets a block of its own to branch out of. */
  readonly isMerge: readonly boolean[];
  readonly isLoop: readonly boolean[];
  /** Edges (`from * nodes + to`) into the middle of a loop, which nested structure cannot express. */
  readonly irreducible: ReadonlySet<number>;
}

export function structure(graph: Graph): Structure {
  const n = graph.length;
  const position: number[] = new Array(n).fill(-1);
  const order: number[] = [];
  const visited = new Array<boolean>(n).fill(false);
  const visit = (node: number): void => {
    visited[node] = true;
    for (const to of [...graph[node]!].reverse()) if (!visited[to]) visit(to);
    order.unshift(node);
  };
  visit(0);
  for (const [i, node] of order.entries()) position[node] = i;

  const predecessors: number[][] = Array.from({ length: n }, () => []);
  for (const from of order) for (const to of graph[from]!) predecessors[to]!.push(from);

  // Dominators by iteration (Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm").
  const idom: number[] = new Array(n).fill(-1);
  idom[0] = 0;
  const common = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (position[x]! > position[y]!) x = idom[x]!;
      while (position[y]! > position[x]!) y = idom[y]!;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of order.slice(1)) {
      const known = predecessors[node]!.filter(p => idom[p] !== -1);
      const dominator = known.reduce(common);
      if (idom[node] !== dominator) {
        idom[node] = dominator;
        changed = true;
      }
    }
  }
  const dominates = (a: number, b: number): boolean => {
    let x = b;
    while (position[x]! > position[a]!) x = idom[x]!;
    return x === a;
  };

  const isMerge = new Array<boolean>(n).fill(false);
  const isLoop = new Array<boolean>(n).fill(false);
  const irreducible = new Set<number>();
  const forward = new Array<number>(n).fill(0);
  for (const from of order)
    for (const to of graph[from]!) {
      if (position[to]! > position[from]!) forward[to]!++;
      else if (dominates(to, from)) isLoop[to] = true;
      else irreducible.add(from * n + to);
    }
  for (const node of order) isMerge[node] = forward[node]! > 1;
  const children: number[][] = Array.from({ length: n }, () => []);
  for (const node of order.slice(1)) children[idom[node]!]!.push(node);
  for (const list of children) list.reverse();
  return { order, position, children, isMerge, isLoop, irreducible };
}
