/** What a press does while it is held and moved: drawing a pair, moving an end, a pair or a radius, panning. */

import { panBy, shorterSide, snapToAxis, toPicture, toStage } from "./geometry.js";
import { isOutside, ontoPicture } from "./points.js";

/**
 * @typedef {object} Gesture
 * @property {"draw"|"end"|"pair"|"radius"|"pan"|"pinch"} kind
 * @property {number} [index] of the pair
 * @property {"handle"|"target"} [end]
 * @property {number} pointer its id
 * @property {{x: number, y: number}} start on the stage
 * @property {{x: number, y: number}} last on the stage
 * @property {string} key all changes of one gesture are one step of undo
 * @property {object|null} from the pair as it was
 * @property {boolean} moved whether it is more than a click
 * @property {boolean} changed whether it has changed the drags
 */

/**
 * Carries a gesture on to where the pointer is now.
 * @param {Gesture} gesture
 * @param {{x: number, y: number}} at on the stage
 * @param {boolean} snap to the nearer axis
 * @returns {boolean} false when it cannot: there are as many pairs as are allowed
 */
export function follow(gesture, at, snap, model, stage) {
  if (gesture.kind === "pan") {
    stage.view = panBy(stage.space, stage.size, stage.view, at.x - gesture.last.x, at.y - gesture.last.y);
    return true;
  }
  if (gesture.kind === "draw") return draw(gesture, at, snap, model, stage);
  if (gesture.kind === "end") moveEnd(gesture, at, snap, model, stage);
  else if (gesture.kind === "pair") movePair(gesture, at, snap, model, stage);
  else if (gesture.kind === "radius") changeRadius(gesture, at, model, stage);
  gesture.changed = true;
  return true;
}

function draw(gesture, at, snap, model, { frame, space }) {
  const handle = model.pairs[gesture.index]?.handle ?? ontoPicture(toPicture(gesture.start, frame));
  const pointed = toPicture(at, frame);
  const target = ontoPicture(snap ? snapToAxis(handle, pointed, space) : pointed);
  if (!gesture.changed) {
    gesture.index = model.add(handle, target, gesture.key);
    if (gesture.index < 0) return false;
  }
  model.place(gesture.index, "target", target, gesture.key);
  gesture.changed = true;
  return true;
}

function moveEnd({ index, end, key, from, start }, at, snap, model, { frame, space }) {
  const pointed = toPicture(at, frame);
  // A mark outside of the picture sits on the stage's edge: it is taken to where the pointer is.
  const to = isOutside(from[end]) ? pointed : shifted(from[end], toPicture(start, frame), pointed);
  const other = from[end === "handle" ? "target" : "handle"];
  model.place(index, end, ontoPicture(snap ? snapToAxis(other, to, space) : to), key);
}

function movePair({ index, key, from, start }, at, snap, model, { frame, space }) {
  const to = shifted(from.handle, toPicture(start, frame), toPicture(at, frame));
  const handle = snap ? snapToAxis(from.handle, to, space) : to;
  model.placeBoth(index, handle, shifted(from.target, from.handle, handle), key);
}

function changeRadius({ index, key, from }, at, model, { frame, space }) {
  const centre = toStage(from.handle, frame);
  const pixels = (Math.hypot(at.x - centre.x, at.y - centre.y) * space.width) / frame.width;
  model.setRadius(index, pixels / shorterSide(space), key);
}

/** A point moved as far as it is from `before` to `after`. */
function shifted(point, before, after) {
  return { x: point.x + (after.x - before.x), y: point.y + (after.y - before.y) };
}
