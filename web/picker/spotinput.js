/** The invisible input over a mark that takes the focus for its point, and tells it to those who don't see it. */

import { assign, html } from "./dom.js";

export class SpotInput {
  /** @param {import("./points.js").Spot} spot */
  constructor({ index, end }) {
    this.element = html("input", { type: "range", class: "ad-point-input", "data-index": index, "data-end": end });
  }

  get hasFocus() {
    return this.element === document.activeElement;
  }

  /** Whether the focus is there and is to be seen: it came by the keyboard. */
  get showsFocus() {
    return this.hasFocus && this.element.matches(":focus-visible");
  }

  /**
   * @param {{x: number, y: number}} at on the stage
   * @param {string} name of the point
   * @param {string} place of it, in words
   */
  put(at, name, place) {
    this.element.style.left = `${at.x}px`;
    this.element.style.top = `${at.y}px`;
    assign(this.element, { "aria-label": name, "aria-valuetext": place });
  }

  remove() {
    this.element.remove();
  }
}

/** @returns {import("./points.js").Spot|null} the point that an element takes the focus for */
export function spotOf(element) {
  const input = element?.closest?.("[data-end]");
  return input ? { index: Number(input.dataset.index), end: input.dataset.end } : null;
}
