/** What lies under a pointer. */

import { distanceToSegment } from "./geometry.js";

/** How far from a point or a shaft a press still takes it, in CSS pixels at a mark scale of 1. */
const REACH = { mouse: 11, pen: 16, touch: 24 };
const SHAFT_REACH = { mouse: 6, pen: 9, touch: 14 };

/**
 * @typedef {{kind: "end", index: number, end: "handle"|"target"} | {kind: "radius"|"pair", index: number}} Hit
 *   one end of a pair, the grip of its radius, or its shaft
 */

/**
 * Ends and grips come before shafts.
 * @param {{x: number, y: number}} at on the stage
 * @param {string} type of the pointer: mouse, pen or touch
 * @returns {Hit|null}
 */
export function hitTest(at, type, model, stage) {
  const scale = stage.markScale;
  return (
    nearest(marksNear(at, (REACH[type] ?? REACH.mouse) * scale, model, stage)) ??
    nearest(shaftsNear(at, (SHAFT_REACH[type] ?? SHAFT_REACH.mouse) * scale, model, stage))
  );
}

function* marksNear(at, reach, { pairs, selection }, stage) {
  for (const [index, pair] of pairs.entries()) {
    // The selected pair wins where two lie on each other, then the one drawn last.
    const bias = selection?.index === index ? -3 : -index / (pairs.length + 1);
    for (const end of ["handle", "target"]) {
      const mark = stage.markPoint(pair[end]);
      const distance = Math.hypot(at.x - mark.x, at.y - mark.y);
      const endBias = end === "target" ? -0.5 : 0;
      if (distance <= reach) yield { found: { kind: "end", index, end }, distance: distance + bias + endBias };
    }
  }
  const chosen = selection && pairs[selection.index];
  if (chosen?.radius != null) {
    const grip = stage.gripPoint(chosen);
    const distance = Math.hypot(at.x - grip.x, at.y - grip.y) - 3;
    if (distance <= reach) yield { found: { kind: "radius", index: selection.index }, distance };
  }
}

function* shaftsNear(at, reach, { pairs }, stage) {
  for (const [index, pair] of pairs.entries()) {
    const distance = distanceToSegment(at, stage.markPoint(pair.handle), stage.markPoint(pair.target));
    if (distance <= reach) yield { found: { kind: "pair", index }, distance };
  }
}

/** Of several as near as each other, the first. */
function nearest(offers) {
  let best = null;
  for (const offer of offers) if (!best || offer.distance < best.distance) best = offer;
  return best && best.found;
}
