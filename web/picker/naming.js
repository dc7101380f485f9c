/** What points and marks are called, in the user's words. */

import { isAnchor } from "./points.js";
import { text } from "./text.js";

const KINDS = { add: "kindAdd", leave_out: "kindLeaveOut" };
const MOTIONS = { move: "motionMove", reshape: "motionReshape", push: "motionPush" };

/** @param {"add"|"leave_out"} kind of a click */
export function kindName(kind) {
  return text(KINDS[kind]);
}

/** @param {"move"|"reshape"|"push"|null} motion of a pair */
export function motionName(motion) {
  return text(MOTIONS[motion] ?? "motionAuto");
}

/** @param {"move"|"reshape"|"push"|null} motion what the last run took a drag for that leaves it to the node */
export function autoName(motion) {
  return motion === null ? text("motionAuto") : text("motionTold", { motion: motionName(motion) });
}

/** @param {number} size of a pair */
export function sizeName(size) {
  return size === 0 ? text("sizeFound") : signed(size);
}

/** @returns {string} with its sign, as nothing else in a row has one */
export const signed = (size) => (size > 0 ? `+${size}` : String(size).replace("-", "\u2212"));

/** @param {object} model @param {import("./points.js").Spot} spot */
export function nameOf(model, spot) {
  const { index, end } = spot;
  const number = index + 1;
  const holder = model.holderOf(spot);
  if (end === "click") return text("clickLabel", { number, kind: kindName(holder.kind) });
  if (isAnchor(holder)) return text(end === "handle" ? "anchorLabel" : "anchorTargetLabel", { number });
  return text(`${end}Label`, { number });
}

/** The pair or click that a spot is of, as a whole. */
export function wholeOf(model, spot) {
  const number = spot.index + 1;
  const holder = model.holderOf(spot);
  if (spot.end === "click") return text("clickLabel", { number, kind: kindName(holder.kind) });
  return text(isAnchor(holder) ? "anchorLabel" : "dragLabel", { number });
}
