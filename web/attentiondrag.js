/** Gives the AttentionDragPoints node its picker. The only file that knows ComfyUI's app. */

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { inputIndex, nodeByExecutionId } from "./picker/graph.js";
import { RUNS } from "./picker/history.js";
import { Picker } from "./picker/picker.js";
import { Results } from "./picker/results.js";
import { findPicture } from "./picker/sources.js";
import { useMessages } from "./picker/text.js";

const NODE = "AttentionDragPoints";
const POINTS = "points";
const PICKER = "attentiondrag_picker";
const START_SIZE = [500, 660];
const MIN_HEIGHT = 300;
/** Narrower, the tools take more room than the picture. */
const MIN_WIDTH = 270;

/** Pickers by node, for the results that come in. */
const attached = new Map();

const rootGraph = () => app.rootGraph ?? app.graph?.rootGraph ?? app.graph;
const keptOutputs = () => app.nodeOutputs ?? {};
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

  constructor(node, widget) {
    this.#node = node;
    this.#widget = widget;
    this.made = new Results(node, { root: rootGraph, outputs: keptOutputs, history, viewUrl });
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
    const found = findPicture(this.#node, rootGraph(), keptOutputs(), this.made.lastPicture);
    return found && { ...found, url: found.query === undefined ? found.url : viewUrl(stamped(found)) };
  }

  keepCopy(found, copy, size) {
    // Another run may have ended while the copy was made.
    if (this.made.lastPicture?.filename === found.ran.filename) this.made.lastPicture = { ...this.made.lastPicture, copy, size };
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
    return this.made.shown;
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
    requestAnimationFrame(() => host.made.recall());
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
  const node = output && nodeByExecutionId(detail.node, rootGraph());
  if (!node) return;
  for (const { host, picker } of attached.values()) {
    if (host.made.takeLive(node, output, detail.prompt_id ?? "")) picker.tick();
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
  const concerned = [...attached.values()].filter(({ host }) => host.made.feeds(ended.cached));
  const entries = concerned.length ? await history() : { [ended.id]: null };
  // Not yet in the history: the status was of another run that was queued just now.
  if (!Object.hasOwn(entries, ended.id)) return;
  // The next run may have begun while the server answered.
  if (run === ended) run = NO_RUN;
  for (const { host, picker } of concerned) {
    host.made.takeCached(ended.cached, entries, ended.id);
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
