/** What lies under a pointer. */

import { distanceToSegment } from "./geometry.js";
import { isAnchor } from "./points.js";

/** How far from a point or a shaft a press still takes it, in CSS pixels at a mark scale of 1. */
const REACH = { mouse: 11, pen: 16, touch: 24 };
const SHAFT_REACH = { mouse: 6, pen: 9, touch: 14 };
/** What is selected wins by so many pixels where marks lie on each other. */
const SELECTED = 3;

/**
 * @typedef {{kind: "end", index: number, end: "handle"|"target"|"click"} | {kind: "radius"|"pair", index: number}} Hit
 *   one end of a pair or a click, the grip of a radius, or a pair as a whole: its shaft, or an anchor
 */

/**
 * Ends and grips come before shafts.
 * @param {{x: number, y: number}} at on the stage
 * @param {string} type of the pointer: mouse, pen or touch
 * @param {boolean} shafts whether they are taken, too: clicks are put on them as on the picture
 * @returns {Hit|null}
 */
export function hitTest(at, type, shafts, model, stage) {
  const scale = stage.markScale;
  const reach = (REACH[type] ?? REACH.mouse) * scale;
  const shaftReach = (SHAFT_REACH[type] ?? SHAFT_REACH.mouse) * scale;
  return (
    nearest([...marksNear(at, reach, model, stage), ...clicksNear(at, reach, model, stage)]) ??
    (shafts ? nearest(shaftsNear(at, shaftReach, model, stage)) : null)
  );
}

function* marksNear(at, reach, model, stage) {
  const { pairs, selection } = model;
  for (const [index, pair] of pairs.entries()) {
    const spot = { index, end: "handle" };
    // The selected pair wins where two lie on each other, then the one drawn last.
    const bias = model.isSelected(spot) ? -SELECTED : -index / (pairs.length + 1);
    const anchor = isAnchor(pair);
    for (const end of anchor ? ["handle"] : ["handle", "target"]) {
      const distance = distanceOf(at, pair[end], stage);
      const endBias = end === "target" ? -0.5 : 0;
      const found = anchor ? { kind: "pair", index } : { kind: "end", index, end };
      if (distance <= reach) yield { found, distance: distance + bias + endBias };
    }
  }
  const chosen = selection && selection.end !== "click" && pairs[selection.index];
  if (chosen && chosen.radius !== null) {
    const grip = stage.gripPoint(chosen);
    const distance = Math.hypot(at.x - grip.x, at.y - grip.y) - SELECTED;
    if (distance <= reach) yield { found: { kind: "radius", index: selection.index }, distance };
  }
}

function* clicksNear(at, reach, model, stage) {
  const { clicks } = model;
  for (const [index, click] of clicks.entries()) {
    const spot = { index, end: "click" };
    // Drawn over the pairs.
    const bias = model.isSelected(spot) ? -SELECTED : -1 - index / (clicks.length + 1);
    const distance = distanceOf(at, click.at, stage);
    if (distance <= reach) yield { found: { kind: "end", ...spot }, distance: distance + bias };
  }
}

function* shaftsNear(at, reach, { pairs }, stage) {
  for (const [index, pair] of pairs.entries()) {
    const distance = distanceToSegment(at, stage.markPoint(pair.handle), stage.markPoint(pair.target));
    if (distance <= reach) yield { found: { kind: "pair", index }, distance };
  }
}

function distanceOf(at, point, stage) {
  const mark = stage.markPoint(point);
  return Math.hypot(at.x - mark.x, at.y - mark.y);
}

/** Of several as near as each other, the first. */
function nearest(offers) {
  let best = null;
  for (const offer of offers) if (!best || offer.distance < best.distance) best = offer;
  return best && best.found;
}
