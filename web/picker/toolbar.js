/** The row of buttons above the picture, and the slider that lies on it. */

import { html, iconButton } from "./dom.js";
import { START_OPACITY } from "./overlay.js";
import { text } from "./text.js";

const OVERLAYS = ["none", "mask", "heat"];
const LABELS = { none: "overlayNone", mask: "overlayMask", heat: "overlayHeat" };

export class Toolbar {
  /**
   * @param {Record<string, Function>} actions undo, redo, add, remove, clear, hand, zoomIn, zoomOut, fit,
   *   overlay(kind), opacity(value)
   */
  constructor(actions) {
    const button = (name, attributes) => iconButton(name, text(name), () => actions[name](), attributes);
    this.buttons = {};
    for (const name of ["undo", "redo", "add", "remove", "clear", "hand", "zoomOut", "fit", "zoomIn"]) {
      this.buttons[name] = button(name, name === "hand" ? { "aria-pressed": "false" } : {});
    }
    const b = this.buttons;
    const group = (...children) => html("div", { class: "ad-group" }, ...children);
    this.zoom = html("span", { class: "ad-zoom" }, "100%");
    this.overlays = OVERLAYS.map((kind) =>
      html(
        "button",
        { type: "button", class: "ad-text-button", "data-overlay": kind, "aria-pressed": String(kind === "none"), onclick: () => actions.overlay(kind) },
        text(LABELS[kind]),
      ),
    );
    this.opacity = html("input", {
      type: "range", class: "ad-opacity", min: 10, max: 100, step: 5, value: Math.round(START_OPACITY * 100),
      title: text("overlayOpacity"), "aria-label": text("overlayOpacity"),
    });
    this.opacity.addEventListener("input", () => actions.opacity(Number(this.opacity.value) / 100));
    this.overlayGroup = html(
      "div",
      { class: "ad-group ad-overlays", role: "group", "aria-label": text("overlay") },
      ...this.overlays,
    );
    this.element = html(
      "div",
      { class: "ad-toolbar", role: "toolbar", "aria-label": text("picker") },
      group(b.undo, b.redo),
      group(b.add, b.remove, b.clear),
      group(b.hand, b.zoomOut, b.fit, b.zoomIn, this.zoom),
      this.overlayGroup,
    );
    for (const type of ["pointerdown", "pointermove", "pointerup"]) {
      for (const part of [this.element, this.opacity]) part.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /** @param {{canUndo, canRedo, hasPairs, hasSelection, hand, zoom, overlay, available}} state */
  update(state) {
    const b = this.buttons;
    b.undo.disabled = !state.canUndo;
    b.redo.disabled = !state.canRedo;
    b.remove.disabled = !state.hasSelection;
    b.clear.disabled = !state.hasPairs;
    b.hand.setAttribute("aria-pressed", String(state.hand));
    this.zoom.textContent = `${Math.round(state.zoom * 100)}%`;
    for (const button of this.overlays) {
      const kind = button.dataset.overlay;
      button.setAttribute("aria-pressed", String(kind === state.overlay));
      button.disabled = kind !== "none" && !state.available[kind];
      button.title = button.disabled ? text("overlayMissing") : text("overlay");
    }
    this.opacity.hidden = state.overlay === "none";
  }
}
