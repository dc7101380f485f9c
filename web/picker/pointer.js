/** Mouse, touch and pen on the stage: what a press takes hold of, and what is left to the page. */

import { Fingers } from "./fingers.js";
import { toPicture } from "./geometry.js";
import { follow } from "./gesture.js";
import { hitTest } from "./hit.js";
import { mainSpot } from "./points.js";
import { toolOf } from "./tools.js";

const START_DISTANCE = 3;
const WHEEL_STEP = 1.0015;
const PRIMARY = 0;
const MIDDLE = 1;
const MIDDLE_HELD = 4;

export class PointerControl {
  /** When on, a press on the picture pans it. */
  #hand = false;
  /** @type {"drag"|"anchor"|"add"|"leave_out"} what a press on the picture makes */
  #tool = "drag";
  #model;
  #stage;
  #host;
  #events;
  /** @type {import("./gesture.js").Gesture|null} */
  #gesture = null;
  #fingers = new Fingers();
  #serial = 0;

  /**
   * @param {{host: import("./host.js").Host, model: object, stage: object}} parts of the picker
   * @param {object} events
   * @param {(point: object|null) => void} events.onHover where the pointer is (normalised)
   * @param {(found: object) => void} events.onPick what it has taken hold of
   * @param {() => void} events.onDone what it has changed is whole
   * @param {(tool: string) => void} events.onFull there are as many as are allowed of what a tool makes
   */
  constructor({ host, model, stage }, events) {
    this.#model = model;
    this.#stage = stage;
    this.#host = host;
    this.#events = events;
    const { element } = stage;
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerup", (event) => this.#up(event));
    element.addEventListener("pointercancel", (event) => this.#break(event));
    element.addEventListener("lostpointercapture", (event) => this.#break(event));
    element.addEventListener("pointerleave", () => events.onHover(null));
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    // The focus is set by hand: the browser would take it away again after the press.
    element.addEventListener("mousedown", (event) => event.preventDefault());
    element.addEventListener("dblclick", (event) => event.stopPropagation());
    // On a Mac, a press with Ctrl held is a click for the picker and a menu for the system.
    element.addEventListener("contextmenu", (event) => event.ctrlKey && swallow(event));
    element.addEventListener("dragstart", (event) => event.preventDefault());
  }

  get busy() {
    return this.#gesture !== null;
  }

  get hand() {
    return this.#hand;
  }

  toggleHand() {
    this.#hand = !this.#hand;
    this.#stage.element.dataset.cursor = this.#hand ? "pan" : "draw";
  }

  get tool() {
    return this.#tool;
  }

  /** Chooses what a press makes; the hand lets go. */
  set tool(tool) {
    this.#tool = tool;
    this.#hand = false;
    this.#stage.element.dataset.cursor = "draw";
  }

  /** Breaks the gesture off and takes back what it did. @returns {boolean} whether there was one */
  cancel() {
    if (!this.#gesture) return false;
    const { changed, pointer } = this.#gesture;
    const { element } = this.#stage;
    this.#gesture = null;
    if (element.hasPointerCapture(pointer)) element.releasePointerCapture(pointer);
    if (changed) this.#model.abandon();
    element.classList.remove("ad-panning");
    return true;
  }

  #down(event) {
    if (event.button === MIDDLE && this.#stage.view.zoom <= 1) {
      this.#host.passPointer(event);
      return;
    }
    if (event.button !== PRIMARY && event.button !== MIDDLE) return;
    event.stopPropagation();
    const at = this.#stage.pointOf(event);
    if (event.pointerType === "touch") {
      this.#fingers.put(event.pointerId, at);
      if (this.#fingers.count === 2) {
        this.#startPinch(event);
        return;
      }
      if (this.#fingers.count > 2) return;
    }
    if (!this.#gesture) this.#startGesture(event, at);
  }

  #startGesture(event, at) {
    const { element } = this.#stage;
    element.setPointerCapture(event.pointerId);
    const pans = this.#hand || event.button === MIDDLE;
    const tool = toolOf(event, this.#tool);
    const found = pans ? { kind: "pan" } : (this.#under(at, event, tool) ?? { kind: tool === "drag" ? "draw" : "put" });
    this.#gesture = {
      ...found,
      tool,
      pointer: event.pointerId,
      start: at,
      last: at,
      key: `gesture-${(this.#serial += 1)}`,
      from: found.index === undefined ? null : this.#model.holderOf({ end: "target", ...found }),
      moved: false,
      changed: false,
    };
    if (pans) element.classList.add("ad-panning");
    if (found.kind === "end") this.#model.select({ index: found.index, end: found.end });
    if (found.kind === "pair") this.#model.select(mainSpot(this.#model.pairs, found.index));
    this.#events.onPick(found);
  }

  #under(at, { pointerType }, tool) {
    return hitTest(at, pointerType, tool === "drag", this.#model, this.#stage);
  }

  #startPinch(event) {
    this.cancel();
    this.#stage.element.setPointerCapture(event.pointerId);
    this.#gesture = { kind: "pinch", pointer: event.pointerId, changed: false };
  }

  #move(event) {
    const at = this.#stage.pointOf(event);
    if (this.#gesture || this.#fingers.count) event.stopPropagation();
    if (event.pointerType === "touch" && this.#fingers.has(event.pointerId)) {
      if (this.#gesture?.kind === "pinch") {
        this.#fingers.pinch(event.pointerId, at, this.#stage);
        return;
      }
      this.#fingers.put(event.pointerId, at);
    }
    this.#events.onHover(toPicture(at, this.#stage.frame));
    if (this.#gesture) {
      if (this.#gesture.pointer === event.pointerId) this.#follow(this.#gesture, at, event.shiftKey);
      return;
    }
    if (event.buttons & MIDDLE_HELD) this.#host.passPointer(event);
    this.#showCursor(at, event);
  }

  #follow(gesture, at, snap) {
    if (!gesture.moved) {
      const distance = Math.hypot(at.x - gesture.start.x, at.y - gesture.start.y) * this.#stage.screenScale;
      if (distance < START_DISTANCE) return;
      gesture.moved = true;
    }
    this.#carry(gesture, at, snap);
  }

  #carry(gesture, at, snap) {
    if (!follow(gesture, at, snap, this.#model, this.#stage)) {
      this.#gesture = null;
      this.#events.onFull(gesture.tool);
    }
    gesture.last = at;
  }

  #up(event) {
    if (event.button === MIDDLE && !this.#gesture) {
      this.#host.passPointer(event);
      return;
    }
    if (this.#gesture || this.#fingers.count) event.stopPropagation();
    this.#fingers.lift(event.pointerId);
    const gesture = this.#gesture;
    if (!gesture || gesture.pointer !== event.pointerId) return;
    if (gesture.kind === "put" && !gesture.moved) this.#carry(gesture, gesture.start, false);
    this.#gesture = null;
    this.#stage.element.classList.remove("ad-panning");
    if (gesture.kind === "draw" && !gesture.moved) this.#model.select(null);
    this.#model.settle();
    if (gesture.changed) {
      const end = gesture.end ?? mainSpot(this.#model.pairs, gesture.index).end;
      this.#events.onDone();
      this.#events.onPick({ kind: "end", index: gesture.index, end });
      this.#host.commit();
    }
  }

  #break(event) {
    this.#fingers.lift(event.pointerId);
    if (this.#gesture?.pointer === event.pointerId) this.cancel();
  }

  /** The wheel zooms the picture while the picker is in use, and is the page's otherwise. */
  #wheel(event) {
    const { view, hasFocus } = this.#stage;
    const zoomsOutOfFit = event.deltaY > 0 && view.zoom <= 1;
    if (!hasFocus || (zoomsOutOfFit && !this.busy) || event.deltaY === 0) {
      this.#host.passWheel(event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    const factor = WHEEL_STEP ** (-event.deltaY * lines);
    this.#stage.zoomBy(Math.max(1, view.zoom * factor) / view.zoom, this.#stage.pointOf(event));
  }

  #showCursor(at, event) {
    const found = this.#hand ? { kind: "pan" } : this.#under(at, event, toolOf(event, this.#tool));
    this.#stage.element.dataset.cursor = found?.kind ?? "draw";
  }
}

function swallow(event) {
  event.preventDefault();
  event.stopPropagation();
}
