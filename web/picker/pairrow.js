/** The row of one drag or anchor in the list. */

import { assign, html, icon, iconButton } from "./dom.js";
import { badge, choiceField, fillField, GroupField, numberField, PlaceFields } from "./fields.js";
import { shorterSide } from "./geometry.js";
import { autoName, motionName, wholeOf } from "./naming.js";
import { colourOf, inkOn } from "./palette.js";
import { isAnchor, mainSpot, MAX_SIZE, MOTIONS } from "./points.js";
import { tidy } from "./position.js";
import { text } from "./text.js";

const DEFAULT_RADIUS = 0.2;

export class PairRow {
  #index;
  #parts;
  #badge;
  #handle;
  #target;
  #arrow = html("span", { class: "ad-arrow", "aria-hidden": "true" });
  #limit;
  #radius;
  #size;
  #motion;
  #held = html("span", { class: "ad-held" }, text("anchor"));
  #group;
  #remove;

  /** @param {number} index of the pair @param {import("./fields.js").RowParts} parts */
  constructor(index, parts) {
    this.#index = index;
    this.#parts = parts;
    const colour = colourOf(index);
    this.#badge = badge("round", () => parts.model.select(mainSpot(parts.model.pairs, index)));
    this.#badge.textContent = String(index + 1);
    Object.assign(this.#badge.style, { background: colour, color: inkOn(colour) });
    this.#handle = new PlaceFields({ index, end: "handle" }, parts);
    this.#target = new PlaceFields({ index, end: "target" }, parts);
    this.#limit = html("button", { type: "button", class: "ad-button ad-limit", onclick: () => this.#toggleRadius() }, icon("radius"));
    this.#radius = numberField("radius", () => this.#typedRadius());
    this.#radius.classList.add("ad-radius-field");
    assign(this.#radius, { min: "1", placeholder: "∞" });
    this.#size = numberField("size", () => this.#typedSize());
    this.#size.classList.add("ad-size-field");
    assign(this.#size, { min: String(-MAX_SIZE), max: String(MAX_SIZE), placeholder: text("sizeNone") });
    const motions = [null, ...MOTIONS].map((motion) => [motion ?? "", motionName(motion)]);
    this.#motion = choiceField("motion", motions, (value) => this.#chooseMotion(value || null));
    this.#group = new GroupField({ index, end: "handle" }, parts);
    this.#remove = iconButton("remove", "", () => parts.remove({ index, end: "handle" }));
    this.#remove.classList.add("ad-bin");
    this.element = html(
      "div",
      { class: "ad-row ad-pair-row", role: "listitem" },
      this.#badge, ...this.#handle.elements, this.#arrow, ...this.#target.elements, this.#limit, this.#radius,
      this.#size, this.#motion, this.#held, this.#group.element, this.#remove,
    );
  }

  /** The point that a control of the row is for. */
  spotOf(control) {
    const end = ["handle", "target"].find((one) => control.dataset.column?.startsWith(one));
    return end ? { index: this.#index, end } : mainSpot(this.#parts.model.pairs, this.#index);
  }

  get isSelected() {
    return this.#parts.model.isSelected({ index: this.#index, end: "handle" });
  }

  update() {
    const { model, stage } = this.#parts;
    const number = this.#index + 1;
    const pair = model.pairs[this.#index];
    const anchor = isAnchor(pair);
    const what = wholeOf(model, { index: this.#index, end: "handle" });
    this.element.classList.toggle("ad-anchor", anchor);
    this.#badge.classList.toggle("ad-square", anchor);
    const select = text("selectWhat", { what });
    assign(this.#badge, { "aria-label": select, title: select });
    this.#handle.update();
    this.#target.update();
    this.#arrow.textContent = anchor ? "=" : "→";
    const limited = pair.radius !== null;
    const label = text(limited ? "removeRadius" : "addRadius", { number });
    assign(this.#limit, { "aria-label": label, title: label, "aria-pressed": String(limited) });
    const pixels = limited ? tidy(pair.radius * shorterSide(stage.space)) : "";
    fillField(this.#radius, pixels, `${what}: ${text("radius")}`, text("radiusHint"));
    fillField(this.#size, pair.size === 0 ? "" : String(pair.size), `${what}: ${text("size")}`, text("sizeHint"));
    this.#motion.hidden = anchor;
    this.#motion.options[0].textContent = autoName(model.toldMotion(this.#index));
    this.#held.hidden = !anchor;
    fillField(this.#motion, pair.motion ?? "", `${what}: ${text("motion")}`, text("motionHint"));
    this.#group.update();
    const bin = text("removeWhat", { what });
    assign(this.#remove, { "aria-label": bin, title: bin });
  }

  #typedRadius() {
    const { model, stage, written } = this.#parts;
    const value = this.#radius.valueAsNumber;
    model.setRadius(this.#index, Number.isFinite(value) && value > 0 ? value / shorterSide(stage.space) : null);
    written(this.#radius);
  }

  #typedSize() {
    const { model, written } = this.#parts;
    const value = this.#size.valueAsNumber;
    model.setSize(this.#index, Number.isFinite(value) ? value : 0);
    written(this.#size);
  }

  #toggleRadius() {
    const { model, written } = this.#parts;
    model.select({ index: this.#index, end: "handle" });
    model.setRadius(this.#index, model.pairs[this.#index].radius === null ? DEFAULT_RADIUS : null);
    written();
  }

  #chooseMotion(motion) {
    this.#parts.model.setMotion(this.#index, motion);
    this.#parts.written();
  }
}
