/** The node behind a picker: what picker/host.js asks of a page, answered by ComfyUI. */

import { app, keptOutputs, lastRuns, rootGraph, viewUrl } from "./comfyui.js";
import { isLinked } from "./graph.js";
import { Results } from "./results.js";
import { findPicture } from "./sources.js";

/** The widget that holds the drags, and the input that overrules it. */
export const POINTS = "points";

/** Inputs that give handles in the place of the drawn ones. */
const HANDLES = ["handles", "mask"];

/** @implements {import("../picker/host.js").Host} */
export class NodeHost {
  #node;
  #widget;

  constructor(node, widget) {
    this.#node = node;
    this.#widget = widget;
    this.made = new Results(node, { root: rootGraph, outputs: keptOutputs, history: lastRuns, viewUrl });
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
    return isLinked(this.#node, "image");
  }

  isLinked() {
    return isLinked(this.#node, POINTS);
  }

  hasOtherHandles() {
    return HANDLES.some((name) => isLinked(this.#node, name));
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
