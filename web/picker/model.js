/** What is set on the picture of one node: its drags and clicks, edits of them, selection, undo. */

import { intoReach, MAX_CLICKS, MAX_PAIRS, MOTIONS, ontoPicture, usableGroup, usableRadius, usableSize } from "./points.js";
import { Steps } from "./steps.js";
import { canonical, write } from "./stored.js";

const NOTHING = Object.freeze({ pairs: Object.freeze([]), clicks: Object.freeze([]) });
/** What a new pair says of itself but for its ends. */
const UNSAID = Object.freeze({ radius: null, group: null, motion: null, size: 0 });

/** The editable state. Listeners are called after each change of what is set or selected. */
export class PointsModel {
  /** @type {import("./stored.js").Drags} never changed in place */
  #drags = NOTHING;
  #steps = new Steps();
  #listeners = new Set();
  /** @type {import("./points.js").Spot|null} */
  #selection = null;
  #told = { motions: [], text: null };

  get pairs() {
    return this.#drags.pairs;
  }

  get clicks() {
    return this.#drags.clicks;
  }

  get isEmpty() {
    return this.pairs.length + this.clicks.length === 0;
  }

  get selection() {
    return this.#selection;
  }

  get canUndo() {
    return this.#steps.canUndo;
  }

  get canRedo() {
    return this.#steps.canRedo;
  }

  get text() {
    return write(this.#drags);
  }

  /** @param {(change: "drags"|"selection"|"told") => void} listener */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** @returns {object|undefined} the pair or click that a spot is of */
  holderOf({ index, end }) {
    return this.#drags[listOf(end)][index];
  }

  /** @returns {{x: number, y: number}|undefined} where a spot lies */
  pointAt(spot) {
    return this.holderOf(spot)?.[placeOf(spot.end)];
  }

  /**
   * What the last run took each drag's motion for, where it was left to the node; it holds for these very drags alone.
   * @param {("move"|"reshape"|"push"|null)[]} motions @param {string|null} stored the text that was run
   */
  tell(motions, stored) {
    this.#told = { motions, text: stored === null ? null : canonical(stored) };
    this.#tell("told");
  }

  /** @returns {"move"|"reshape"|"push"|null} of a drag that leaves its motion to the node, what the last run made of it */
  toldMotion(index) {
    const { motions, text } = this.#told;
    const told = text !== null && text === this.text ? motions[index] : null;
    return MOTIONS.includes(told) ? told : null;
  }

  isSelected({ index, end }) {
    const chosen = this.#selection;
    return chosen !== null && chosen.index === index && listOf(chosen.end) === listOf(end);
  }

  /** Takes drags from outside (a load, the page's own undo). Forgets this model's history when they differ. */
  replace({ pairs, clicks }) {
    if (write({ pairs, clicks }) === this.text) return;
    this.#steps.forget();
    this.#become({ pairs, clicks });
  }

  /** Ends a run of coalesced edits: the next one is a step of its own. */
  settle() {
    this.#steps.settle();
  }

  /** @returns {number} index of the new pair, -1 when there are as many as are allowed */
  add(handle, target, coalesce = null) {
    return this.#append("target", { handle: ontoPicture(handle), target: intoReach(target), ...UNSAID }, MAX_PAIRS, coalesce);
  }

  /** A pair whose target is its handle. @returns {number} as `add` */
  addAnchor(at, coalesce = null) {
    const held = ontoPicture(at);
    return this.#append("handle", { handle: held, target: held, ...UNSAID }, MAX_PAIRS, coalesce);
  }

  /** @param {"add"|"leave_out"} kind @returns {number} index of the new click, -1 as for `add` */
  addClick(at, kind, coalesce = null) {
    return this.#append("click", { at: ontoPicture(at), kind, group: null }, MAX_CLICKS, coalesce);
  }

  #append(end, made, most, coalesce) {
    const list = listOf(end);
    const index = this.#drags[list].length;
    if (index >= most) return -1;
    this.#edit({ ...this.#drags, [list]: [...this.#drags[list], made] }, coalesce);
    this.select({ index, end });
    return index;
  }

  #change(spot, change, coalesce = null) {
    if (!this.holderOf(spot)) return;
    const list = listOf(spot.end);
    const changed = this.#drags[list].map((one, at) => (at === spot.index ? { ...one, ...change } : one));
    this.#edit({ ...this.#drags, [list]: changed }, coalesce);
  }

  /** Puts one point somewhere. */
  place(spot, point, coalesce = null) {
    const at = spot.end === "target" ? intoReach(point) : ontoPicture(point);
    this.#change(spot, { [placeOf(spot.end)]: at }, coalesce);
  }

  /** Puts both ends of a pair somewhere. The handle stays on the picture and the drag keeps its length. */
  placeBoth(index, handle, target, coalesce = null) {
    const held = ontoPicture(handle);
    const shifted = { x: target.x + held.x - handle.x, y: target.y + held.y - handle.y };
    this.#change({ index, end: "handle" }, { handle: held, target: intoReach(shifted) }, coalesce);
  }

  /** @param {number|null} radius share of the shorter side; null for none */
  setRadius(index, radius, coalesce = null) {
    this.#change({ index, end: "handle" }, { radius: radius === null ? null : usableRadius(radius) }, coalesce);
  }

  /** @param {"move"|"reshape"|"push"|null} motion null leaves it to the node */
  setMotion(index, motion) {
    this.#change({ index, end: "handle" }, { motion });
  }

  /** @param {number} size steps to what is larger than what is found, below 0 to what is smaller */
  setSize(index, size) {
    this.#change({ index, end: "handle" }, { size: usableSize(size) });
  }

  /** @param {"add"|"leave_out"} kind */
  setKind(index, kind) {
    this.#change({ index, end: "click" }, { kind });
  }

  /** @param {number|null} group of the pair or click that a spot is of; null leaves it to the node */
  setGroup(spot, group) {
    this.#change(spot, { group: usableGroup(group) });
  }

  /** Takes away the pair or click that a spot is of. */
  remove(spot) {
    if (!this.holderOf(spot)) return;
    const list = listOf(spot.end);
    this.#edit({ ...this.#drags, [list]: this.#drags[list].filter((_, at) => at !== spot.index) });
    this.select(null);
  }

  clear() {
    this.#edit(NOTHING);
    this.select(null);
  }

  undo() {
    return this.#restore(this.#steps.undo(this.#drags));
  }

  redo() {
    return this.#restore(this.#steps.redo(this.#drags));
  }

  /** Undoes the last step without offering to redo it: a gesture that was broken off. */
  abandon() {
    this.#restore(this.#steps.abandon());
  }

  /** @param {import("./points.js").Spot|null} selection */
  select(selection) {
    const next = selection && this.holderOf(selection) ? selection : null;
    if (next?.index === this.#selection?.index && next?.end === this.#selection?.end) return;
    this.#selection = next;
    this.#tell("selection");
  }

  #edit(drags, coalesce = null) {
    if (write(drags) === this.text) return;
    this.#steps.record(this.#drags, coalesce);
    this.#become(drags);
  }

  #restore(drags) {
    if (drags === null) return false;
    this.#become(drags);
    return true;
  }

  #become(drags) {
    this.#drags = drags;
    if (this.#selection && !this.holderOf(this.#selection)) this.#selection = null;
    this.#tell("drags");
  }

  #tell(change) {
    for (const listener of this.#listeners) listener(change);
  }
}

const listOf = (end) => (end === "click" ? "clicks" : "pairs");
const placeOf = (end) => (end === "click" ? "at" : end);
