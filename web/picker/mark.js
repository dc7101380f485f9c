/** The mark of one pair on the stage: arrow, disc, ring and radius, or the square of an anchor. */

import { arrowBetween } from "./arrow.js";
import { assign, svg } from "./dom.js";
import { nameOf, signed } from "./naming.js";
import { colourOf, inkOn } from "./palette.js";
import { isAnchor, isOutside } from "./points.js";
import { describePoint } from "./position.js";
import { SpotInput } from "./spotinput.js";
import { drawTag, makeTag } from "./tag.js";

/** Radii in CSS pixels of the stage, at a mark scale of 1. */
export const TARGET_RADIUS = 7;
const HANDLE_RADIUS = 9;
const GRIP_RADIUS = 5;
/** Half the sides of an anchor's square and of the frame round it. */
const SQUARE = 8.5;
const FRAME = 13;

export class Mark {
  #index;
  #parts;
  #handle;
  #target;

  /** @param {number} index of the pair, counted from 0: it decides on number and colour */
  constructor(index) {
    this.#index = index;
    this.#parts = partsOf(index);
    const p = this.#parts;
    this.#handle = svg(
      "g",
      { class: "ad-point ad-handle" },
      p.handleRing, p.frameHalo, p.frame, p.square, p.disc, p.number, p.tag,
    );
    this.#target = svg("g", { class: "ad-point ad-target" }, p.targetRing, p.targetHalo, p.circle, p.dot);
    this.group = svg(
      "g",
      { class: "ad-pair" },
      p.radiusHalo, p.radius, p.halo, p.shaft, p.head, this.#target, this.#handle, p.grip,
    );
    this.inputs = { handle: new SpotInput({ index, end: "handle" }), target: new SpotInput({ index, end: "target" }) };
  }

  get hasFocus() {
    return Object.values(this.inputs).some((input) => input.hasFocus);
  }

  remove() {
    for (const part of [this.group, ...Object.values(this.inputs)]) part.remove();
  }

  /**
   * @param {import("./model.js").PointsModel} model
   * @param {import("./stage.js").Stage} stage where things lie
   */
  draw(model, stage) {
    const pair = model.pairs[this.#index];
    const from = stage.markPoint(pair.handle);
    const to = stage.markPoint(pair.target);
    const size = stage.markScale;
    const spot = { index: this.#index, end: "handle" };
    const selected = model.isSelected(spot);
    const anchor = isAnchor(pair);
    this.group.classList.toggle("ad-selected", selected);
    this.group.classList.toggle("ad-anchor", anchor);
    const motion = pair.motion ?? model.toldMotion(this.#index);
    this.group.dataset.motion = anchor ? "" : (motion ?? "");
    this.#handle.classList.toggle("ad-chosen", selected && model.selection.end === "handle");
    this.#target.classList.toggle("ad-chosen", selected && model.selection.end === "target");
    this.#target.classList.toggle("ad-outside", isOutside(pair.target));
    this.#drawArrow(from, to, size, selected, motion);
    this.#drawHandle(from, size, anchor);
    this.#drawTarget(to, size, anchor);
    this.#drawRadius(pair, from, stage, selected);
    const told = [pair.size === 0 ? null : signed(pair.size), pair.group === null ? null : `G${pair.group}`];
    drawTag(this.#parts.tag, from, size, told.filter(Boolean).join(" "));
    this.#placeInput("handle", from, model, stage);
    this.#placeInput("target", to, model, stage);
  }

  #drawArrow(from, to, size, selected, motion) {
    const { halo, shaft, head } = this.#parts;
    const width = (selected ? 3 : 2.2) * size;
    const radii = { from: HANDLE_RADIUS * size, to: TARGET_RADIUS * size };
    const arrow = arrowBetween(from, to, radii, size, motion);
    assign(halo, { d: arrow.shaft, "stroke-width": width + 2.4 * size });
    assign(shaft, { d: arrow.shaft, "stroke-width": width });
    assign(head, { d: arrow.head, "stroke-width": 0.9 * size });
  }

  #drawHandle(at, size, anchor) {
    const { disc, square, frame, frameHalo, handleRing, number } = this.#parts;
    assign(disc, { cx: at.x, cy: at.y, r: HANDLE_RADIUS * size, "stroke-width": 1.6 * size });
    assign(square, { ...box(at, SQUARE * size), rx: 2 * size, "stroke-width": 1.6 * size });
    assign(frameHalo, { ...box(at, FRAME * size), rx: 3 * size, "stroke-width": 4.6 * size });
    assign(frame, { ...box(at, FRAME * size), rx: 3 * size, "stroke-width": 2.4 * size });
    const ring = anchor ? FRAME * Math.SQRT2 + 2.5 : HANDLE_RADIUS + 3.5;
    assign(handleRing, { cx: at.x, cy: at.y, r: ring * size, "stroke-width": 2 * size });
    assign(number, { x: at.x, y: at.y, "font-size": (this.#index > 8 ? 9 : 11) * size });
    number.textContent = String(this.#index + 1);
  }

  #drawTarget(at, size, anchor) {
    const { targetHalo, circle, dot, targetRing } = this.#parts;
    const ring = TARGET_RADIUS * size;
    assign(targetHalo, { cx: at.x, cy: at.y, r: ring, "stroke-width": 4.6 * size });
    assign(circle, { cx: at.x, cy: at.y, r: ring, "stroke-width": 2.4 * size });
    assign(dot, { cx: at.x, cy: at.y, r: 2 * size });
    assign(targetRing, { cx: at.x, cy: at.y, r: anchor ? 23 * size : ring + 5 * size, "stroke-width": 2 * size });
  }

  #drawRadius(pair, from, stage, selected) {
    const { radiusHalo, radius, grip } = this.#parts;
    const limited = pair.radius !== null;
    for (const circle of [radiusHalo, radius]) circle.style.display = limited ? "" : "none";
    grip.style.display = limited && selected ? "" : "none";
    if (!limited) return;
    const size = stage.markScale;
    const circle = { cx: from.x, cy: from.y, r: stage.radiusOnStage(pair) };
    assign(radiusHalo, { ...circle, "stroke-width": 3.4 * size });
    assign(radius, { ...circle, "stroke-width": 1.6 * size });
    const at = stage.gripPoint(pair);
    assign(grip, { cx: at.x, cy: at.y, r: GRIP_RADIUS * size, "stroke-width": 1.4 * size });
  }

  #placeInput(end, at, model, stage) {
    const spot = { index: this.#index, end };
    const input = this.inputs[end];
    (end === "handle" ? this.#handle : this.#target).classList.toggle("ad-focused", input.showsFocus);
    input.put(at, nameOf(model, spot), describePoint(model.pointAt(spot), stage.picture));
  }
}

const box = (at, half) => ({ x: at.x - half, y: at.y - half, width: 2 * half, height: 2 * half });

function partsOf(index) {
  const colour = colourOf(index);
  // Light round dark colours and dark round light ones: seen on any picture.
  const edge = inkOn(colour) === "#000000" ? "#000000bf" : "#ffffffd0";
  return {
    radiusHalo: svg("circle", { class: "ad-radius-halo", stroke: edge }),
    radius: svg("circle", { class: "ad-radius", stroke: colour }),
    grip: svg("circle", { class: "ad-grip", fill: colour }),
    halo: svg("path", { class: "ad-shaft-halo", stroke: edge }),
    shaft: svg("path", { class: "ad-shaft", stroke: colour }),
    head: svg("path", { class: "ad-head", fill: colour, stroke: edge }),
    disc: svg("circle", { class: "ad-disc", fill: colour }),
    square: svg("rect", { class: "ad-square", fill: colour }),
    frameHalo: svg("rect", { class: "ad-frame-halo", stroke: edge }),
    frame: svg("rect", { class: "ad-frame", stroke: colour }),
    handleRing: svg("circle", { class: "ad-ring" }),
    number: svg("text", { class: "ad-number", fill: inkOn(colour) }),
    tag: makeTag(),
    targetHalo: svg("circle", { class: "ad-target-halo", stroke: edge }),
    circle: svg("circle", { class: "ad-circle", stroke: colour }),
    dot: svg("circle", { class: "ad-dot", fill: colour }),
    targetRing: svg("circle", { class: "ad-ring" }),
  };
}
