/** The row of one click in the list. */

import { assign, html, iconButton } from "./dom.js";
import { badge, choiceField, fillField, GroupField, PlaceFields } from "./fields.js";
import { kindName, nameOf } from "./naming.js";
import { KINDS } from "./points.js";
import { text } from "./text.js";

export class ClickRow {
  #spot;
  #parts;
  #badge;
  #place;
  #kind;
  #group;
  #remove;

  /** @param {number} index of the click @param {import("./fields.js").RowParts} parts */
  constructor(index, parts) {
    const spot = { index, end: "click" };
    this.#spot = spot;
    this.#parts = parts;
    this.#badge = badge("click-badge", () => parts.model.select(spot));
    this.#place = new PlaceFields(spot, parts);
    this.#kind = choiceField("motion", KINDS.map((kind) => [kind, kindName(kind)]), (kind) => this.#choose(kind));
    this.#group = new GroupField(spot, parts);
    this.#remove = iconButton("remove", "", () => parts.remove(spot));
    this.#remove.classList.add("ad-bin");
    this.element = html(
      "div",
      { class: "ad-row ad-click-row", role: "listitem" },
      this.#badge, ...this.#place.elements, this.#kind, this.#group.element, this.#remove,
    );
  }

  /** The point that a control of the row is for. */
  spotOf() {
    return this.#spot;
  }

  get isSelected() {
    return this.#parts.model.isSelected(this.#spot);
  }

  update() {
    const { model } = this.#parts;
    const { kind } = model.holderOf(this.#spot);
    const what = nameOf(model, this.#spot);
    this.element.dataset.kind = kind;
    this.#badge.textContent = `${kind === "add" ? "+" : "−"}${this.#spot.index + 1}`;
    const select = text("selectWhat", { what });
    assign(this.#badge, { "aria-label": select, title: select });
    this.#place.update();
    fillField(this.#kind, kind, `${what}: ${text("kind")}`, text("kindHint"));
    this.#group.update();
    const bin = text("removeWhat", { what });
    assign(this.#remove, { "aria-label": bin, title: bin });
  }

  #choose(kind) {
    this.#parts.model.setKind(this.#spot.index, kind);
    this.#parts.written();
  }
}
