/** Brings what runs have made to the pickers: as the server tells it, and from its history where it says nothing. */

import { attached } from "./attach.js";
import { api, lastRuns, rootGraph } from "./comfyui.js";
import { nodeByExecutionId } from "./graph.js";

const NO_RUN = Object.freeze({ id: null, cached: [], done: false });
/**
 * The run that is under way: which nodes' results it has from the cache (null for a run that began before this page
 * was loaded: what it told then is lost), and whether it has come to its end.
 */
let run = NO_RUN;
/** Whether this page has seen the server idle. */
let settled = false;

/** To be called once a page. */
export function listenToRuns() {
  api.addEventListener("executed", onExecuted);
  api.addEventListener("execution_cached", onCached);
  api.addEventListener("execution_success", onSuccess);
  api.addEventListener("status", onStatus);
}

function onExecuted({ detail }) {
  const output = detail?.output;
  const node = output && nodeByExecutionId(detail.node, rootGraph());
  if (!node) return;
  for (const { host, picker } of attached.values()) {
    if (host.made.takeLive(node, output, detail.prompt_id ?? "")) picker.tick();
  }
}

function onCached({ detail }) {
  run = { id: detail?.prompt_id, cached: detail?.nodes ?? [], done: false };
}

function onSuccess({ detail }) {
  const id = detail?.prompt_id;
  run = id === run.id ? { ...run, done: true } : { id, cached: null, done: true };
}

/** The server writes a run into its history after it has told its end, and then tells its status. */
async function onStatus({ detail }) {
  const ended = run;
  if (ended.done) await takeFromHistory(ended);
  else if (!settled && detail?.exec_info?.queue_remaining === 0) await recallAll();
}

async function takeFromHistory(ended) {
  const all = [...attached.values()];
  const concerned = ended.cached === null ? all : all.filter(({ host }) => host.made.feeds(ended.cached));
  const entries = concerned.length ? await lastRuns() : { [ended.id]: null };
  // Not yet in the history: the status was of another run that was queued just now.
  if (!Object.hasOwn(entries, ended.id)) return;
  // The next run may have begun while the server answered.
  if (run === ended) run = NO_RUN;
  for (const { host, picker } of concerned) {
    host.made.takeKept(entries, ended.id, ended.cached);
    picker.tick();
  }
}

/** A run that ended while the page was being loaded has told nobody, and may not have been in the history then. */
async function recallAll() {
  settled = true;
  await Promise.all(
    [...attached.values()].map(async ({ host, picker }) => {
      await host.made.recall();
      picker.tick();
    }),
  );
}
