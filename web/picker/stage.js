/** The drawing area: picture, overlay and marks, and where on it things lie. Reads the model, never changes it. */

import { ClickMark } from "./clickmark.js";
import { html, svg } from "./dom.js";
import { FITTED, frameOf, shorterSide, toStage, zoomAt } from "./geometry.js";
import { Mark, TARGET_RADIUS } from "./mark.js";
import { isOutside } from "./points.js";
import { text } from "./text.js";

const UNKNOWN_PICTURE = Object.freeze({ width: 512, height: 512 });
const EDGE_INSET = 3;

export class Stage {
  /** @type {{width: number, height: number}|null} pixels; null until a picture is known */
  picture = null;
  /** Where it was edited. @type {import("./host.js").Window|null} */
  window = null;
  #model;
  #onViewChange;
  #view = { ...FITTED };
  /** Of the pairs, and over them of the clicks: marks, their layer, and that of the inputs for their points. */
  #layers = {
    pairs: { Mark, marks: [], drawn: svg("g"), inputs: html("div", { role: "group", "aria-label": text("pairs") }) },
    clicks: { Mark: ClickMark, marks: [], drawn: svg("g"), inputs: html("div", { role: "group", "aria-label": text("clicks") }) },
  };
  #size = { width: 1, height: 1 };
  #pending = 0;

  /**
   * @param {import("./model.js").PointsModel} model
   * @param {() => void} onViewChange called after each zoom and pan
   */
  constructor(model, onViewChange) {
    this.#model = model;
    this.#onViewChange = onViewChange;
    this.image = html("img", { class: "ad-picture", alt: "", draggable: "false" });
    this.overlay = html("canvas", { class: "ad-overlay", "aria-hidden": "true" });
    this.windowFrame = html("div", { class: "ad-window", "aria-hidden": "true", hidden: "" });
    this.empty = html("div", { class: "ad-empty" });
    const { pairs, clicks } = this.#layers;
    this.marks = svg("svg", { class: "ad-marks", "aria-hidden": "true" }, pairs.drawn, clicks.drawn);
    // What takes the focus are invisible inputs over the drawing: pages leave undo and single-key shortcuts to an
    // <input> that has the focus, ComfyUI's among them, and screen readers know what to do with one.
    this.ground = html("input", { type: "button", class: "ad-ground", "aria-label": text("stage") });
    this.points = html("div", { class: "ad-points" }, pairs.inputs, clicks.inputs);
    const layers = [this.image, this.overlay, this.windowFrame, this.empty, this.marks, this.ground, this.points];
    this.element = html("div", { class: "ad-stage" }, ...layers);
    for (const type of ["focusin", "focusout"]) {
      this.element.addEventListener(type, () => {
        // Where nodes are drawn by Vue, ComfyUI takes the wheel before it gets here, but not from such an element.
        this.element.dataset.captureWheel = String(type === "focusin");
        this.draw();
      });
    }
    this.image.hidden = true;
    this.overlay.hidden = true;
  }

  /** @returns {{zoom: number, x: number, y: number}} see geometry.js */
  get view() {
    return this.#view;
  }

  set view(view) {
    this.#view = view;
    this.draw();
    this.#onViewChange();
  }

  /** The picture's size, or what stands for it until there is one. */
  get space() {
    return this.picture ?? UNKNOWN_PICTURE;
  }

  get size() {
    return this.#size;
  }

  get frame() {
    return frameOf(this.space, this.#size, this.view);
  }

  /** How many screen pixels a CSS pixel of the stage takes (the canvas behind may be zoomed). */
  get screenScale() {
    const width = this.element.getBoundingClientRect().width;
    return width && this.element.offsetWidth ? width / this.element.offsetWidth : 1;
  }

  /** Marks grow when the canvas is zoomed out, so that they stay visible and graspable. */
  get markScale() {
    return Math.min(2.2, Math.max(1, 1 / this.screenScale));
  }

  /** Where a pointer event lies on the stage, in the stage's own pixels. */
  pointOf(event) {
    const box = this.element.getBoundingClientRect();
    const scale = this.screenScale;
    return { x: (event.clientX - box.left) / scale, y: (event.clientY - box.top) / scale };
  }

  /** A mark's place on the stage; a point outside of the visible part sits on the stage's edge. */
  markPoint(point) {
    const at = toStage(point, this.frame);
    if (!isOutside(point)) return at;
    const inset = EDGE_INSET + TARGET_RADIUS * this.markScale;
    return {
      x: Math.min(this.#size.width - inset, Math.max(inset, at.x)),
      y: Math.min(this.#size.height - inset, Math.max(inset, at.y)),
    };
  }

  /** The radius circle of a pair on the stage: its half axes (equal but for rounding). */
  radiusOnStage(pair) {
    return (pair.radius * shorterSide(this.space) * this.frame.width) / this.space.width;
  }

  /** Where the radius of a pair is taken hold of. */
  gripPoint(pair) {
    const at = toStage(pair.handle, this.frame);
    const along = Math.SQRT1_2 * this.radiusOnStage(pair);
    return { x: at.x + along, y: at.y - along };
  }

  /** Zooms with what is under `at` (the stage's middle if not given) staying where it is. */
  zoomBy(factor, at = { x: this.#size.width / 2, y: this.#size.height / 2 }) {
    this.view = zoomAt(this.space, this.#size, this.view, factor, at);
  }

  fit() {
    this.view = { ...FITTED };
  }

  draw() {
    if (!this.#pending) this.#pending = requestAnimationFrame(() => this.#drawNow());
  }

  measure() {
    this.#size = { width: this.element.clientWidth || 1, height: this.element.clientHeight || 1 };
    this.draw();
  }

  /**
   * Gives the focus to a point, or to the picture as a whole when there is no such point.
   * @param {import("./points.js").Spot|null} spot
   */
  focus(spot = null) {
    this.#drawNow();
    const { marks } = this.#layers[spot?.end === "click" ? "clicks" : "pairs"];
    const input = spot && marks[spot.index]?.inputs[spot.end].element;
    (input ?? this.ground).focus({ preventScroll: true });
  }

  get hasFocus() {
    return this.element.contains(document.activeElement);
  }

  /** Draws no more until it is asked to again. */
  dispose() {
    cancelAnimationFrame(this.#pending);
    this.#pending = 0;
  }

  #drawNow() {
    cancelAnimationFrame(this.#pending);
    this.#pending = 0;
    this.#placeLayers();
    for (const [list, layer] of Object.entries(this.#layers)) {
      this.#haveMarks(layer, this.#model[list].length);
      for (const mark of layer.marks) mark.draw(this.#model, this);
    }
  }

  #placeLayers() {
    const { width } = this.frame;
    const place = (layer, box) => {
      for (const [side, value] of Object.entries(box)) layer.style[side] = `${value}px`;
    };
    const whole = this.#boxOf({ left: 0, top: 0, width: 1, height: 1 });
    const window = this.window && this.#boxOf(this.window);
    place(this.image, whole);
    place(this.overlay, this.window?.inside ? window : whole);
    this.windowFrame.hidden = !window || this.image.hidden;
    if (window) place(this.windowFrame, window);
    // Enlarged past its own pixels, the picture shows them as squares, so that single ones can be aimed at.
    const enlarged = (width / this.space.width) * this.screenScale;
    this.image.style.imageRendering = enlarged > 6 ? "pixelated" : "auto";
  }

  /** A part of the picture, in shares of it, on the stage. */
  #boxOf(part) {
    const { left, top, width, height } = this.frame;
    return {
      left: left + part.left * width, top: top + part.top * height, width: part.width * width, height: part.height * height,
    };
  }

  #haveMarks({ Mark: Kind, marks, drawn, inputs }, count) {
    while (marks.length > count) {
      const mark = marks.pop();
      // A point that goes while it has the focus hands it on: the next Ctrl+Z must not end up with the page.
      if (mark.hasFocus) this.ground.focus({ preventScroll: true });
      mark.remove();
    }
    while (marks.length < count) {
      const mark = new Kind(marks.length);
      marks.push(mark);
      drawn.append(mark.group);
      inputs.append(...Object.values(mark.inputs).map((input) => input.element));
    }
  }
}
