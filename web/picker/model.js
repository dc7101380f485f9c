/** The drags of one node: edits, selection, undo. Pairs are never changed in place, so a snapshot is a reference. */

import { intoReach, MAX_PAIRS, ontoPicture, usableRadius } from "./points.js";
import { write } from "./stored.js";

const HISTORY = 200;

/** The editable state. Listeners are called after each change of pairs or selection. */
export class PointsModel {
  #pairs = [];
  #past = [];
  #future = [];
  #coalescing = null;
  #listeners = new Set();
  /** @type {{index: number, end: "handle"|"target"}|null} */
  #selection = null;

  get pairs() {
    return this.#pairs;
  }

  get selection() {
    return this.#selection;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  get text() {
    return write(this.#pairs);
  }

  /** @param {(change: "pairs"|"selection") => void} listener */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  #tell(change) {
    for (const listener of this.#listeners) listener(change);
  }

  /** Takes pairs from outside (a load, the page's own undo). Clears this model's history when they differ. */
  replace(pairs) {
    if (write(pairs) === this.text) return;
    this.#pairs = pairs;
    this.#past = [];
    this.#future = [];
    this.#coalescing = null;
    this.#dropLostSelection();
    this.#tell("pairs");
  }

  /**
   * One edit. Edits in a row with the same `coalesce` key undo as one.
   * @param {object[]} pairs
   * @param {string|null} coalesce
   */
  #edit(pairs, coalesce = null) {
    if (write(pairs) === this.text && pairs.length === this.#pairs.length) return;
    if (coalesce === null || coalesce !== this.#coalescing) {
      this.#past.push(this.#pairs);
      if (this.#past.length > HISTORY) this.#past.shift();
    }
    this.#coalescing = coalesce;
    this.#future = [];
    this.#pairs = pairs;
    this.#dropLostSelection();
    this.#tell("pairs");
  }

  /** Ends a run of coalesced edits: the next one is a step of its own. */
  settle() {
    this.#coalescing = null;
  }

  /** @returns {number} index of the new pair, -1 when there are as many as are allowed */
  add(handle, target, coalesce = null) {
    if (this.#pairs.length >= MAX_PAIRS) return -1;
    const pair = { handle: ontoPicture(handle), target: intoReach(target), radius: null };
    const index = this.#pairs.length;
    this.#edit([...this.#pairs, pair], coalesce);
    this.select({ index, end: "target" });
    return index;
  }

  #change(index, change, coalesce) {
    if (!this.#pairs[index]) return;
    this.#edit(
      this.#pairs.map((pair, at) => (at === index ? { ...pair, ...change(pair) } : pair)),
      coalesce,
    );
  }

  /** Puts one end of a pair somewhere. */
  place(index, end, point, coalesce = null) {
    const at = end === "handle" ? ontoPicture(point) : intoReach(point);
    this.#change(index, () => ({ [end]: at }), coalesce);
  }

  /** Puts both ends of a pair somewhere. The handle stays on the picture and the drag keeps its length. */
  placeBoth(index, handle, target, coalesce = null) {
    const held = ontoPicture(handle);
    const shifted = { x: target.x + held.x - handle.x, y: target.y + held.y - handle.y };
    this.#change(index, () => ({ handle: held, target: intoReach(shifted) }), coalesce);
  }

  /** @param {number|null} radius share of the shorter side; null for none */
  setRadius(index, radius, coalesce = null) {
    this.#change(index, () => ({ radius: radius === null ? null : usableRadius(radius) }), coalesce);
  }

  remove(index) {
    if (!this.#pairs[index]) return;
    this.#edit(this.#pairs.filter((_, at) => at !== index));
    this.select(null);
  }

  clear() {
    this.#edit([]);
    this.select(null);
  }

  undo() {
    if (!this.#past.length) return false;
    this.#future.push(this.#pairs);
    this.#restore(this.#past.pop());
    return true;
  }

  redo() {
    if (!this.#future.length) return false;
    this.#past.push(this.#pairs);
    this.#restore(this.#future.pop());
    return true;
  }

  /** Undoes the last step without offering to redo it: a gesture that was broken off. */
  abandon() {
    if (this.#past.length) this.#restore(this.#past.pop());
  }

  #restore(pairs) {
    this.#pairs = pairs;
    this.#coalescing = null;
    this.#dropLostSelection();
    this.#tell("pairs");
  }

  /** @param {{index: number, end: "handle"|"target"}|null} selection */
  select(selection) {
    const next = selection && this.#pairs[selection.index] ? selection : null;
    if (next?.index === this.#selection?.index && next?.end === this.#selection?.end) return;
    this.#selection = next;
    this.#tell("selection");
  }

  #dropLostSelection() {
    if (this.#selection && !this.#pairs[this.#selection.index]) this.#selection = null;
  }
}
