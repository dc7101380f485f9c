/** What the last run made of the drags, over the picture: the mask, the heatmap of the selected drag, or where light changed. */

import { canonical } from "./stored.js";
import { text } from "./text.js";
import { paint } from "./tint.js";

export const START_OPACITY = 0.55;

export class Overlay {
  /** What is to be shown. @type {"none"|"mask"|"heat"|"light"} */
  kind = "none";
  #model;
  #stage;
  #notices;
  #url = null;
  #painted = "none";
  /** @type {import("./host.js").Outcome} */
  #outcome = { mask: null, heat: [], light: null, points: null, serial: 0, live: false, outdated: false };

  /** @param {{model: object, stage: object, notices: object}} parts of the picker */
  constructor({ model, stage, notices }) {
    this.#model = model;
    this.#stage = stage;
    this.#notices = notices;
    this.opacity = START_OPACITY;
  }

  /** Which kinds there is something to show of. */
  get available() {
    return { mask: Boolean(this.#outcome.mask), heat: this.#outcome.heat.length > 0, light: Boolean(this.#outcome.light) };
  }

  /** @param {number} value from 0 to 1 */
  set opacity(value) {
    this.#stage.overlay.style.opacity = String(value);
  }

  /**
   * Takes what the host has. The first mask that a run makes is shown by itself.
   * @param {import("./host.js").Outcome} outcome
   * @returns {boolean} whether it is of another run than what there was
   */
  read(outcome) {
    if (outcome.serial === this.#outcome.serial) {
      this.#outcome.outdated = outcome.outdated;
      return false;
    }
    const first = !this.#outcome.mask && outcome.mask && outcome.live;
    this.#outcome = outcome;
    this.#stage.window = outcome.window ?? null;
    this.#model.tell(outcome.motions ?? [], outcome.points);
    if (first && this.kind === "none") this.kind = "mask";
    if (this.kind === "light" && !outcome.light) this.kind = outcome.mask ? "mask" : "none";
    return true;
  }

  /** Brings the canvas over the picture up to date, and says when what it shows is old. */
  show() {
    const url = this.#wanted();
    const { points, outdated } = this.#outcome;
    // Of what is not drawn here (a set of drags for each picture) there is nothing to be compared with.
    const drawn = points !== null && (canonical(points) !== null || !this.#model.isEmpty);
    const moved = drawn && canonical(points) !== this.#model.text;
    const stale = url !== null && (moved || outdated);
    this.#notices.set("stale", stale ? { text: text("overlayStale") } : null);
    this.#stage.overlay.classList.toggle("ad-stale", stale);
    // One picture may be tinted as either.
    if (url === this.#url && this.kind === this.#painted) return;
    this.#url = url;
    this.#painted = this.kind;
    this.#paint(url);
  }

  #wanted() {
    const { mask, heat, light } = this.#outcome;
    const { selection } = this.#model;
    const drag = selection && selection.end !== "click" ? selection.index : 0;
    const chosen = Math.min(drag, Math.max(0, heat.length - 1));
    return { mask, heat: heat[chosen] ?? null, light, none: null }[this.kind] ?? null;
  }

  async #paint(url) {
    const canvas = this.#stage.overlay;
    const { kind } = this;
    canvas.dataset.showing = "";
    if (url === null) {
      canvas.hidden = true;
      return;
    }
    try {
      await paint(canvas, url, kind);
    } catch {
      // The server has dropped the file, with its temporary folder.
      if (url === this.#url) canvas.hidden = true;
      return;
    }
    if (url !== this.#url || kind !== this.#painted) return;
    canvas.hidden = false;
    canvas.dataset.showing = kind;
    this.#stage.draw();
  }
}
