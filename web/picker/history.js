/**
 * What a workflow's last runs showed, read from the server's history: a page that was loaded again has lost its own
 * record, and a node whose result is cached sends it no second time.
 */

/** How many runs to look back; all the server keeps could be thousands. */
export const RUNS = 24;

/**
 * The newest output of each node of a workflow.
 * @param {Record<string, {prompt?: unknown[], outputs?: Record<string, object>}>} history the answer of `/history`,
 *   oldest run first
 * @param {string} workflowId the `id` of the workflow; runs of others, and of none, are left out
 * @returns {Map<string, object>} by execution id ("12", "5:12")
 */
export function newestOutputs(history, workflowId) {
  const found = new Map();
  if (!workflowId || typeof history !== "object" || history === null) return found;
  for (const run of Object.values(history).reverse()) {
    if (run?.prompt?.[3]?.extra_pnginfo?.workflow?.id !== workflowId) continue;
    for (const [id, output] of Object.entries(run.outputs ?? {})) if (!found.has(id)) found.set(id, output);
  }
  return found;
}
