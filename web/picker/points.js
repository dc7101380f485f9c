/**
 * What is set on a picture, as it is kept. Points are {x, y}, normalised to the picture's width and height. A pair is
 * {handle, target, radius: number|null, group: number|null, motion: "move"|"reshape"|"push"|null, size: number}; the radius is a
 * share of the picture's shorter side, pairs of one group drag one object, without a motion the node chooses, and size
 * counts steps to what is larger (below 0: smaller) than what is found. A click is {at, kind: "add"|"leave_out", group: number|null}: what lies there belongs to the object, or doesn't.
 */

export const MAX_PAIRS = 256;
export const MAX_CLICKS = 256;
export const MAX_GROUP = 256;
export const MAX_SIZE = 9;
export const MOTIONS = Object.freeze(["move", "reshape", "push"]);
export const KINDS = Object.freeze(["add", "leave_out"]);
/** How far outside of the picture a target may lie (core/space/points.py refuses more). */
const TARGET_RANGE = Object.freeze([-4, 5]);
const RADIUS_RANGE = Object.freeze([0.005, 2]);
const DIGITS = 6;

/**
 * One point of what is set: an end of a pair, or a click. `index` counts from 0 among the pairs, or the clicks.
 * @typedef {{index: number, end: "handle"|"target"|"click"}} Spot
 */

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** @returns {number} with the digits that are stored */
export const rounded = (value) => Number(value.toFixed(DIGITS));

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

/** @returns {number|null} the nearest group there is; null for none */
export function usableGroup(group) {
  return group === null ? null : clamp(Math.round(group), 1, MAX_GROUP);
}

/** @returns {number} the nearest size there is */
export function usableSize(size) {
  return clamp(Math.round(size), -MAX_SIZE, MAX_SIZE);
}

export function isOutside(point) {
  return point.x < 0 || point.x > 1 || point.y < 0 || point.y > 1;
}

/** Whether a pair, as it is stored, holds its handle where it is. */
export function isAnchor({ handle, target }) {
  return rounded(handle.x) === rounded(target.x) && rounded(handle.y) === rounded(target.y);
}

/** @returns {Spot} of a pair's point that stands for the whole of it: an anchor has but one */
export function mainSpot(pairs, index) {
  return { index, end: pairs[index] && isAnchor(pairs[index]) ? "handle" : "target" };
}
