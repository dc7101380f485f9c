/** Places in the user's words. */

import { toPixels } from "./geometry.js";
import { isOutside } from "./points.js";
import { text } from "./text.js";

/**
 * A point's place, to be read.
 * @param {{x: number, y: number}} point normalised
 * @param {{width: number, height: number}|null} picture in pixels; null while it is not known
 */
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
