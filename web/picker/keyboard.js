/** Everything the pointer can do, from the keyboard. */

import { fromPixels, panBy, toPixels } from "./geometry.js";
import { isOutside, ontoPicture } from "./points.js";

const STEP = 1;
const LARGE_STEP = 10;
const PAN = 40;
const ZOOM = 1.25;
const IDLE = 700;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class KeyboardControl {
  #model;
  #stage;
  #host;
  #pointer;
  #edits;
  #toggleOverlay;
  #idle = 0;

  /**
   * @param {HTMLElement} root the picker's element
   * @param {{host: import("./host.js").Host, model: object, stage: object}} parts of the picker
   * @param {import("./pointer.js").PointerControl} pointer
   * @param {import("./edits.js").Edits} edits
   * @param {() => void} toggleOverlay
   */
  constructor(root, { host, model, stage }, pointer, edits, toggleOverlay) {
    this.#host = host;
    this.#model = model;
    this.#stage = stage;
    this.#pointer = pointer;
    this.#edits = edits;
    this.#toggleOverlay = toggleOverlay;
    root.addEventListener("keydown", (event) => this.#key(event));
    stage.element.addEventListener("focusin", (event) => {
      const point = pointOf(event.target);
      if (point) model.select(point);
    });
    stage.element.addEventListener("focusout", () => this.#settle());
  }

  #key(event) {
    const undoKeys = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (event.target.matches?.("input, textarea, select") && !this.#stage.element.contains(event.target)) {
      // Typing must not reach the page's shortcuts; with a modifier it may (Ctrl+Enter runs, Ctrl+S saves).
      if (!undoKeys) event.stopPropagation();
      return;
    }
    const done = undoKeys ? this.#withControl(event) : !event.altKey && this.#plain(event);
    if (!done) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #withControl(event) {
    const key = event.key.toLowerCase();
    const redo = (key === "y" && !event.shiftKey) || (key === "z" && event.shiftKey);
    if (!redo && key !== "z") return false;
    if (this.#pointer.busy) return true;
    if (redo) this.#edits.redo();
    else this.#edits.undo();
    return true;
  }

  #plain(event) {
    const onStage = this.#stage.element.contains(event.target);
    const point = pointOf(event.target);
    const { key } = event;
    if (key === "Escape") return this.#escape(event);
    if (key in ARROWS) {
      if (!onStage) return false;
      return point ? this.#nudge(point, ARROWS[key], event.shiftKey) : this.#pan(ARROWS[key]);
    }
    if (key === "Delete" || key === "Backspace") {
      // Taken even with nothing to delete: the page may delete what is selected there, ComfyUI the node.
      const index = point?.index ?? this.#model.selection?.index;
      if (index !== undefined && !this.#pointer.busy) this.#edits.remove(index);
      return true;
    }
    if (!onStage) return false;
    const add = () => this.#edits.add();
    const action = {
      n: add,
      insert: add,
      ...(point ? {} : { enter: add, " ": add }),
      "+": () => this.#stage.zoomBy(ZOOM),
      "=": () => this.#stage.zoomBy(ZOOM),
      "-": () => this.#stage.zoomBy(1 / ZOOM),
      0: () => this.#stage.fit(),
      m: () => this.#toggleOverlay(),
    }[key.toLowerCase()];
    action?.();
    return action !== undefined;
  }

  #escape(event) {
    if (this.#pointer.cancel()) return true;
    if (pointOf(event.target) || this.#model.selection) {
      this.#model.select(null);
      this.#stage.focus();
      return true;
    }
    document.activeElement?.blur();
    return true;
  }

  #nudge(point, [dx, dy], large) {
    const pair = this.#model.pairs[point.index];
    if (!pair || this.#pointer.busy) return true;
    const step = large ? LARGE_STEP : STEP;
    const moved = nudged(pair[point.end], dx * step, dy * step, this.#stage.space);
    this.#model.place(point.index, point.end, moved, `key-${point.index}-${point.end}`);
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#settle(), IDLE);
    return true;
  }

  /** A run of key presses counts as one step, here and in the page's own undo. */
  #settle() {
    if (!this.#idle) return;
    clearTimeout(this.#idle);
    this.#idle = 0;
    this.#model.settle();
    this.#host.commit();
  }

  #pan([dx, dy]) {
    const { space, size, view } = this.#stage;
    this.#stage.view = panBy(space, size, view, -dx * PAN, -dy * PAN);
    return true;
  }
}

/** One step of a point by whole pixels of the picture, which stays on it if it was. */
function nudged(point, dx, dy, picture) {
  const at = toPixels(point, picture);
  const next = fromPixels({ x: at.x + dx, y: at.y + dy }, picture);
  return isOutside(point) ? next : ontoPicture(next);
}

/** @returns {{index: number, end: "handle"|"target"}|null} the point an element of the marks stands for */
function pointOf(element) {
  const mark = element?.closest?.("[data-end]");
  return mark ? { index: Number(mark.dataset.index), end: mark.dataset.end } : null;
}
