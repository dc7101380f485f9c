/**
 * The drags of one node: parsing and writing the stored text, edits, selection, undo. Knows no DOM.
 *
 * A pair is {handle: {x, y}, target: {x, y}, radius: number|null}, normalised to the picture's width and height;
 * the radius is a share of the shorter side. Pairs are never changed in place, so a snapshot is a reference.
 */

export const VERSION = 1;
export const MAX_PAIRS = 256;
/** How far outside of the picture a target may lie (core/points.py refuses more). */
export const TARGET_RANGE = Object.freeze([-4, 5]);
const HISTORY = 200;
const DIGITS = 6;

/** A stored text that could not be read. `reason` is a key of text.js, `detail` goes into its sentence. */
export class StoredValueError extends Error {
  constructor(reason, detail = {}) {
    super(reason);
    this.reason = reason;
    this.detail = detail;
  }
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/**
 * Reads the stored text.
 * @param {string} text
 * @returns {{pairs: object[], clamped: number[]}} the pairs, and the indices of those whose handle lay outside of
 *   the picture (or whose target lay too far outside) and was put on the edge.
 * @throws {StoredValueError}
 */
export function parse(text) {
  if (typeof text !== "string") throw new StoredValueError("brokenJson");
  if (!text.trim()) return { pairs: [], clamped: [] };
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new StoredValueError("brokenJson");
  }
  if (data === null || typeof data !== "object" || Array.isArray(data)) throw new StoredValueError("brokenShape");
  if (!Number.isInteger(data.version)) throw new StoredValueError("brokenShape");
  if (data.version > VERSION) throw new StoredValueError("brokenNewer", { version: data.version });
  if (data.version < VERSION) throw new StoredValueError("brokenOlder", { version: data.version });
  if (!Array.isArray(data.pairs)) throw new StoredValueError("brokenShape");
  if (data.pairs.length > MAX_PAIRS) throw new StoredValueError("brokenTooMany", { count: data.pairs.length });
  const clamped = [];
  const pairs = data.pairs.map((raw, index) => {
    const handle = readPoint(raw?.handle, index, "handle");
    const target = readPoint(raw?.target, index, "target");
    const radius = raw.radius ?? null;
    if (radius !== null && !(isNumber(radius) && radius > 0)) {
      throw new StoredValueError("brokenRadius", { number: index + 1 });
    }
    const pair = { handle: clampHandle(handle), target: clampTarget(target), radius };
    if (!samePoint(pair.handle, handle) || !samePoint(pair.target, target)) clamped.push(index);
    return pair;
  });
  return { pairs, clamped };
}

function readPoint(raw, index, end) {
  if (!Array.isArray(raw) || raw.length !== 2 || !raw.every(isNumber)) {
    throw new StoredValueError(end === "handle" ? "brokenHandle" : "brokenTarget", { number: index + 1 });
  }
  return { x: raw[0], y: raw[1] };
}

const samePoint = (a, b) => a.x === b.x && a.y === b.y;
const rounded = (value) => Number(value.toFixed(DIGITS));

/** @returns {{x: number, y: number}} the nearest point of the picture */
export function clampHandle(point) {
  return { x: clamp(point.x, 0, 1), y: clamp(point.y, 0, 1) };
}

/** @returns {{x: number, y: number}} the nearest point a target may have */
export function clampTarget(point) {
  return { x: clamp(point.x, ...TARGET_RANGE), y: clamp(point.y, ...TARGET_RANGE) };
}

export function isOutside(point) {
  return point.x < 0 || point.x > 1 || point.y < 0 || point.y > 1;
}

/** The stored text of the pairs; empty for none, as a new node has it. */
export function write(pairs) {
  if (!pairs.length) return "";
  return JSON.stringify({
    version: VERSION,
    pairs: pairs.map(({ handle, target, radius }) => ({
      handle: [rounded(handle.x), rounded(handle.y)],
      target: [rounded(target.x), rounded(target.y)],
      ...(radius === null ? {} : { radius: rounded(radius) }),
    })),
  });
}

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

  /** Takes pairs from outside (a load, ComfyUI's own undo). Clears this model's history when they differ. */
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
    const pair = { handle: clampHandle(handle), target: clampTarget(target), radius: null };
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
    const at = end === "handle" ? clampHandle(point) : clampTarget(point);
    this.#change(index, () => ({ [end]: at }), coalesce);
  }

  /** Puts both ends of a pair somewhere. The handle stays on the picture and the drag keeps its length. */
  placeBoth(index, handle, target, coalesce = null) {
    const held = clampHandle(handle);
    const shifted = { x: target.x + held.x - handle.x, y: target.y + held.y - handle.y };
    this.#change(index, () => ({ handle: held, target: clampTarget(shifted) }), coalesce);
  }

  /** @param {number|null} radius share of the shorter side; null for none */
  setRadius(index, radius, coalesce = null) {
    this.#change(index, () => ({ radius: radius === null ? null : clamp(radius, 0.005, 2) }), coalesce);
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
