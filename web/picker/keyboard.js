/** Everything the pointer can do, from the keyboard. */

import { FITTED, panBy, zoomAt } from "./geometry.js";
import { nudged } from "./pointer.js";

const STEP = 1;
const LARGE_STEP = 10;
const PAN = 40;
const ZOOM = 1.25;
const IDLE = 700;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class KeyboardControl {
  #model;
  #view;
  #host;
  #pointer;
  #events;
  #idle = 0;

  /**
   * @param {{onViewChange: Function, addPair: Function, removePair: Function, toggleOverlay: Function}} events
   */
  constructor(root, model, view, pointer, host, events) {
    this.#model = model;
    this.#view = view;
    this.#pointer = pointer;
    this.#host = host;
    this.#events = events;
    root.addEventListener("keydown", (event) => this.#key(event));
    view.stage.addEventListener("focusin", (event) => {
      const point = pointOf(event.target);
      if (point) model.select(point);
    });
    view.stage.addEventListener("focusout", () => this.#settle());
  }

  #key(event) {
    const undoKeys = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (event.target.matches?.("input, textarea, select") && !this.#view.stage.contains(event.target)) {
      // Typing must not reach ComfyUI's shortcuts; with a modifier it may (Ctrl+Enter runs, Ctrl+S saves).
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
    if (redo ? this.#model.redo() : this.#model.undo()) this.#host.commit();
    return true;
  }

  #plain(event) {
    const onStage = this.#view.stage.contains(event.target);
    const point = pointOf(event.target);
    const { key } = event;
    if (key === "Escape") return this.#escape(event);
    if (key in ARROWS) {
      if (!onStage) return false;
      return point ? this.#nudge(point, ARROWS[key], event.shiftKey) : this.#pan(ARROWS[key]);
    }
    if (key === "Delete" || key === "Backspace") {
      // Taken even with nothing to delete: ComfyUI would delete the node.
      const index = point?.index ?? this.#model.selection?.index;
      if (index !== undefined && !this.#pointer.busy) this.#events.removePair(index);
      return true;
    }
    if (!onStage) return false;
    const action = {
      n: () => this.#events.addPair(),
      insert: () => this.#events.addPair(),
      ...(point ? {} : { enter: () => this.#events.addPair(), " ": () => this.#events.addPair() }),
      "+": () => this.#zoom(ZOOM),
      "=": () => this.#zoom(ZOOM),
      "-": () => this.#zoom(1 / ZOOM),
      0: () => this.#setView({ ...FITTED }),
      m: () => this.#events.toggleOverlay(),
    }[key.toLowerCase()];
    action?.();
    return action !== undefined;
  }

  #escape(event) {
    if (this.#pointer.cancel()) return true;
    if (pointOf(event.target) || this.#model.selection) {
      this.#model.select(null);
      this.#view.focus();
      return true;
    }
    document.activeElement?.blur();
    return true;
  }

  #nudge(point, [dx, dy], large) {
    const pair = this.#model.pairs[point.index];
    if (!pair || this.#pointer.busy) return true;
    const step = large ? LARGE_STEP : STEP;
    const moved = nudged(pair[point.end], dx * step, dy * step, this.#view.space);
    this.#model.place(point.index, point.end, moved, `key-${point.index}-${point.end}`);
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#settle(), IDLE);
    return true;
  }

  /** A run of key presses counts as one step, here and in ComfyUI's own undo. */
  #settle() {
    if (!this.#idle) return;
    clearTimeout(this.#idle);
    this.#idle = 0;
    this.#model.settle();
    this.#host.commit();
  }

  #pan([dx, dy]) {
    this.#setView(panBy(this.#view.space, this.#view.stageSize, this.#view.view, -dx * PAN, -dy * PAN));
    return true;
  }

  #zoom(factor) {
    const { space, stageSize, view } = this.#view;
    this.#setView(zoomAt(space, stageSize, view, factor, { x: stageSize.width / 2, y: stageSize.height / 2 }));
  }

  #setView(view) {
    this.#view.view = view;
    this.#view.draw();
    this.#events.onViewChange();
  }
}

/** @returns {{index: number, end: "handle"|"target"}|null} the point an element of the marks stands for */
export function pointOf(element) {
  const mark = element?.closest?.("[data-end]");
  return mark ? { index: Number(mark.dataset.index), end: mark.dataset.end } : null;
}
