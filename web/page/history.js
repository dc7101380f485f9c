/**
 * What a workflow's last runs showed, read from the server's history: a page that was loaded again has lost its own
 * record, and a node whose result is cached sends nothing.
 */

import { shownId } from "./graph.js";

/**
 * The newest output of each node of a workflow. A node whose result was cached in a run has none in that run, and
 * perhaps never had one in this workflow: it is that of the last run, of any workflow, in which a node of the same
 * class got the same inputs. This is what ComfyUI's cache goes by; node ids don't matter to it.
 * @param {Record<string, {prompt?: unknown[], outputs?: Record<string, object>, status?: object}>} history the answer
 *   of `/history`, oldest run first
 * @param {string} workflowId the `id` of the workflow; runs of others, and of none, only lend what was cached
 * @returns {Map<string, object>} by execution id ("12", "5:12")
 */
export function newestOutputs(history, workflowId) {
  const found = new Map();
  if (!workflowId || typeof history !== "object" || history === null) return found;
  const runs = Object.values(history);
  const works = workNumbers();
  // Nodes whose newest result is settled, even where nothing is known of it: an older one would be of other inputs.
  const settled = new Set();
  for (let at = runs.length - 1; at >= 0; at -= 1) {
    const run = runs[at];
    if (run?.prompt?.[3]?.extra_pnginfo?.workflow?.id !== workflowId) continue;
    const outputs = shownOutputs(run);
    for (const id of cachedNodes(run)) outputs[id] ??= lent(runs, at, works(run.prompt[2])(id), works);
    for (const [id, output] of Object.entries(outputs)) {
      if (settled.has(id)) continue;
      settled.add(id);
      if (output) found.set(id, output);
    }
  }
  return found;
}

/** A run's outputs by the user's own nodes: what one has expanded into shows its outputs for it. */
function shownOutputs(run) {
  const outputs = {};
  for (const [id, output] of Object.entries(run?.outputs ?? {})) {
    const shown = shownId(id);
    outputs[shown] = Object.hasOwn(outputs, shown) ? { ...outputs[shown], ...output } : output;
  }
  return outputs;
}

/** @returns {string[]} ids of the nodes whose result a run took from the cache */
function cachedNodes(run) {
  const messages = run.status?.messages;
  if (!Array.isArray(messages)) return [];
  return messages.flatMap(([kind, data]) => (kind === "execution_cached" ? (data?.nodes ?? []) : []));
}

/** The newest output before run `before` of a node that does the work of that number. */
function lent(runs, before, work, works) {
  if (work === null) return null;
  for (let at = before - 1; at >= 0; at -= 1) {
    const graph = runs[at]?.prompt?.[2];
    for (const [id, output] of Object.entries(shownOutputs(runs[at]))) if (works(graph)(id) === work) return output;
  }
  return null;
}

/**
 * Numbers for what nodes do: the same for nodes of the same class with the same inputs, those of the nodes before them
 * included, in whatever graph.
 * @returns {(graph: Record<string, object>) => (id: string) => number|null}
 */
function workNumbers() {
  const numbers = new Map();
  const graphs = new Map();
  const isLink = (value, graph) => Array.isArray(value) && value.length === 2 && Object.hasOwn(graph, String(value[0]));
  return (graph) => {
    if (typeof graph !== "object" || graph === null) return () => null;
    if (!graphs.has(graph)) graphs.set(graph, new Map());
    const known = graphs.get(graph);
    const numberOf = (id) => {
      if (known.has(id)) return known.get(id);
      // For a graph that goes in circles, which no server has run.
      known.set(id, null);
      const node = graph[id];
      if (!node?.inputs) return null;
      const inputs = Object.keys(node.inputs).sort().map((name) => {
        const value = node.inputs[name];
        return isLink(value, graph) ? [name, "from", numberOf(String(value[0])), value[1]] : [name, "is", value];
      });
      const text = JSON.stringify([node.class_type, inputs]);
      if (!numbers.has(text)) numbers.set(text, numbers.size);
      known.set(id, numbers.get(text));
      return known.get(id);
    };
    return numberOf;
  };
}
