/** ComfyUI's app and server, as far as this pack uses them. The only file that imports ComfyUI's scripts. */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

export { api, app };

/** How many runs to look back; all the server keeps could be thousands. */
const RUNS = 24;

let asked = null;

/** The outermost graph of the workflow that is open. Front ends differ in where they keep it. */
export const rootGraph = () => app.rootGraph ?? app.graph?.rootGraph ?? app.graph;

/** What nodes have shown in the runs that this page saw, by `locatorOf` of graph.js. */
export const keptOutputs = () => app.nodeOutputs ?? {};

/** Address of a file of the server's; the query is that of `viewQuery` in sources.js. */
export const viewUrl = (query) => api.apiURL(`/view?${query}`);

/**
 * The server's last runs; one request for all pickers that ask at once. One that asks later gets an answer of its own:
 * a run may have ended since the other was sent.
 * @returns {Promise<object>} see history.js; empty when the server gives none
 */
export function lastRuns() {
  if (asked) return asked;
  asked = api
    .fetchApi(`/history?max_items=${RUNS}`)
    .then((response) => (response.ok ? response.json() : {}))
    .catch((error) => {
      // The picker works without: the next run brings its own results.
      console.warn("AttentionDrag: the server's history could not be read.", error);
      return {};
    });
  setTimeout(() => (asked = null));
  return asked;
}
