/** The list below the picture: every drag in numbers, to read and to type. */

import { html, icon, iconButton } from "./dom.js";
import { fromPixels, shorterSide, toPixels } from "./geometry.js";
import { colourOf, inkOn } from "./palette.js";
import { tidy } from "./position.js";
import { text } from "./text.js";

const DEFAULT_RADIUS = 0.2;
const FIELDS = [
  ["handle", "x"],
  ["handle", "y"],
  ["target", "x"],
  ["target", "y"],
];

export class Panel {
  #model;
  #stage;
  #host;
  #events;
  #rows = [];

  /**
   * @param {{host: import("./host.js").Host, model: object, stage: object}} parts of the picker
   * @param {{removePair: (index: number) => void, applyRaw: (text: string) => void}} events
   */
  constructor({ host, model, stage }, events) {
    this.#model = model;
    this.#stage = stage;
    this.#host = host;
    this.#events = events;
    this.list = html("div", { class: "ad-rows", role: "list", "aria-label": text("pairs") });
    this.none = html("div", { class: "ad-none" }, text("noPairs"));
    this.rawField = html("textarea", { class: "ad-raw", rows: 4, spellcheck: "false", "aria-label": text("raw") });
    const apply = html("button", { type: "button", class: "ad-text-button", onclick: () => events.applyRaw(this.rawField.value) }, text("rawApply"));
    const raw = html("details", { class: "ad-details" }, html("summary", {}, text("raw")), this.rawField, apply);
    this.element = html("div", { class: "ad-panel", "data-capture-wheel": "true" }, this.none, this.list, raw);
    this.element.addEventListener("wheel", (event) => {
      const { scrollHeight, clientHeight } = this.element;
      if (scrollHeight > clientHeight + 1) event.stopPropagation();
      else host.passWheel(event);
    });
    for (const type of ["pointerdown", "pointermove", "pointerup"]) {
      this.element.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /** Brings rows and fields up to date; a field that is being typed in is left alone. */
  update() {
    const { pairs, selection, text: stored } = this.#model;
    while (this.#rows.length > pairs.length) this.#rows.pop().element.remove();
    while (this.#rows.length < pairs.length) this.#rows.push(this.#makeRow(this.#rows.length));
    this.none.hidden = pairs.length > 0;
    if (document.activeElement !== this.rawField) this.rawField.value = stored;
    pairs.forEach((pair, index) => this.#fillRow(this.#rows[index], pair, selection?.index === index));
  }

  showSelection() {
    const { selection } = this.#model;
    this.#rows.forEach((row, index) => row.element.classList.toggle("ad-selected", selection?.index === index));
    const chosen = selection && this.#rows[selection.index]?.element;
    if (!chosen || this.element.contains(document.activeElement)) return;
    // scrollIntoView would scroll the page's own canvas, too.
    const { offsetTop, offsetHeight } = chosen;
    const box = this.element;
    if (offsetTop < box.scrollTop) box.scrollTop = offsetTop;
    else if (offsetTop + offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTop = offsetTop + offsetHeight - box.clientHeight;
    }
  }

  #makeRow(index) {
    const number = index + 1;
    const colour = colourOf(index);
    const badge = html(
      "button",
      {
        type: "button",
        class: "ad-badge",
        style: `background:${colour};color:${inkOn(colour)}`,
        "aria-label": text("selectPair", { number }),
        title: text("selectPair", { number }),
        onclick: () => this.#model.select({ index, end: "target" }),
      },
      String(number),
    );
    const fields = FIELDS.map(([end, axis]) => {
      const label = `${text(`${end}Label`, { number })}, ${axis}`;
      const field = numberField(label, () => this.#typed(index, end, axis, field));
      return field;
    });
    const radius = numberField(`${text("selectPair", { number })}: ${text("radius")}`, () => this.#typedRadius(index, radius));
    radius.classList.add("ad-radius-field");
    radius.min = "1";
    radius.title = text("radiusHint");
    const limit = html("button", { type: "button", class: "ad-button", onclick: () => this.#toggleRadius(index) }, icon("radius"));
    const remove = iconButton("remove", text("removePair", { number }), () => this.#events.removePair(index));
    const arrow = html("span", { class: "ad-arrow", "aria-hidden": "true" }, "→");
    const element = html(
      "div",
      { class: "ad-row", role: "listitem" },
      badge, fields[0], fields[1], arrow, fields[2], fields[3], limit, radius, remove,
    );
    element.addEventListener("focusin", (event) => {
      const at = fields.indexOf(event.target);
      if (this.#model.selection?.index === index && at < 0) return;
      this.#model.select({ index, end: at >= 0 && at < 2 ? "handle" : "target" });
    });
    this.list.append(element);
    return { element, fields, radius, limit };
  }

  #fillRow(row, pair, selected) {
    const { space } = this.#stage;
    row.element.classList.toggle("ad-selected", selected);
    FIELDS.forEach(([end, axis], at) => setValue(row.fields[at], tidy(toPixels(pair[end], space)[axis])));
    setValue(row.radius, pair.radius === null ? "" : tidy(pair.radius * shorterSide(space)));
    row.radius.placeholder = "∞";
    const limited = pair.radius !== null;
    const label = text(limited ? "removeRadius" : "addRadius", { number: this.#rows.indexOf(row) + 1 });
    row.limit.setAttribute("aria-label", label);
    row.limit.setAttribute("aria-pressed", String(limited));
    row.limit.title = label;
  }

  #typed(index, end, axis, field) {
    const pair = this.#model.pairs[index];
    const value = field.valueAsNumber;
    if (!pair || !Number.isFinite(value)) {
      this.update();
      return;
    }
    const pixels = { ...toPixels(pair[end], this.#stage.space), [axis]: value };
    this.#model.place(index, end, fromPixels(pixels, this.#stage.space));
    this.#written(field);
  }

  #typedRadius(index, field) {
    const value = field.valueAsNumber;
    this.#model.setRadius(index, Number.isFinite(value) && value > 0 ? value / shorterSide(this.#stage.space) : null);
    this.#written(field);
  }

  #toggleRadius(index) {
    const pair = this.#model.pairs[index];
    if (!pair) return;
    this.#model.select({ index, end: "handle" });
    this.#model.setRadius(index, pair.radius === null ? DEFAULT_RADIUS : null);
    this.#host.commit();
  }

  #written(field) {
    delete field.dataset.typing;
    this.update();
    this.#host.commit();
  }
}

function numberField(label, onchange) {
  const field = html("input", { type: "number", step: "1", class: "ad-number-field", "aria-label": label, title: label });
  field.addEventListener("input", () => {
    field.dataset.typing = "1";
  });
  field.addEventListener("change", onchange);
  field.addEventListener("blur", () => {
    delete field.dataset.typing;
  });
  return field;
}

function setValue(field, value) {
  if (!field.dataset.typing && field.value !== value) field.value = value;
}
