/**
 * Points and pairs as they are kept: {x, y} normalised to the picture's width and height. A pair is
 * {handle, target, radius: number|null}; the radius is a share of the picture's shorter side.
 */

export const MAX_PAIRS = 256;
/** How far outside of the picture a target may lie (core/points.py refuses more). */
const TARGET_RANGE = Object.freeze([-4, 5]);
const RADIUS_RANGE = Object.freeze([0.005, 2]);

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** @returns {{x: number, y: number}} the nearest point of the picture */
export function ontoPicture(point) {
  return { x: clamp(point.x, 0, 1), y: clamp(point.y, 0, 1) };
}

/** @returns {{x: number, y: number}} the nearest point a target may have */
export function intoReach(point) {
  return { x: clamp(point.x, ...TARGET_RANGE), y: clamp(point.y, ...TARGET_RANGE) };
}

/** @returns {number} the nearest radius a pair may be given */
export function usableRadius(radius) {
  return clamp(radius, ...RADIUS_RANGE);
}

export function isOutside(point) {
  return point.x < 0 || point.x > 1 || point.y < 0 || point.y > 1;
}
