/** The line below the picture, and what is read out. */

import { html } from "./dom.js";
import { nameOf } from "./naming.js";
import { isOutside } from "./points.js";
import { describePoint } from "./position.js";
import { text } from "./text.js";

export class Status {
  #model;
  #stage;
  #isDrawing;
  #hover = null;
  #said = "";
  #readout = html("div", { class: "ad-readout" });
  #picture = html("div", { class: "ad-picture-info" });

  /**
   * @param {import("./model.js").PointsModel} model
   * @param {import("./stage.js").Stage} stage
   * @param {() => boolean} isDrawing whether the pointer is at work: its own place is not told then
   */
  constructor(model, stage, isDrawing) {
    this.#model = model;
    this.#stage = stage;
    this.#isDrawing = isDrawing;
    this.element = html("div", { class: "ad-status" }, this.#readout, this.#picture);
    this.live = html("div", { class: "ad-live", "aria-live": "polite" });
  }

  /** @param {{x: number, y: number}|null} point that the pointer is on */
  hover(point) {
    this.#hover = point && !isOutside(point) ? point : null;
    this.update();
  }

  update() {
    const { selection } = this.#model;
    const parts = [];
    if (this.#hover && !this.#isDrawing()) parts.push(describePoint(this.#hover, this.#stage.picture));
    const chosen = selection && this.#model.pointAt(selection);
    if (chosen) parts.push(`${nameOf(this.#model, selection)}: ${describePoint(chosen, this.#stage.picture)}`);
    this.#readout.textContent = parts.join("  ·  ");
  }

  /** @param {string} info name and size of the picture */
  tellPicture(info) {
    if (this.#picture.textContent === info) return;
    this.#picture.textContent = info;
    this.#picture.title = info;
  }

  /** For those who don't see what has happened. */
  say(sentence) {
    // The same sentence twice in a row is read out twice only if the text changes.
    this.#said = sentence === this.#said ? `${sentence}\u00a0` : sentence;
    this.live.textContent = this.#said;
  }
}
