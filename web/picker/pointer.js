/** Mouse, touch and pen on the stage: drawing pairs, moving ends and pairs, radius, zoom and pan. */

import { distanceToSegment, fromPixels, panBy, shorterSide, snapToAxis, toPicture, toPixels, toStage, zoomAt } from "./geometry.js";
import { isOutside } from "./model.js";

const START_DISTANCE = 3;
const REACH = { mouse: 11, pen: 16, touch: 24 };
const SHAFT_REACH = { mouse: 6, pen: 9, touch: 14 };
const WHEEL_STEP = 1.0015;
const PRIMARY = 0;
const MIDDLE = 1;

const inside = (point) => ({ x: Math.min(1, Math.max(0, point.x)), y: Math.min(1, Math.max(0, point.y)) });

export class PointerControl {
  /** When on, a press on the picture pans it. */
  hand = false;
  #model;
  #view;
  #host;
  #gesture = null;
  #fingers = new Map();
  #serial = 0;

  /**
   * @param {import("./model.js").PointsModel} model
   * @param {import("./view.js").View} view
   * @param {object} host what the page gives (see attentiondrag.js)
   * @param {{onHover: Function, onViewChange: Function, onPick: Function}} events
   */
  constructor(model, view, host, events) {
    this.#model = model;
    this.#view = view;
    this.#host = host;
    this.events = events;
    const { stage } = view;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#break(event));
    stage.addEventListener("lostpointercapture", (event) => this.#break(event));
    stage.addEventListener("pointerleave", () => events.onHover(null));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    // The focus is set by hand: the browser would take it away again after the press.
    stage.addEventListener("mousedown", (event) => event.preventDefault());
    stage.addEventListener("dblclick", (event) => event.stopPropagation());
    stage.addEventListener("dragstart", (event) => event.preventDefault());
  }

  get busy() {
    return this.#gesture !== null;
  }

  /** What lies under a point of the stage: an end, a grip, a shaft or nothing. */
  hit(at, type = "mouse") {
    const scale = this.#view.markScale;
    const reach = (REACH[type] ?? REACH.mouse) * scale;
    const { pairs, selection } = this.#model;
    let best = null;
    const offer = (found, distance, limit) => {
      if (distance <= limit && (!best || distance < best.distance)) best = { ...found, distance };
    };
    pairs.forEach((pair, index) => {
      // The selected pair wins where two lie on each other, then the one drawn last.
      const bias = selection?.index === index ? -3 : -index / (pairs.length + 1);
      for (const end of ["handle", "target"]) {
        const mark = this.#view.markPoint(pair[end]);
        const endBias = end === "target" ? -0.5 : 0;
        const distance = Math.hypot(at.x - mark.x, at.y - mark.y);
        if (distance <= reach) offer({ kind: "end", index, end }, distance + bias + endBias, reach);
      }
    });
    const chosen = selection && pairs[selection.index];
    if (chosen?.radius != null) {
      const grip = this.#view.gripPoint(chosen);
      offer({ kind: "radius", index: selection.index }, Math.hypot(at.x - grip.x, at.y - grip.y) - 3, reach);
    }
    if (best) return best;
    pairs.forEach((pair, index) => {
      const distance = distanceToSegment(at, this.#view.markPoint(pair.handle), this.#view.markPoint(pair.target));
      offer({ kind: "pair", index }, distance, (SHAFT_REACH[type] ?? SHAFT_REACH.mouse) * scale);
    });
    return best;
  }

  /** Breaks the gesture off and takes back what it did. @returns {boolean} whether there was one */
  cancel() {
    if (!this.#gesture) return false;
    const { changed, pointer } = this.#gesture;
    this.#gesture = null;
    if (this.#view.stage.hasPointerCapture(pointer)) this.#view.stage.releasePointerCapture(pointer);
    if (changed) this.#model.abandon();
    this.#view.stage.classList.remove("ad-panning");
    return true;
  }

  #down(event) {
    if (event.button === MIDDLE && this.#view.view.zoom <= 1) {
      this.#host.passPointer(event);
      return;
    }
    if (event.button !== PRIMARY && event.button !== MIDDLE) return;
    event.stopPropagation();
    const at = this.#view.stagePoint(event);
    if (event.pointerType === "touch") {
      this.#fingers.set(event.pointerId, at);
      if (this.#fingers.size === 2) {
        this.#startPinch(event);
        return;
      }
      if (this.#fingers.size > 2) return;
    }
    if (this.#gesture) return;
    this.#view.stage.setPointerCapture(event.pointerId);
    const pans = this.hand || event.button === MIDDLE;
    const found = pans ? { kind: "pan" } : (this.hit(at, event.pointerType) ?? { kind: "draw" });
    this.#gesture = {
      ...found,
      pointer: event.pointerId,
      start: at,
      last: at,
      key: `gesture-${(this.#serial += 1)}`,
      from: this.#model.pairs[found.index] ?? null,
      moved: false,
      changed: false,
    };
    if (pans) this.#view.stage.classList.add("ad-panning");
    if (found.kind === "end") this.#model.select({ index: found.index, end: found.end });
    if (found.kind === "pair") this.#model.select({ index: found.index, end: "target" });
    this.events.onPick(found);
  }

  #move(event) {
    const at = this.#view.stagePoint(event);
    if (this.#gesture || this.#fingers.size) event.stopPropagation();
    if (event.pointerType === "touch" && this.#fingers.has(event.pointerId)) {
      if (this.#gesture?.kind === "pinch") {
        this.#pinch(event.pointerId, at);
        return;
      }
      this.#fingers.set(event.pointerId, at);
    }
    this.events.onHover(toPicture(at, this.#view.frame));
    if (!this.#gesture) {
      if (event.buttons & 4) this.#host.passPointer(event);
      this.#showCursor(at, event.pointerType);
      return;
    }
    if (this.#gesture.pointer !== event.pointerId) return;
    const gesture = this.#gesture;
    if (!gesture.moved) {
      const distance = Math.hypot(at.x - gesture.start.x, at.y - gesture.start.y) * this.#view.screenScale;
      if (distance < START_DISTANCE) return;
      gesture.moved = true;
    }
    this.#follow(gesture, at, event.shiftKey);
    gesture.last = at;
  }

  #follow(gesture, at, snap) {
    const { frame, space } = this.#view;
    const model = this.#model;
    const pointed = toPicture(at, frame);
    const start = toPicture(gesture.start, frame);
    if (gesture.kind === "pan") {
      this.#setView(panBy(space, this.#view.stageSize, this.#view.view, at.x - gesture.last.x, at.y - gesture.last.y));
      return;
    }
    if (gesture.kind === "draw") {
      const handle = model.pairs[gesture.index]?.handle ?? inside(start);
      const target = inside(snap ? snapToAxis(handle, pointed, space) : pointed);
      if (!gesture.changed) {
        gesture.index = model.add(handle, target, gesture.key);
        if (gesture.index < 0) {
          this.#gesture = null;
          this.events.onFull();
          return;
        }
      }
      model.place(gesture.index, "target", target, gesture.key);
      gesture.changed = true;
      return;
    }
    const before = gesture.from;
    const shift = { x: pointed.x - start.x, y: pointed.y - start.y };
    const moved = (point) => ({ x: point.x + shift.x, y: point.y + shift.y });
    if (gesture.kind === "end") {
      // A mark outside of the picture sits on the stage's edge: it is taken to where the pointer is.
      const to = isOutside(before[gesture.end]) ? pointed : moved(before[gesture.end]);
      const other = before[gesture.end === "handle" ? "target" : "handle"];
      model.place(gesture.index, gesture.end, inside(snap ? snapToAxis(other, to, space) : to), gesture.key);
    } else if (gesture.kind === "pair") {
      const handle = snap ? snapToAxis(before.handle, moved(before.handle), space) : moved(before.handle);
      const by = { x: handle.x - before.handle.x, y: handle.y - before.handle.y };
      model.placeBoth(gesture.index, handle, { x: before.target.x + by.x, y: before.target.y + by.y }, gesture.key);
    } else if (gesture.kind === "radius") {
      const centre = toStage(before.handle, frame);
      const pixels = (Math.hypot(at.x - centre.x, at.y - centre.y) * space.width) / frame.width;
      model.setRadius(gesture.index, pixels / shorterSide(space), gesture.key);
    }
    gesture.changed = true;
  }

  #up(event) {
    if (event.button === MIDDLE && !this.#gesture) {
      this.#host.passPointer(event);
      return;
    }
    if (this.#gesture || this.#fingers.size) event.stopPropagation();
    this.#fingers.delete(event.pointerId);
    const gesture = this.#gesture;
    if (!gesture || gesture.pointer !== event.pointerId) return;
    this.#gesture = null;
    this.#view.stage.classList.remove("ad-panning");
    if (gesture.kind === "draw" && !gesture.moved) this.#model.select(null);
    this.#model.settle();
    if (gesture.changed) {
      if (gesture.index >= 0) this.events.onPick({ ...gesture, kind: "end", end: gesture.end ?? "target" });
      this.#host.commit();
    }
  }

  #break(event) {
    this.#fingers.delete(event.pointerId);
    if (this.#gesture?.pointer === event.pointerId) this.cancel();
  }

  #startPinch(event) {
    this.cancel();
    this.#view.stage.setPointerCapture(event.pointerId);
    this.#gesture = { kind: "pinch", pointer: event.pointerId, changed: false };
  }

  #pinch(id, at) {
    const others = [...this.#fingers].filter(([finger]) => finger !== id).map(([, point]) => point);
    const before = this.#fingers.get(id);
    this.#fingers.set(id, at);
    const other = others[0];
    if (!other) return;
    const spread = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    const { space, stageSize } = this.#view;
    const middle = { x: (before.x + other.x) / 2, y: (before.y + other.y) / 2 };
    const zoomed = zoomAt(space, stageSize, this.#view.view, spread(at) / spread(before), middle);
    this.#setView(panBy(space, stageSize, zoomed, (at.x - before.x) / 2, (at.y - before.y) / 2));
  }

  #setView(view) {
    this.#view.view = view;
    this.#view.draw();
    this.events.onViewChange();
  }

  /** The wheel zooms the picture while the picker is in use, and the canvas behind otherwise. */
  #wheel(event) {
    const inUse = this.#view.hasFocus;
    const zoomsOutOfFit = event.deltaY > 0 && this.#view.view.zoom <= 1;
    if (!inUse || (zoomsOutOfFit && !this.busy) || event.deltaY === 0) {
      this.#host.passWheel(event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    const factor = WHEEL_STEP ** (-event.deltaY * lines);
    const kept = Math.max(1, this.#view.view.zoom * factor) / this.#view.view.zoom;
    this.#setView(zoomAt(this.#view.space, this.#view.stageSize, this.#view.view, kept, this.#view.stagePoint(event)));
  }

  #showCursor(at, type) {
    const found = this.hand ? { kind: "pan" } : this.hit(at, type);
    this.#view.stage.dataset.cursor = found?.kind ?? "draw";
  }
}

/** One step of a point by whole pixels of the picture, which stays on it if it was. */
export function nudged(point, dx, dy, picture) {
  const at = toPixels(point, picture);
  const next = fromPixels({ x: at.x + dx, y: at.y + dy }, picture);
  return isOutside(point) ? next : inside(next);
}
