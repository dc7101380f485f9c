/** The mark of one pair on the stage: arrow, disc, ring, radius, and the inputs that take the focus for its points. */

import { assign, html, svg } from "./dom.js";
import { colourOf, inkOn } from "./palette.js";
import { isOutside } from "./points.js";
import { describePoint } from "./position.js";
import { text } from "./text.js";

/** Radii in CSS pixels of the stage, at a mark scale of 1. */
export const TARGET_RADIUS = 7;
const HANDLE_RADIUS = 9;
const GRIP_RADIUS = 5;

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
    this.#handle = svg("g", { class: "ad-point ad-handle" }, p.handleRing, p.disc, p.number);
    this.#target = svg("g", { class: "ad-point ad-target" }, p.targetRing, p.targetHalo, p.circle, p.dot);
    this.group = svg(
      "g",
      { class: "ad-pair" },
      p.radiusHalo, p.radius, p.halo, p.shaft, p.head, this.#target, this.#handle, p.grip,
    );
    const input = (end) => html("input", { type: "range", class: "ad-point-input", "data-index": index, "data-end": end });
    this.inputs = { handle: input("handle"), target: input("target") };
  }

  get hasFocus() {
    return Object.values(this.inputs).includes(document.activeElement);
  }

  remove() {
    for (const part of [this.group, ...Object.values(this.inputs)]) part.remove();
  }

  /**
   * @param {object} pair
   * @param {{index: number, end: "handle"|"target"}|null} selection
   * @param {import("./stage.js").Stage} stage where things lie
   */
  draw(pair, selection, stage) {
    const from = stage.markPoint(pair.handle);
    const to = stage.markPoint(pair.target);
    const size = stage.markScale;
    const selected = selection?.index === this.#index;
    this.group.classList.toggle("ad-selected", selected);
    this.#handle.classList.toggle("ad-chosen", selected && selection.end === "handle");
    this.#target.classList.toggle("ad-chosen", selected && selection.end === "target");
    this.#target.classList.toggle("ad-outside", isOutside(pair.target));
    this.#drawArrow(from, to, size, selected);
    this.#drawHandle(from, size);
    this.#drawTarget(from, to, size);
    this.#drawRadius(pair, from, stage, selected);
    this.#placeInput("handle", pair.handle, from, stage.picture);
    this.#placeInput("target", pair.target, to, stage.picture);
  }

  #drawArrow(from, to, size, selected) {
    const { halo, shaft, head } = this.#parts;
    const width = (selected ? 3 : 2.2) * size;
    const arrow = arrowBetween(from, to, HANDLE_RADIUS * size, TARGET_RADIUS * size, size);
    assign(halo, { d: arrow.shaft, "stroke-width": width + 2.4 * size });
    assign(shaft, { d: arrow.shaft, "stroke-width": width });
    assign(head, { d: arrow.head, "stroke-width": 0.9 * size });
  }

  #drawHandle(at, size) {
    const { disc, handleRing, number } = this.#parts;
    assign(disc, { cx: at.x, cy: at.y, r: HANDLE_RADIUS * size, "stroke-width": 1.6 * size });
    assign(handleRing, { cx: at.x, cy: at.y, r: (HANDLE_RADIUS + 3.5) * size, "stroke-width": 2 * size });
    assign(number, { x: at.x, y: at.y, "font-size": (this.#index > 8 ? 9 : 11) * size });
    number.textContent = String(this.#index + 1);
  }

  #drawTarget(from, to, size) {
    const { targetHalo, circle, dot, targetRing } = this.#parts;
    // An anchor's target would vanish under its handle: it goes round it.
    const ring = (Math.hypot(to.x - from.x, to.y - from.y) < 3 ? HANDLE_RADIUS + 5 : TARGET_RADIUS) * size;
    assign(targetHalo, { cx: to.x, cy: to.y, r: ring, "stroke-width": 4.6 * size });
    assign(circle, { cx: to.x, cy: to.y, r: ring, "stroke-width": 2.4 * size });
    assign(dot, { cx: to.x, cy: to.y, r: 2 * size });
    assign(targetRing, { cx: to.x, cy: to.y, r: ring + 5 * size, "stroke-width": 2 * size });
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

  #placeInput(end, point, at, picture) {
    const input = this.inputs[end];
    const focused = input === document.activeElement && input.matches(":focus-visible");
    (end === "handle" ? this.#handle : this.#target).classList.toggle("ad-focused", focused);
    input.style.left = `${at.x}px`;
    input.style.top = `${at.y}px`;
    assign(input, {
      "aria-label": text(`${end}Label`, { number: this.#index + 1 }),
      "aria-valuetext": describePoint(point, picture),
    });
  }
}

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
    handleRing: svg("circle", { class: "ad-ring" }),
    number: svg("text", { class: "ad-number", fill: inkOn(colour) }),
    targetHalo: svg("circle", { class: "ad-target-halo", stroke: edge }),
    circle: svg("circle", { class: "ad-circle", stroke: colour }),
    dot: svg("circle", { class: "ad-dot", fill: colour }),
    targetRing: svg("circle", { class: "ad-ring" }),
  };
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
