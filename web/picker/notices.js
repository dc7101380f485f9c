/** Messages that stay until they are mended or dismissed. */

import { html } from "./dom.js";
import { text } from "./text.js";

export class Notices {
  #shown = new Map();

  constructor() {
    this.element = html("div", { class: "ad-notices", role: "status", "aria-live": "polite" });
    for (const type of ["pointerdown", "pointermove", "pointerup"]) {
      this.element.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  /**
   * Shows a message, or takes it away when `message` is null.
   * @param {string} id one message per id
   * @param {{text: string, kind?: "info"|"warning", kept?: string, onDismiss?: Function}|null} message
   *   `kept` is text of the user's that must not get lost: shown whole, with a button to copy it.
   */
  set(id, message) {
    const before = this.#shown.get(id);
    const signature = message && `${message.text}\n${message.kept ?? ""}`;
    if (before?.signature === signature) return;
    before?.element.remove();
    this.#shown.delete(id);
    if (!message) return;
    const element = html("div", { class: `ad-notice ad-${message.kind ?? "info"}`, "data-notice": id }, html("span", {}, message.text));
    if (message.kept !== undefined) element.append(...this.#keptText(message.kept));
    if (message.onDismiss) {
      element.append(
        html("button", { type: "button", class: "ad-text-button", onclick: () => { this.set(id, null); message.onDismiss(); } }, text("dismiss")),
      );
    }
    this.#shown.set(id, { element, signature });
    this.element.append(element);
  }

  #keptText(kept) {
    const field = html("textarea", { class: "ad-kept", readonly: "", rows: 2, "data-capture-wheel": "true" });
    field.value = kept;
    const copy = html("button", { type: "button", class: "ad-text-button" }, text("copy"));
    copy.addEventListener("click", async () => {
      field.select();
      try {
        await navigator.clipboard.writeText(kept);
        copy.textContent = text("copied");
      } catch {
        // No clipboard on plain http: the text is selected, Ctrl+C takes it.
        field.focus();
      }
    });
    return [field, copy];
  }
}
