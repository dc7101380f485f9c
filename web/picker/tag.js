/** The small text beside a mark: the number of a click, the size and group of a drag, the group of a click. */

import { assign, svg } from "./dom.js";

const ASIDE = 11;

export function makeTag() {
  return svg("text", { class: "ad-tag" });
}

/** @param {{x: number, y: number}} at of the mark, on the stage @param {string} told empty for nothing */
export function drawTag(tag, at, size, told) {
  assign(tag, { x: at.x + ASIDE * size, y: at.y + ASIDE * size, "font-size": 11 * size, "stroke-width": 3 * size });
  if (tag.textContent !== told) tag.textContent = told;
}
