/** What a press does while it is held and moved: drawing a pair, putting and moving what has one place, panning. */

import { panBy, shorterSide, snapToAxis, toPicture, toStage } from "./geometry.js";
import { isOutside, ontoPicture } from "./points.js";
import { make } from "./tools.js";

/** How near to its own handle a target is taken for an anchor's, in CSS pixels at a mark scale of 1. */
const HOLD_DISTANCE = 6;

/**
 * @typedef {object} Gesture
 * @property {"draw"|"put"|"end"|"pair"|"radius"|"pan"|"pinch"} kind
 * @property {"drag"|"anchor"|"add"|"leave_out"} tool that draws or puts
 * @property {number} [index] of the pair or click
 * @property {"handle"|"target"|"click"} [end]
 * @property {number} pointer its id
 * @property {{x: number, y: number}} start on the stage
 * @property {{x: number, y: number}} last on the stage
 * @property {string} key all changes of one gesture are one step of undo
 * @property {object|null} from the pair or click as it was
 * @property {boolean} moved whether it is more than a click
 * @property {boolean} changed whether it has changed what is set
 */

const FOLLOWED = { pan, draw, put, end: moveEnd, pair: movePair, radius: changeRadius };

/**
 * Carries a gesture on to where the pointer is now.
 * @param {Gesture} gesture
 * @param {{x: number, y: number}} at on the stage
 * @param {boolean} snap to the nearer axis
 * @returns {boolean} false when it cannot: there are as many pairs or clicks as are allowed
 */
export function follow(gesture, at, snap, model, stage) {
  if (FOLLOWED[gesture.kind](gesture, at, snap, model, stage) === false) return false;
  if (gesture.kind !== "pan") gesture.changed = true;
  return true;
}

function pan({ last }, at, snap, model, stage) {
  stage.view = panBy(stage.space, stage.size, stage.view, at.x - last.x, at.y - last.y);
}

function draw(gesture, at, snap, model, stage) {
  const handle = model.pairs[gesture.index]?.handle ?? ontoPicture(toPicture(gesture.start, stage.frame));
  const pointed = toPicture(at, stage.frame);
  const target = held(ontoPicture(snap ? snapToAxis(handle, pointed, stage.space) : pointed), handle, stage);
  if (!gesture.changed) {
    gesture.index = model.add(handle, target, gesture.key);
    gesture.end = "target";
    if (gesture.index < 0) return false;
  }
  model.place(gesture, target, gesture.key);
  return true;
}

function put(gesture, at, snap, model, { frame }) {
  const place = toPicture(at, frame);
  if (!gesture.changed) {
    const spot = make(gesture.tool, place, model, gesture.key);
    if (spot === null) return false;
    Object.assign(gesture, spot);
  }
  if (gesture.tool === "anchor") model.placeBoth(gesture.index, place, place, gesture.key);
  else model.place(gesture, place, gesture.key);
  return true;
}

function moveEnd(gesture, at, snap, model, stage) {
  const { end, from, key, start } = gesture;
  const before = end === "click" ? from.at : from[end];
  const pointed = toPicture(at, stage.frame);
  // A mark outside of the picture sits on the stage's edge: it is taken to where the pointer is.
  const to = isOutside(before) ? pointed : shifted(before, toPicture(start, stage.frame), pointed);
  const other = { handle: from.target, target: from.handle, click: before }[end];
  const place = ontoPicture(snap ? snapToAxis(other, to, stage.space) : to);
  model.place(gesture, end === "click" ? place : held(place, other, stage), key);
}

function movePair({ index, key, from, start }, at, snap, model, { frame, space }) {
  const to = shifted(from.handle, toPicture(start, frame), toPicture(at, frame));
  const handle = snap ? snapToAxis(from.handle, to, space) : to;
  model.placeBoth(index, handle, shifted(from.target, from.handle, handle), key);
}

function changeRadius({ index, key, from }, at, snap, model, { frame, space }) {
  const centre = toStage(from.handle, frame);
  const pixels = (Math.hypot(at.x - centre.x, at.y - centre.y) * space.width) / frame.width;
  model.setRadius(index, pixels / shorterSide(space), key);
}

/** A point moved as far as it is from `before` to `after`. */
function shifted(point, before, after) {
  return { x: point.x + (after.x - before.x), y: point.y + (after.y - before.y) };
}

/** One end of a pair, put on the other where it comes close to it: an anchor. */
function held(place, other, stage) {
  const [a, b] = [toStage(place, stage.frame), toStage(other, stage.frame)];
  return Math.hypot(a.x - b.x, a.y - b.y) < HOLD_DISTANCE * stage.markScale ? other : place;
}
