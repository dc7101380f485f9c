/** Draws picture, overlay and marks. Reads the model, never changes it. */

import { assign, html, svg } from "./dom.js";
import { FITTED, frameOf, shorterSide, toPixels, toStage } from "./geometry.js";
import { isOutside } from "./model.js";
import { colourOf, inkOn } from "./palette.js";
import { text } from "./text.js";

const UNKNOWN_PICTURE = Object.freeze({ width: 512, height: 512 });
const HANDLE_RADIUS = 9;
const TARGET_RADIUS = 7;
const GRIP_RADIUS = 5;
const EDGE_INSET = 3;

export class View {
  view = { ...FITTED };
  /** @type {{width: number, height: number}|null} pixels; null until a picture is known */
  picture = null;
  #model;
  #marks = [];
  #stageSize = { width: 1, height: 1 };
  #pending = 0;

  /**
   * @param {import("./model.js").PointsModel} model
   */
  constructor(model) {
    this.#model = model;
    this.image = html("img", { class: "ad-picture", alt: "", draggable: "false" });
    this.overlay = html("canvas", { class: "ad-overlay", "aria-hidden": "true" });
    this.empty = html("div", { class: "ad-empty" });
    this.marks = svg("svg", { class: "ad-marks", "aria-hidden": "true" });
    // What takes the focus are invisible inputs over the drawing: ComfyUI leaves undo and single-key shortcuts to
    // an <input> that has the focus, and screen readers know what to do with one.
    this.ground = html("input", { type: "button", class: "ad-ground", "aria-label": text("stage") });
    this.points = html("div", { class: "ad-points", role: "group", "aria-label": text("pairs") });
    this.stage = html(
      "div",
      { class: "ad-stage" },
      this.image,
      this.overlay,
      this.empty,
      this.marks,
      this.ground,
      this.points,
    );
    for (const type of ["focusin", "focusout"]) {
      this.stage.addEventListener(type, () => {
        // Where nodes are drawn by Vue, ComfyUI takes the wheel before it gets here, but not from such an element.
        this.stage.dataset.captureWheel = String(type === "focusin");
        this.draw();
      });
    }
    this.image.hidden = true;
    this.overlay.hidden = true;
  }

  get space() {
    return this.picture ?? UNKNOWN_PICTURE;
  }

  get stageSize() {
    return this.#stageSize;
  }

  get frame() {
    return frameOf(this.space, this.#stageSize, this.view);
  }

  /** How many screen pixels a CSS pixel of the stage takes (the canvas behind may be zoomed). */
  get screenScale() {
    const width = this.stage.getBoundingClientRect().width;
    return width && this.stage.offsetWidth ? width / this.stage.offsetWidth : 1;
  }

  /** Marks grow when the canvas is zoomed out, so that they stay visible and graspable. */
  get markScale() {
    return Math.min(2.2, Math.max(1, 1 / this.screenScale));
  }

  /** Where a pointer event lies on the stage, in the stage's own pixels. */
  stagePoint(event) {
    const box = this.stage.getBoundingClientRect();
    const scale = this.screenScale;
    return { x: (event.clientX - box.left) / scale, y: (event.clientY - box.top) / scale };
  }

  /** A mark's place on the stage; a point outside of the visible part sits on the stage's edge. */
  markPoint(point) {
    const at = toStage(point, this.frame);
    if (!isOutside(point)) return at;
    const inset = EDGE_INSET + TARGET_RADIUS * this.markScale;
    return {
      x: Math.min(this.#stageSize.width - inset, Math.max(inset, at.x)),
      y: Math.min(this.#stageSize.height - inset, Math.max(inset, at.y)),
    };
  }

  /** The radius circle of a pair on the stage: its half axes (equal but for rounding). */
  radiusOnStage(pair) {
    return (pair.radius * shorterSide(this.space) * this.frame.width) / this.space.width;
  }

  gripPoint(pair) {
    const at = toStage(pair.handle, this.frame);
    const along = Math.SQRT1_2 * this.radiusOnStage(pair);
    return { x: at.x + along, y: at.y - along };
  }

  draw() {
    if (!this.#pending) this.#pending = requestAnimationFrame(() => this.#drawNow());
  }

  measure() {
    this.#stageSize = { width: this.stage.clientWidth || 1, height: this.stage.clientHeight || 1 };
    this.draw();
  }

  /** Gives the focus to a point, or to the picture as a whole when there is no such point. */
  focus(index = -1, end = "target") {
    this.#drawNow();
    (this.#marks[index]?.[`${end}Input`] ?? this.ground).focus({ preventScroll: true });
  }

  get hasFocus() {
    return this.stage.contains(document.activeElement);
  }

  dispose() {
    cancelAnimationFrame(this.#pending);
  }

  #drawNow() {
    cancelAnimationFrame(this.#pending);
    this.#pending = 0;
    const frame = this.frame;
    for (const layer of [this.image, this.overlay]) {
      Object.assign(layer.style, {
        left: `${frame.left}px`,
        top: `${frame.top}px`,
        width: `${frame.width}px`,
        height: `${frame.height}px`,
      });
    }
    // Enlarged past its own pixels, the picture shows them as squares, so that single ones can be aimed at.
    const enlarged = (frame.width / this.space.width) * this.screenScale;
    this.image.style.imageRendering = enlarged > 6 ? "pixelated" : "auto";
    const { pairs, selection } = this.#model;
    while (this.#marks.length > pairs.length) {
      const { group, handleInput, targetInput } = this.#marks.pop();
      // A point that goes while it has the focus hands it on: the next Ctrl+Z must not end up with ComfyUI.
      if ([handleInput, targetInput].includes(document.activeElement)) this.ground.focus({ preventScroll: true });
      for (const part of [group, handleInput, targetInput]) part.remove();
    }
    while (this.#marks.length < pairs.length) this.#marks.push(this.#makeMark(this.#marks.length));
    pairs.forEach((pair, index) => this.#drawMark(this.#marks[index], pair, index, selection));
  }

  #makeMark(index) {
    const colour = colourOf(index);
    // Light round dark colours and dark round light ones: seen on any picture.
    const edge = inkOn(colour) === "#000000" ? "#000000bf" : "#ffffffd0";
    const point = (end, ...shapes) => svg("g", { class: `ad-point ad-${end}` }, ...shapes);
    const input = (end) => html("input", { type: "range", class: "ad-point-input", "data-index": index, "data-end": end });
    const mark = {
      radiusHalo: svg("circle", { class: "ad-radius-halo", stroke: edge }),
      radius: svg("circle", { class: "ad-radius", stroke: colour }),
      grip: svg("circle", { class: "ad-grip", fill: colour }),
      halo: svg("path", { class: "ad-shaft-halo", stroke: edge }),
      shaft: svg("path", { class: "ad-shaft", stroke: colour }),
      head: svg("path", { class: "ad-head", fill: colour, stroke: edge }),
      disc: svg("circle", { class: "ad-disc", fill: colour }),
      handleRing: svg("circle", { class: "ad-ring" }),
      number: svg("text", { class: "ad-number", fill: inkOn(colour) }),
      targetHalo: svg("circle", { class: "ad-target-halo", stroke: edge }),
      circle: svg("circle", { class: "ad-circle", stroke: colour }),
      dot: svg("circle", { class: "ad-dot", fill: colour }),
      targetRing: svg("circle", { class: "ad-ring" }),
    };
    mark.handle = point("handle", mark.handleRing, mark.disc, mark.number);
    mark.target = point("target", mark.targetRing, mark.targetHalo, mark.circle, mark.dot);
    mark.group = svg("g", { class: "ad-pair" }, mark.radiusHalo, mark.radius, mark.halo, mark.shaft, mark.head, mark.target, mark.handle, mark.grip);
    mark.handleInput = input("handle");
    mark.targetInput = input("target");
    this.marks.append(mark.group);
    this.points.append(mark.handleInput, mark.targetInput);
    return mark;
  }

  #drawMark(mark, pair, index, selection) {
    const size = this.markScale;
    const from = this.markPoint(pair.handle);
    const to = this.markPoint(pair.target);
    const selected = selection?.index === index;
    const outside = isOutside(pair.target);
    mark.group.classList.toggle("ad-selected", selected);
    mark.target.classList.toggle("ad-outside", outside);
    mark.handle.classList.toggle("ad-chosen", selected && selection.end === "handle");
    mark.target.classList.toggle("ad-chosen", selected && selection.end === "target");

    const width = (selected ? 3 : 2.2) * size;
    const arrow = arrowBetween(from, to, HANDLE_RADIUS * size, TARGET_RADIUS * size, size);
    assign(mark.halo, { d: arrow.shaft, "stroke-width": width + 2.4 * size });
    assign(mark.shaft, { d: arrow.shaft, "stroke-width": width });
    assign(mark.head, { d: arrow.head, "stroke-width": 0.9 * size });

    assign(mark.disc, { cx: from.x, cy: from.y, r: HANDLE_RADIUS * size, "stroke-width": 1.6 * size });
    assign(mark.handleRing, { cx: from.x, cy: from.y, r: (HANDLE_RADIUS + 3.5) * size, "stroke-width": 2 * size });
    assign(mark.number, { x: from.x, y: from.y, "font-size": (index > 8 ? 9 : 11) * size });
    mark.number.textContent = String(index + 1);
    // An anchor's target would vanish under its handle: it goes round it.
    const ring = (Math.hypot(to.x - from.x, to.y - from.y) < 3 ? HANDLE_RADIUS + 5 : TARGET_RADIUS) * size;
    assign(mark.targetHalo, { cx: to.x, cy: to.y, r: ring, "stroke-width": 4.6 * size });
    assign(mark.circle, { cx: to.x, cy: to.y, r: ring, "stroke-width": 2.4 * size });
    assign(mark.dot, { cx: to.x, cy: to.y, r: 2 * size });
    assign(mark.targetRing, { cx: to.x, cy: to.y, r: ring + 5 * size, "stroke-width": 2 * size });

    const limited = pair.radius !== null;
    for (const circle of [mark.radiusHalo, mark.radius]) circle.style.display = limited ? "" : "none";
    mark.grip.style.display = limited && selected ? "" : "none";
    if (limited) {
      const grip = this.gripPoint(pair);
      const circle = { cx: from.x, cy: from.y, r: this.radiusOnStage(pair) };
      assign(mark.radiusHalo, { ...circle, "stroke-width": 3.4 * size });
      assign(mark.radius, { ...circle, "stroke-width": 1.6 * size });
      assign(mark.grip, { cx: grip.x, cy: grip.y, r: GRIP_RADIUS * size, "stroke-width": 1.4 * size });
    }
    this.#placeInput(mark, "handle", pair.handle, from, index);
    this.#placeInput(mark, "target", pair.target, to, index);
  }

  #placeInput(mark, end, point, at, index) {
    const input = mark[`${end}Input`];
    mark[end].classList.toggle("ad-focused", input === document.activeElement && input.matches(":focus-visible"));
    input.style.left = `${at.x}px`;
    input.style.top = `${at.y}px`;
    assign(input, {
      "aria-label": text(`${end}Label`, { number: index + 1 }),
      "aria-valuetext": describePoint(point, this.picture),
    });
  }
}

/** A point's place in the user's words. */
export function describePoint(point, picture) {
  const far = isOutside(point) ? `, ${text("outside")}` : "";
  if (!picture) {
    const percent = (value) => (value * 100).toFixed(1);
    return text("positionPercent", { x: percent(point.x), y: percent(point.y) }) + far;
  }
  const at = toPixels(point, picture);
  return text("position", { x: tidy(at.x), y: tidy(at.y) }) + far;
}

/** Pixels with a decimal only where there is one. */
export function tidy(value) {
  return String(Math.round(value * 10) / 10);
}

/** Paths of an arrow that leaves the handle's disc and ends at the target's ring. */
function arrowBetween(from, to, fromRadius, toRadius, size) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const room = length - fromRadius - toRadius;
  if (room < 2 * size) return { shaft: "", head: "" };
  const ux = (to.x - from.x) / length;
  const uy = (to.y - from.y) / length;
  const at = (along, across = 0) =>
    `${(from.x + ux * along - uy * across).toFixed(2)} ${(from.y + uy * along + ux * across).toFixed(2)}`;
  const tip = length - toRadius - 1.5 * size;
  const head = Math.min(11 * size, room);
  return {
    shaft: `M${at(fromRadius)}L${at(tip - head * 0.8)}`,
    head: `M${at(tip)}L${at(tip - head, head * 0.45)}L${at(tip - head, -head * 0.45)}Z`,
  };
}
