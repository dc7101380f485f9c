/** The row of buttons above the picture, and the slider that lies on it. */

import { assign, html, icon, iconButton } from "./dom.js";
import { START_OPACITY } from "./overlay.js";
import { text } from "./text.js";
import { TOOLS } from "./tools.js";

const OVERLAYS = ["none", "mask", "heat", "light"];
const TOOL_WORDS = {
  drag: ["toolDrag", "toolDragHint"],
  anchor: ["toolAnchor", "toolAnchorHint"],
  add: ["kindAdd", "toolAddHint"],
  leave_out: ["kindLeaveOut", "toolLeaveOutHint"],
};
const LABELS = { none: "overlayNone", mask: "overlayMask", heat: "overlayHeat", light: "overlayLight" };

export class Toolbar {
  /**
   * @param {Record<string, Function>} actions undo, redo, add, remove, clear, hand, zoomIn, zoomOut, fit,
   *   tool(name), overlay(kind), opacity(value)
   */
  constructor(actions) {
    const button = (name, attributes) => iconButton(name, text(name), () => actions[name](), attributes);
    this.buttons = {};
    for (const name of ["undo", "redo", "add", "remove", "clear", "hand", "zoomOut", "fit", "zoomIn"]) {
      this.buttons[name] = button(name, name === "hand" ? { "aria-pressed": "false" } : {});
    }
    const b = this.buttons;
    const group = (...children) => html("div", { class: "ad-group" }, ...children);
    this.tools = TOOLS.map((tool) => {
      const [label, hint] = TOOL_WORDS[tool].map((key) => text(key));
      return html(
        "button",
        { type: "button", class: "ad-text-button", title: hint, "aria-label": label, "data-tool": tool, onclick: () => actions.tool(tool) },
        icon(`tool-${tool}`),
        html("span", { class: "ad-tool-name" }, label),
      );
    });
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
      { class: "ad-group ad-joined ad-overlays", role: "group", "aria-label": text("overlay") },
      ...this.overlays,
    );
    this.element = html(
      "div",
      { class: "ad-toolbar", role: "toolbar", "aria-label": text("picker") },
      html("div", { class: "ad-group ad-joined ad-tools", role: "group", "aria-label": text("tools") }, ...this.tools),
      this.overlayGroup,
      group(b.undo, b.redo),
      group(b.add, b.remove, b.clear),
      group(b.hand, b.zoomOut, b.fit, b.zoomIn, this.zoom),
    );
    for (const type of ["pointerdown", "pointermove", "pointerup"]) {
      for (const part of [this.element, this.opacity]) part.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /** @param {{canUndo, canRedo, isEmpty, hasSelection, tool, hand, zoom, overlay, available}} state */
  update(state) {
    const b = this.buttons;
    b.undo.disabled = !state.canUndo;
    b.redo.disabled = !state.canRedo;
    b.remove.disabled = !state.hasSelection;
    b.clear.disabled = state.isEmpty;
    const add = state.tool === "drag" ? text("add") : text("addWhat", { what: text(TOOL_WORDS[state.tool][0]) });
    assign(b.add, { title: add, "aria-label": add });
    for (const button of this.tools) {
      button.setAttribute("aria-pressed", String(!state.hand && button.dataset.tool === state.tool));
    }
    b.hand.setAttribute("aria-pressed", String(state.hand));
    this.zoom.textContent = `${Math.round(state.zoom * 100)}%`;
    for (const button of this.overlays) {
      const kind = button.dataset.overlay;
      button.setAttribute("aria-pressed", String(kind === state.overlay));
      button.disabled = kind !== "none" && !state.available[kind];
      button.title = button.disabled ? text("overlayMissing") : text("overlay");
      // Few edits change the light: for the others there is no button in the way.
      button.hidden = kind === "light" && button.disabled;
    }
    this.opacity.hidden = state.overlay === "none";
  }
}
