/**
 * Walking a ComfyUI graph against the direction of its links, through reroutes, bypassed nodes and subgraphs.
 * Reads only what every front end since subgraphs offers: nodes, inputs, links, `subgraph`.
 */

const SUBGRAPH_INPUT_ID = -10;
const BYPASSED = 4;
const MUTED = 2;

const linksOf = (graph) => graph.links?.values?.() ?? Object.values(graph.links ?? {});
const linkOf = (graph, id) => (id == null ? null : (graph?.links?.get?.(id) ?? graph?.links?.[id] ?? null));
const nodesOf = (graph) => graph?.nodes ?? graph?._nodes ?? [];

/** Every node of a graph and of the subgraphs in it, each subgraph once. */
export function* allNodes(rootGraph) {
  const seen = new Set();
  const waiting = [rootGraph];
  while (waiting.length) {
    const graph = waiting.pop();
    if (!graph || seen.has(graph)) continue;
    seen.add(graph);
    for (const node of nodesOf(graph)) {
      yield node;
      if (node.subgraph) waiting.push(node.subgraph);
    }
  }
}

/** The node that shows a subgraph, or null for the root graph. With several, the first. */
function hostOf(graph, rootGraph) {
  if (!graph || graph === rootGraph) return null;
  for (const node of allNodes(rootGraph)) if (node.subgraph === graph) return node;
  return null;
}

/** The link that feeds an input, or null. Reading `input.link` itself is deprecated in newer front ends. */
function linkInto(node, index) {
  if (!node.graph || index < 0 || !node.isInputConnected(index)) return null;
  if (!node.subgraph) return node.getInputLink(index);
  // A node that shows a subgraph answers `getInputLink` with a link in there.
  for (const link of linksOf(node.graph)) {
    if (String(link.target_id) === String(node.id) && link.target_slot === index) return link;
  }
  return null;
}

/** Whether an input of that name is there and linked. */
export function isLinked(node, name) {
  const index = inputIndex(node, name);
  return index >= 0 && node.isInputConnected(index);
}

/**
 * The node and output that feed an input, looked through reroutes, bypassed nodes and subgraph borders.
 * @returns {{node: object, slot: number}|null}
 */
export function originOf(node, inputIndex, rootGraph, depth = 0) {
  if (depth > 100) return null;
  const { graph } = node;
  const link = linkInto(node, inputIndex);
  if (!link) return null;
  if (Number(link.origin_id) === SUBGRAPH_INPUT_ID) {
    const host = hostOf(graph, rootGraph);
    return host ? originOf(host, link.origin_slot, rootGraph, depth + 1) : null;
  }
  const origin = graph.getNodeById(link.origin_id);
  return origin ? throughNode(origin, link.origin_slot, rootGraph, depth + 1) : null;
}

function throughNode(origin, slot, rootGraph, depth) {
  if (origin.mode === MUTED) return null;
  if (origin.mode === BYPASSED) {
    const type = origin.outputs?.[slot]?.type;
    const straight = origin.inputs?.[slot]?.type === type ? slot : -1;
    const index = straight >= 0 ? straight : (origin.inputs ?? []).findIndex((input) => input.type === type);
    return index < 0 ? null : originOf(origin, index, rootGraph, depth);
  }
  if (origin.type === "Reroute" || origin.isVirtualNode) {
    return origin.inputs?.length ? originOf(origin, 0, rootGraph, depth) : { node: origin, slot };
  }
  if (origin.subgraph) {
    const inner = origin.subgraph.outputs?.[slot];
    const link = linkOf(origin.subgraph, inner?.linkIds?.[0]);
    if (!link) return null;
    if (Number(link.origin_id) === SUBGRAPH_INPUT_ID) return originOf(origin, link.origin_slot, rootGraph, depth);
    const source = origin.subgraph.getNodeById(link.origin_id);
    return source ? throughNode(source, link.origin_slot, rootGraph, depth + 1) : null;
  }
  return { node: origin, slot };
}

/** Index of an input by name, -1 if there is none. */
export function inputIndex(node, name) {
  return (node.inputs ?? []).findIndex((input) => input.name === name);
}

/** Whether `node` takes, directly or through others, something that `ancestor` gives out. */
export function isFedBy(node, ancestor, rootGraph) {
  const seen = new Set([node]);
  const waiting = [node];
  while (waiting.length) {
    const current = waiting.pop();
    for (let index = 0; index < (current.inputs?.length ?? 0); index += 1) {
      const origin = originOf(current, index, rootGraph)?.node;
      if (origin === ancestor) return true;
      if (origin && !seen.has(origin)) {
        seen.add(origin);
        waiting.push(origin);
      }
    }
  }
  return false;
}

/** The id of the node in the user's graph that a running one belongs to: "5:12" of "5:12.0.0.move", which it expanded into. */
export function shownId(executionId) {
  return String(executionId).split(".", 1)[0];
}

/** The node an execution id names: "12", or "5:12" for node 12 in the subgraph that node 5 shows. */
export function nodeByExecutionId(executionId, rootGraph) {
  let graph = rootGraph;
  let node = null;
  for (const part of shownId(executionId).split(":")) {
    node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part)) ?? null;
    if (!node) return null;
    graph = node.subgraph;
  }
  return node;
}

/** The key under which ComfyUI keeps a node's outputs: its id, with the subgraph's in front inside of one. */
export function locatorOf(node, rootGraph) {
  return node.graph && node.graph !== rootGraph ? `${node.graph.id}:${node.id}` : String(node.id);
}
