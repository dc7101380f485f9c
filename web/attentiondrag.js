/** Gives the AttentionDragPoints node its picker. The only file that knows ComfyUI's app. */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { allNodes, inputIndex, isFedBy, locatorOf, nodeByExecutionId } from "./picker/graph.js";
import { newestOutputs, RUNS } from "./picker/history.js";
import { Picker } from "./picker/picker.js";
import { findPicture, isFileRef, viewQuery } from "./picker/sources.js";
import { useMessages } from "./picker/text.js";

const NODE = "AttentionDragPoints";
const POINTS = "points";
const PICKER = "attentiondrag_picker";
const MASK_KEY = "attentiondrag_mask";
const HEAT_KEY = "attentiondrag_heatmaps";
const SOURCE_KEY = "attentiondrag_source";
const RAN_KEY = "attentiondrag_points";
/** Node property: the picture of the last run, for sources that show none by themselves. */
const LAST_PICTURE = "attentiondrag_picture";
const START_SIZE = [500, 660];
const MIN_HEIGHT = 300;
/** Narrower, the tools take more room than the picture. */
const MIN_WIDTH = 270;

/** Pickers by node, for the results that come in. */
const attached = new Map();
let serial = 0;

const rootGraph = () => app.rootGraph ?? app.graph?.rootGraph ?? app.graph;
const viewUrl = (query) => api.apiURL(`/view?${query}`);

function hide(widget) {
  // Canvas rendering reads the first, Vue rendering the second.
  widget.hidden = true;
  widget.options ??= {};
  widget.options.hidden = true;
  // The canvas layout of some front ends keeps room for hidden widgets; it adds a gap of 4 to each.
  widget.computeSize = () => [0, -4];
}

class NodeHost {
  #node;
  #widget;
  #results = { mask: null, heat: [], points: null, serial: 0, live: false };

  constructor(node, widget) {
    this.#node = node;
    this.#widget = widget;
  }

  readText() {
    return this.#widget.value ?? "";
  }

  writeText(stored) {
    this.#widget.value = stored;
    this.#widget.callback?.(stored);
    this.#node.setDirtyCanvas?.(true, true);
  }

  commit() {
    // A change between these two events is one step of ComfyUI's undo; the change itself is already made.
    app.canvas.emitBeforeChange();
    app.canvas.emitAfterChange();
  }

  passWheel(event) {
    event.preventDefault();
    event.stopPropagation();
    app.canvas.processMouseWheel(event);
  }

  passPointer(event) {
    // Vue nodes hand it on to the canvas by themselves when it bubbles.
    if (event.currentTarget.closest("[data-node-id]")) return;
    const handlers = { pointerdown: "processMouseDown", pointermove: "processMouseMove", pointerup: "processMouseUp" };
    app.canvas[handlers[event.type]]?.(event);
  }

  /**
   * Vue nodes mount a widget's element once. When a graph is loaded again (undo, another tab) the same Vue component
   * stays, with the element of the node that was there before: it is put in its place.
   */
  keepMounted(element) {
    if (element.isConnected || app.canvas?.graph !== this.#node.graph) return;
    const left = document.querySelector(`[data-node-id="${CSS.escape(String(this.#node.id))}"] .ad-picker`);
    left?.replaceWith(element);
  }

  findPicture() {
    const outputs = app.nodeOutputs ?? {};
    const found = findPicture(this.#node, rootGraph(), outputs, this.property(LAST_PICTURE));
    return found && { ...found, url: found.query === undefined ? found.url : viewUrl(stamped(found)) };
  }

  hasImageLink() {
    return this.#linked("image");
  }

  isLinked() {
    return this.#linked(POINTS);
  }

  #linked(name) {
    return this.#node.inputs?.[inputIndex(this.#node, name)]?.link != null;
  }

  results() {
    return this.#results;
  }

  /** What nodes behind this one's points have made: from the outputs that the page keeps, else from the server's. */
  async recallResults() {
    const root = rootGraph();
    const outputs = app.nodeOutputs ?? {};
    this.#takeAll([...allNodes(root)].map((node) => [node, outputs[locatorOf(node, root)]]));
    if (this.#results.mask) return;
    const before = this.#results.serial;
    const kept = newestOutputs(await history(), root.id);
    // A run may have ended while the server answered, and another graph may be open.
    if (this.#results.serial !== before || rootGraph() !== root) return;
    this.#takeAll([...kept].map(([id, output]) => [nodeByExecutionId(id, root), output]));
  }

  /** Whether something that this node gives out goes into one of these nodes (execution ids). */
  feeds(ids) {
    const root = rootGraph();
    return ids.some((id) => {
      const node = nodeByExecutionId(id, root);
      return node && isFedBy(node, this.#node, root);
    });
  }

  /** After a run: what its cached nodes show, of which the server sends nothing. */
  takeCached(ids, entries) {
    const root = rootGraph();
    const kept = newestOutputs(entries, root.id);
    this.#takeAll(ids.map((id) => [nodeByExecutionId(id, root), kept.get(id)]), true);
  }

  #takeAll(made, live = false) {
    for (const [node, output] of made) {
      if (!node || !output) continue;
      if (node === this.#node) this.takeOwn(output);
      else if (output[MASK_KEY] && isFedBy(node, this.#node, rootGraph())) this.takeResults(output, live);
    }
  }

  takeResults(output, live) {
    const urls = (refs) => (Array.isArray(refs) ? refs.filter(isFileRef).map((ref) => viewUrl(viewQuery(ref))) : []);
    this.#results = {
      ...this.#results,
      mask: urls(output[MASK_KEY])[0] ?? null,
      heat: urls(output[HEAT_KEY]),
      serial: (serial += 1),
      live,
    };
  }

  takeOwn(output) {
    const [source] = output[SOURCE_KEY] ?? [];
    if (isFileRef(source)) this.setProperty(LAST_PICTURE, { ...source });
    const [ran] = output[RAN_KEY] ?? [];
    if (typeof ran === "string") this.#results = { ...this.#results, points: ran, serial: (serial += 1) };
  }

  property(name) {
    return this.#node.properties?.[name];
  }

  setProperty(name, value) {
    this.#node.properties ??= {};
    if (value === undefined) delete this.#node.properties[name];
    else this.#node.properties[name] = value;
  }
}

/** The query with a number that changes when the file was saved over: the browser must not show the old one. */
function stamped(found) {
  let sum = 0;
  for (const character of found.stamp) sum = (sum * 31 + character.codePointAt(0)) >>> 0;
  return found.stamp ? `${found.query}&v=${sum}` : found.query;
}

let asked = null;

/** The server's last runs; one request for all pickers of a page that is being loaded. */
function history() {
  asked ??= api
    .fetchApi(`/history?max_items=${RUNS}`)
    .then((response) => (response.ok ? response.json() : {}))
    .catch((error) => {
      // The picker works without: the next run brings its own results.
      console.warn("AttentionDrag: the server's history could not be read.", error);
      return {};
    })
    .finally(() => (asked = null));
  return asked;
}

function chain(node, name, after) {
  const before = node[name];
  node[name] = function chained(...args) {
    const result = before?.apply(this, args);
    after.apply(this, args);
    return result;
  };
}

/** Canvas rendering asks this when the user makes the node smaller; a DOM widget can only say how high it must be. */
function keepWide(node) {
  const { computeSize } = node;
  node.computeSize = function computed(...args) {
    const size = computeSize.apply(this, args);
    size[0] = Math.max(size[0], MIN_WIDTH);
    return size;
  };
}

function attach(node) {
  const widget = node.widgets?.find((candidate) => candidate.name === POINTS);
  if (!widget || attached.has(node)) return;
  hide(widget);
  keepWide(node);
  const host = new NodeHost(node, widget);
  const picker = new Picker(host);
  const shown = node.addDOMWidget(PICKER, "attentiondrag_picker", picker.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => MIN_HEIGHT,
  });
  shown.serialize = false;
  const start = () => {
    attached.set(node, { host, picker });
    picker.start();
    // Links are in place once the graph has been read.
    requestAnimationFrame(() => host.recallResults());
  };
  chain(node, "onAdded", start);
  chain(node, "onRemoved", () => {
    attached.delete(node);
    picker.stop();
  });
  chain(node, "onConnectionsChange", () => requestAnimationFrame(() => picker.tick()));
  if (node.graph) start();
  node.setSize([Math.max(node.size[0], START_SIZE[0]), Math.max(node.size[1], START_SIZE[1])]);
}

function onExecuted({ detail }) {
  const output = detail?.output;
  if (!output) return;
  const root = rootGraph();
  const node = nodeByExecutionId(detail.node, root);
  if (!node) return;
  for (const [points, { host, picker }] of attached) {
    if (points === node) host.takeOwn(output);
    else if (output[MASK_KEY] && isFedBy(node, points, root)) host.takeResults(output, true);
    else continue;
    picker.tick();
  }
}

const NO_RUN = Object.freeze({ id: null, cached: [], done: false });
/** The run that is under way: which nodes' results it has from the cache, and whether it has come to its end. */
let run = NO_RUN;

function onCached({ detail }) {
  run = { id: detail?.prompt_id, cached: detail?.nodes ?? [], done: false };
}

function onSuccess({ detail }) {
  if (detail?.prompt_id === run.id) run = { ...run, done: true };
}

/** The server writes a run into its history after it has told its end, and then tells its status. */
async function onStatus() {
  const ended = run;
  if (!ended.done) return;
  const concerned = [...attached.values()].filter(({ host }) => host.feeds(ended.cached));
  const entries = concerned.length ? await history() : { [ended.id]: null };
  // Not yet in the history: the status was of another run that was queued just now.
  if (!Object.hasOwn(entries, ended.id)) return;
  // The next run may have begun while the server answered.
  if (run === ended) run = NO_RUN;
  for (const { host, picker } of concerned) {
    host.takeCached(ended.cached, entries);
    picker.tick();
  }
}

function addStyles() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("./picker/picker.css", import.meta.url).href;
  document.head.append(link);
}

async function loadWords() {
  const locale = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
  const response = await api.fetchApi("/i18n");
  if (response.ok) useMessages(await response.json(), locale);
}

app.registerExtension({
  name: "AttentionDrag.Picker",
  async init() {
    addStyles();
    api.addEventListener("executed", onExecuted);
    api.addEventListener("execution_cached", onCached);
    api.addEventListener("execution_success", onSuccess);
    api.addEventListener("status", onStatus);
    await loadWords();
  },
  nodeCreated(node) {
    if (node.comfyClass === NODE) attach(node);
  },
});
