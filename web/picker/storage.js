/** Keeps the model and the stored text in step, whichever of them changes. */

import { canonical, parse, picturesIn, StoredValueError } from "./stored.js";
import { text } from "./text.js";

/** Key of text.js for a text that could be read, but was drawn over. */
const REPLACED = "replacedPictures";
/** Host property: a text that could not be read, until the user has had it. */
const BROKEN_PROPERTY = "attentiondrag_broken";

export class DragStorage {
  #host;
  #model;
  #notices;
  /** The text as it was last read or written. */
  #text = null;
  /** How many pictures the text has drags of their own for; it then stays as it is until something is drawn. */
  #pictures = 0;

  /** @param {{host: import("./host.js").Host, model: object, notices: object}} parts of the picker */
  constructor({ host, model, notices }) {
    this.#host = host;
    this.#model = model;
    this.#notices = notices;
  }

  /** Takes a text that has changed outside: a load, the page's own undo, a script. */
  read() {
    const stored = this.#host.readText();
    if (stored !== this.#text) this.#take(stored);
    this.#showBroken();
  }

  /** Writes what has changed in the model. @returns {boolean} whether anything has */
  follow() {
    if (this.#pictures ? this.#model.isEmpty : canonical(this.#text) === this.#model.text) return false;
    if (this.#pictures) this.#keep(this.#text, REPLACED, { count: this.#pictures });
    this.#write();
    return true;
  }

  /** Stores a text as it is typed; the next `read` takes it, and mends what it can. */
  replace(typed) {
    this.#text = null;
    this.#host.writeText(typed.trim());
  }

  #take(stored) {
    this.#text = stored;
    this.#pictures = picturesIn(stored);
    const count = this.#pictures;
    this.#notices.set("pictures", count ? { text: text("pictures", { count }) } : null);
    if (count) {
      this.#model.replace({ pairs: [], clicks: [] });
      return;
    }
    try {
      const { clamped, ...drags } = parse(stored);
      this.#model.replace(drags);
      if (clamped.pairs.length + clamped.clicks.length === 0) return;
      this.#write();
      const onDismiss = () => this.#notices.set("clamped", null);
      this.#notices.set("clamped", { text: toldOf(clamped), kind: "warning", onDismiss });
    } catch (error) {
      if (!(error instanceof StoredValueError)) throw error;
      this.#model.replace({ pairs: [], clicks: [] });
      this.#keep(stored, error.reason, error.detail);
      this.#write();
    }
  }

  /** Keeps a text that the picker overwrites, until the user has had it. */
  #keep(stored, reason, detail) {
    this.#host.setProperty(BROKEN_PROPERTY, { text: String(stored), reason, detail });
  }

  #write() {
    this.#pictures = 0;
    this.#notices.set("pictures", null);
    this.#text = this.#model.text;
    this.#host.writeText(this.#text);
  }

  #showBroken() {
    const broken = this.#host.property(BROKEN_PROPERTY);
    const message = broken && {
      text: broken.reason === REPLACED ? text(REPLACED, broken.detail) : text("broken", { reason: text(broken.reason, broken.detail) }),
      kind: "warning",
      kept: String(broken.text),
      onDismiss: () => this.#host.setProperty(BROKEN_PROPERTY, undefined),
    };
    this.#notices.set("broken", message || null);
  }
}

/** Which drags and clicks were put on the edge, in words. */
function toldOf({ pairs, clicks }) {
  const numbers = (indices) => indices.map((index) => index + 1).join(", ");
  const sentences = [];
  if (pairs.length) sentences.push(text("clamped", { numbers: numbers(pairs) }));
  if (clicks.length) sentences.push(text("clampedClicks", { numbers: numbers(clicks) }));
  return sentences.join(" ");
}
