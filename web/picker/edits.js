/** What buttons and keys do to drags and clicks: the change, the focus after it, and one step of the page's undo. */

import { motionName, sizeName, wholeOf } from "./naming.js";
import { isAnchor, KINDS, MAX_CLICKS, MAX_PAIRS, MOTIONS } from "./points.js";
import { text } from "./text.js";
import { make } from "./tools.js";

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

  /** In the middle of what is seen, what a tool makes. */
  add(tool) {
    const { x, y } = this.#stage.view;
    const spot = tool === "drag" ? this.#addDrag({ x, y }) : make(tool, { x, y }, this.#model);
    if (spot === null) {
      this.sayFull(tool);
      return;
    }
    this.#stage.focus(spot);
    this.#host.commit();
  }

  #addDrag(handle) {
    const x = handle.x + ADDED_LENGTH <= 1 ? handle.x + ADDED_LENGTH : handle.x - ADDED_LENGTH;
    const index = this.#model.add(handle, { x, y: handle.y });
    return index < 0 ? null : { index, end: "handle" };
  }

  /** @param {import("./points.js").Spot} spot of the pair or click */
  remove(spot) {
    if (!this.#model.holderOf(spot)) return;
    const onStage = this.#stage.hasFocus;
    const what = wholeOf(this.#model, spot);
    this.#model.remove(spot);
    this.#say(text("deleted", { what }));
    if (onStage || !this.#root.contains(document.activeElement)) this.#stage.focus();
    this.#host.commit();
  }

  removeSelected() {
    if (this.#model.selection) this.remove(this.#model.selection);
  }

  /** The next motion of a drag, the other kind of a click. An anchor has but one. */
  turn(spot) {
    const holder = this.#model.holderOf(spot);
    if (!holder || (spot.end !== "click" && isAnchor(holder))) return;
    if (spot.end === "click") this.#model.setKind(spot.index, next(KINDS, holder.kind));
    else this.#model.setMotion(spot.index, next([null, ...MOTIONS], holder.motion));
    const now = this.#model.holderOf(spot);
    const what = wholeOf(this.#model, spot);
    this.#say(spot.end === "click" ? what : text("turned", { what, motion: motionName(now.motion) }));
    this.#host.commit();
  }

  /** A drag's object by so many steps larger, or below 0 smaller. */
  resize(spot, by) {
    const holder = this.#model.holderOf(spot);
    if (!holder || spot.end === "click") return;
    this.#model.setSize(spot.index, holder.size + by);
    const { size } = this.#model.holderOf(spot);
    this.#say(text("resized", { what: wholeOf(this.#model, spot), size: sizeName(size) }));
    this.#host.commit();
  }

  clear() {
    this.#model.clear();
    this.#host.commit();
  }

  /** @param {"drag"|"anchor"|"add"|"leave_out"} tool that has nothing more to give */
  sayFull(tool) {
    const isPair = tool === "drag" || tool === "anchor";
    this.#say(text(isPair ? "tooMany" : "tooManyClicks", { count: isPair ? MAX_PAIRS : MAX_CLICKS }));
  }
}

const next = (values, value) => values[(values.indexOf(value) + 1) % values.length];
