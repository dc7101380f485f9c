/** The arrow of a drag. Its shaft tells the motion by its shape: one line, two lines (move), a wave (reshape), dashes (push). */

/** Between the two lines of a shaft, at a mark scale of 1. */
const APART = 5;
const WAVE = { length: 14, height: 3.2 };
const DASH = { length: 6, gap: 4 };

/**
 * SVG paths of an arrow that leaves the handle's mark and ends at the target's ring; empty where there is no room.
 * @param {{x: number, y: number}} from on the stage
 * @param {{x: number, y: number}} to on the stage
 * @param {{from: number, to: number}} radii of the marks at its ends
 * @param {number} size scale of the marks
 * @param {"move"|"reshape"|"push"|null} motion
 * @returns {{shaft: string, head: string}}
 */
export function arrowBetween(from, to, radii, size, motion) {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const room = length - radii.from - radii.to;
  if (room < 2 * size) return { shaft: "", head: "" };
  const ux = (to.x - from.x) / length;
  const uy = (to.y - from.y) / length;
  const at = (along, across = 0) =>
    `${(from.x + ux * along - uy * across).toFixed(2)} ${(from.y + uy * along + ux * across).toFixed(2)}`;
  const tip = length - radii.to - 1.5 * size;
  const head = Math.min(11 * size, room);
  const ends = [radii.from, tip - head * 0.8];
  return {
    shaft: { move: twoLines, reshape: wave, push: dashes }[motion]?.(at, ...ends, size) ?? `M${at(ends[0])}L${at(ends[1])}`,
    head: `M${at(tip)}L${at(tip - head, head * 0.45)}L${at(tip - head, -head * 0.45)}Z`,
  };
}

function twoLines(at, start, end, size) {
  const half = (APART * size) / 2;
  return [half, -half].map((across) => `M${at(start, across)}L${at(end, across)}`).join("");
}

function dashes(at, start, end, size) {
  const each = (DASH.length + DASH.gap) * size;
  const count = Math.max(1, Math.round((end - start) / each));
  const step = (end - start) / count;
  const dash = (step * DASH.length) / (DASH.length + DASH.gap);
  return Array.from({ length: count }, (_, one) => `M${at(start + one * step)}L${at(start + one * step + dash)}`).join("");
}

function wave(at, start, end, size) {
  const count = Math.max(1, Math.round((end - start) / ((WAVE.length * size) / 2)));
  const step = (end - start) / count;
  let path = `M${at(start)}`;
  for (let bow = 0; bow < count; bow += 1) {
    // A quadratic curve reaches half as far as its control point.
    const height = (bow % 2 ? -2 : 2) * WAVE.height * size;
    path += `Q${at(start + (bow + 0.5) * step, height)} ${at(start + (bow + 1) * step)}`;
  }
  return path;
}
