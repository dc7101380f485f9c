/** The list below the picture: every drag and click in numbers, to read and to type. */

import { ClickRow } from "./clickrow.js";
import { html } from "./dom.js";
import { PairRow } from "./pairrow.js";
import { text } from "./text.js";

const PAGES = { PageUp: -1, PageDown: 1 };

export class Panel {
  #model;
  #stage;
  #parts;
  #none = html("div", { class: "ad-none" }, text("noPairs"));
  #lists = {
    pairs: { Row: PairRow, rows: [], element: html("div", { class: "ad-rows", role: "list", "aria-label": text("pairs") }) },
    clicks: { Row: ClickRow, rows: [], element: html("div", { class: "ad-rows", role: "list", "aria-label": text("clicks") }) },
  };

  /**
   * @param {{host: import("./host.js").Host, model: object, stage: object}} parts of the picker
   * @param {{remove: (spot: import("./points.js").Spot) => void, applyRaw: (text: string) => void}} events
   */
  constructor({ host, model, stage }, events) {
    this.#model = model;
    this.#stage = stage;
    const written = (field) => {
      if (field) delete field.dataset.typing;
      this.update();
      host.commit();
    };
    this.#parts = { model, stage, written, remove: events.remove };
    this.rawField = html("textarea", { class: "ad-raw", rows: 4, spellcheck: "false", "aria-label": text("raw") });
    const apply = html("button", { type: "button", class: "ad-text-button", onclick: () => events.applyRaw(this.rawField.value) }, text("rawApply"));
    const raw = html("details", { class: "ad-details" }, html("summary", {}, text("raw")), this.rawField, apply);
    const { pairs, clicks } = this.#lists;
    this.element = html(
      "div",
      { class: "ad-panel", "data-capture-wheel": "true" },
      this.#none, pairs.element, clicks.element, raw,
    );
    this.element.addEventListener("wheel", (event) => {
      const { scrollHeight, clientHeight } = this.element;
      if (scrollHeight > clientHeight + 1) event.stopPropagation();
      else host.passWheel(event);
    });
    for (const type of ["pointerdown", "pointermove", "pointerup"]) {
      this.element.addEventListener(type, (event) => event.stopPropagation());
    }
    this.element.addEventListener("focusin", (event) => this.#selectRowOf(event.target));
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  get #rows() {
    return [...this.#lists.pairs.rows, ...this.#lists.clicks.rows];
  }

  /** Brings rows and fields up to date; a field that is being typed in is left alone. */
  update() {
    for (const [list, { Row, rows, element }] of Object.entries(this.#lists)) {
      const { length } = this.#model[list];
      while (rows.length > length) rows.pop().element.remove();
      while (rows.length < length) {
        rows.push(new Row(rows.length, this.#parts));
        element.append(rows.at(-1).element);
      }
    }
    this.#none.hidden = this.#model.pairs.length > 0;
    if (document.activeElement !== this.rawField) this.rawField.value = this.#model.text;
    for (const row of this.#rows) row.update();
    this.#markSelected();
  }

  showSelection() {
    const chosen = this.#markSelected();
    if (!chosen || this.element.contains(document.activeElement)) return;
    this.#scrollTo(chosen.element);
  }

  /** Gives the focus to the numbers of a point. */
  type(spot) {
    const row = this.#lists[spot.end === "click" ? "clicks" : "pairs"].rows[spot.index];
    const field = row?.element.querySelector(`[data-column="${spot.end}-x"]`);
    if (field) this.#focus(field, row.element);
  }

  #markSelected() {
    let chosen = null;
    for (const row of this.#rows) {
      row.element.classList.toggle("ad-selected", row.isSelected);
      if (row.isSelected) chosen = row;
    }
    return chosen;
  }

  #scrollTo({ offsetTop, offsetHeight }) {
    // scrollIntoView would scroll the page's own canvas, too.
    const box = this.element;
    if (offsetTop < box.scrollTop) box.scrollTop = offsetTop;
    else if (offsetTop + offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTop = offsetTop + offsetHeight - box.clientHeight;
    }
  }

  #focus(control, row) {
    this.#scrollTo(row);
    control.focus({ preventScroll: true });
    control.select?.();
  }

  #rowOf(control) {
    return this.#rows.find((row) => row.element.contains(control));
  }

  #selectRowOf(control) {
    const row = this.#rowOf(control);
    if (!row || (row.isSelected && !/-[xy]$/.test(control.dataset.column ?? ""))) return;
    this.#model.select(row.spotOf(control));
  }

  #key(event) {
    const row = this.#rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      // What was typed and not yet taken is dropped.
      delete event.target.dataset.typing;
      row.update();
      this.#stage.focus(this.#model.selection);
    } else if (event.key in PAGES) this.#goOn(row, event.target.dataset.column, PAGES[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** To the same column of the row before or after, or to that row's first number. */
  #goOn(row, column, step) {
    const rows = this.#rows;
    const next = rows[rows.indexOf(row) + step]?.element;
    if (!next) return;
    const same = column && next.querySelector(`[data-column="${column}"]:not([hidden])`);
    this.#focus(same || next.querySelector("input"), next);
  }
}
