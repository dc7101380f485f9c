/** The controls of the list's rows: numbers and choices, to read and to type. */

import { assign, html } from "./dom.js";
import { fromPixels, toPixels } from "./geometry.js";
import { nameOf, wholeOf } from "./naming.js";
import { isAnchor, MAX_GROUP } from "./points.js";
import { tidy } from "./position.js";
import { text } from "./text.js";

/**
 * What the rows of a list work with.
 * @typedef {object} RowParts
 * @property {import("./model.js").PointsModel} model
 * @property {import("./stage.js").Stage} stage
 * @property {(field?: HTMLElement) => void} written a change is made: brings the list up to date, one step of undo
 * @property {(spot: import("./points.js").Spot) => void} remove takes a pair or click away
 */

/** @param {() => void} onchange when a number has been typed */
export function numberField(column, onchange) {
  const field = html("input", { type: "number", step: "1", class: "ad-number-field", "data-column": column });
  field.addEventListener("input", () => {
    field.dataset.typing = "1";
  });
  field.addEventListener("change", onchange);
  field.addEventListener("blur", () => {
    delete field.dataset.typing;
  });
  return field;
}

/** A field that is being typed in is left alone. */
export function fillField(field, value, label, hint = label) {
  assign(field, { "aria-label": label, title: hint });
  if (!field.dataset.typing && field.value !== value) field.value = value;
}

/** @param {[string, string][]} options values, and what they are called */
export function choiceField(column, options, onchange) {
  const made = options.map(([value, told]) => html("option", { value }, told));
  const field = html("select", { class: "ad-choice", "data-column": column }, ...made);
  field.addEventListener("change", () => onchange(field.value));
  return field;
}

/** The number of a pair or click, as a button that selects it. */
export function badge(shape, onclick) {
  return html("button", { type: "button", class: `ad-badge ad-${shape}`, "data-column": "badge", onclick });
}

/** x and y of one point, in pixels of the picture. */
export class PlaceFields {
  #spot;
  #parts;

  /** @param {import("./points.js").Spot} spot @param {RowParts} parts */
  constructor(spot, parts) {
    this.#spot = spot;
    this.#parts = parts;
    this.elements = ["x", "y"].map((axis) => {
      const field = numberField(`${spot.end}-${axis}`, () => this.#typed(axis, field));
      return field;
    });
  }

  update() {
    const { model, stage } = this.#parts;
    const name = nameOf(model, this.#spot);
    const { x, y } = toPixels(model.pointAt(this.#spot), stage.space);
    const [fieldX, fieldY] = this.elements;
    fillField(fieldX, tidy(x), `${name}, x`);
    fillField(fieldY, tidy(y), `${name}, y`);
  }

  #typed(axis, field) {
    const { model, stage, written } = this.#parts;
    const point = model.pointAt(this.#spot);
    const value = field.valueAsNumber;
    if (point && Number.isFinite(value)) this.#place({ ...toPixels(point, stage.space), [axis]: value });
    written(field);
  }

  #place(pixels) {
    const { model, stage } = this.#parts;
    const { index, end } = this.#spot;
    const to = fromPixels(pixels, stage.space);
    // An anchor goes with its handle.
    if (end === "handle" && isAnchor(model.pairs[index])) model.placeBoth(index, to, to);
    else model.place(this.#spot, to);
  }
}

/** The group of a pair or click; empty leaves it to the node. */
export class GroupField {
  #spot;
  #parts;

  /** @param {import("./points.js").Spot} spot of the pair or click @param {RowParts} parts */
  constructor(spot, parts) {
    this.#spot = spot;
    this.#parts = parts;
    this.element = numberField("group", () => this.#typed());
    assign(this.element, { min: "1", max: String(MAX_GROUP), placeholder: text("groupNone") });
    this.element.classList.add("ad-group-field");
  }

  update() {
    const { model } = this.#parts;
    const { group } = model.holderOf(this.#spot);
    const hint = text(this.#spot.end === "click" ? "groupClickHint" : "groupHint", { most: MAX_GROUP });
    const label = `${wholeOf(model, this.#spot)}: ${text("group")}`;
    fillField(this.element, group === null ? "" : String(group), label, hint);
  }

  #typed() {
    const { model, written } = this.#parts;
    const value = this.element.valueAsNumber;
    model.setGroup(this.#spot, Number.isFinite(value) ? value : null);
    written(this.element);
  }
}
