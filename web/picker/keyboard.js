/** Everything the pointer can do, from the keyboard. */

import { fromPixels, panBy, toPixels } from "./geometry.js";
import { isAnchor, isOutside, mainSpot, ontoPicture } from "./points.js";
import { spotOf } from "./spotinput.js";

const STEP = 1;
const LARGE_STEP = 10;
const PAN = 40;
const ZOOM = 1.25;
const IDLE = 700;
const TOOL_KEYS = { d: "drag", h: "anchor", a: "add", l: "leave_out" };
const PAGES = { PageUp: -1, PageDown: 1 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class KeyboardControl {
  #model;
  #stage;
  #host;
  #pointer;
  #edits;
  #actions;
  #idle = 0;

  /**
   * @param {HTMLElement} root the picker's element
   * @param {{host: import("./host.js").Host, model: object, stage: object}} parts of the picker
   * @param {import("./pointer.js").PointerControl} pointer
   * @param {import("./edits.js").Edits} edits
   * @param {{toggleOverlay: () => void, chooseTool: (tool: string) => void, type: (spot: object) => void}} actions of
   *   the picker; `type` goes to where a point's numbers are typed
   */
  constructor(root, { host, model, stage }, pointer, edits, actions) {
    this.#host = host;
    this.#model = model;
    this.#stage = stage;
    this.#pointer = pointer;
    this.#edits = edits;
    this.#actions = actions;
    root.addEventListener("keydown", (event) => this.#key(event));
    stage.element.addEventListener("focusin", (event) => {
      const spot = spotOf(event.target);
      if (spot) model.select(spot);
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
    const spot = spotOf(event.target);
    const { key } = event;
    if (key === "Escape") return this.#escape(event);
    if (key in ARROWS) {
      if (!onStage) return false;
      return spot ? this.#nudge(spot, ARROWS[key], event.shiftKey) : this.#pan(ARROWS[key]);
    }
    if (key === "Delete" || key === "Backspace") {
      // Taken even with nothing to delete: the page may delete what is selected there, ComfyUI the node.
      const chosen = spot ?? this.#model.selection;
      if (chosen && !this.#pointer.busy) this.#edits.remove(chosen);
      return true;
    }
    if (!onStage) return false;
    if (key in PAGES) return this.#goOn(spot, PAGES[key]);
    const action = this.#actionOf(key.toLowerCase(), spot);
    action?.();
    return action !== undefined;
  }

  #actionOf(key, spot) {
    if (key in TOOL_KEYS) return () => this.#actions.chooseTool(TOOL_KEYS[key]);
    const add = () => !this.#pointer.busy && this.#edits.add(this.#pointer.tool);
    const enter = spot ? () => this.#actions.type(spot) : add;
    const chosen = spot ?? this.#model.selection;
    return {
      n: add,
      insert: add,
      enter,
      ...(spot ? {} : { " ": add }),
      k: () => chosen && !this.#pointer.busy && this.#edits.turn(chosen),
      ",": () => chosen && !this.#pointer.busy && this.#edits.resize(chosen, -1),
      ".": () => chosen && !this.#pointer.busy && this.#edits.resize(chosen, 1),
      "+": () => this.#stage.zoomBy(ZOOM),
      "=": () => this.#stage.zoomBy(ZOOM),
      "-": () => this.#stage.zoomBy(1 / ZOOM),
      0: () => this.#stage.fit(),
      m: () => this.#actions.toggleOverlay(),
    }[key];
  }

  /** To the next drag or click, past the points of this one. */
  #goOn(spot, step) {
    const { pairs, clicks } = this.#model;
    const spots = [...pairs.map((_, index) => mainSpot(pairs, index)), ...clicks.map((_, index) => ({ index, end: "click" }))];
    const at = spot ? spot.index + (spot.end === "click" ? pairs.length : 0) : step > 0 ? -1 : spots.length;
    const next = spots[at + step];
    if (next) this.#stage.focus(next);
    return true;
  }

  #escape(event) {
    if (this.#pointer.cancel()) return true;
    if (spotOf(event.target) || this.#model.selection) {
      this.#model.select(null);
      this.#stage.focus();
      return true;
    }
    document.activeElement?.blur();
    return true;
  }

  #nudge(spot, [dx, dy], large) {
    const point = this.#model.pointAt(spot);
    if (!point || this.#pointer.busy) return true;
    const step = large ? LARGE_STEP : STEP;
    const moved = nudged(point, dx * step, dy * step, this.#stage.space);
    const key = `key-${spot.index}-${spot.end}`;
    // An anchor goes with its handle.
    const held = spot.end === "handle" && isAnchor(this.#model.holderOf(spot));
    if (held) this.#model.placeBoth(spot.index, moved, moved, key);
    else this.#model.place(spot, moved, key);
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
