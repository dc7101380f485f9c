/** What buttons and keys do to the drags: the change, where the focus goes after it, and one step of the page's undo. */

import { MAX_PAIRS } from "./points.js";
import { text } from "./text.js";

/** Reach of a drag added without a pointer, as a share of the picture's width. */
const ADDED_LENGTH = 0.15;

export class Edits {
  #root;
  #model;
  #stage;
  #host;
  #say;

  /**
   * @param {HTMLElement} root the picker's element
   * @param {{host: import("./host.js").Host, model: object, stage: object}} parts of the picker
   * @param {(sentence: string) => void} say for those who don't see what has happened
   */
  constructor(root, { host, model, stage }, say) {
    this.#root = root;
    this.#host = host;
    this.#model = model;
    this.#stage = stage;
    this.#say = say;
  }

  undo() {
    if (this.#model.undo()) this.#host.commit();
  }

  redo() {
    if (this.#model.redo()) this.#host.commit();
  }

  /** A drag in the middle of what is seen. */
  add() {
    const { x, y } = this.#stage.view;
    const to = x + ADDED_LENGTH <= 1 ? x + ADDED_LENGTH : x - ADDED_LENGTH;
    const index = this.#model.add({ x, y }, { x: to, y });
    if (index < 0) {
      this.sayFull();
      return;
    }
    this.#stage.focus(index, "handle");
    this.#host.commit();
  }

  remove(index) {
    const onStage = this.#stage.hasFocus;
    this.#model.remove(index);
    this.#say(text("deleted", { number: index + 1 }));
    if (onStage || !this.#root.contains(document.activeElement)) this.#stage.focus();
    this.#host.commit();
  }

  removeSelected() {
    if (this.#model.selection) this.remove(this.#model.selection.index);
  }

  clear() {
    this.#model.clear();
    this.#host.commit();
  }

  sayFull() {
    this.#say(text("tooMany", { count: MAX_PAIRS }));
  }
}
