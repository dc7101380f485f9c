/** The text that a node stores: reading what may come from anywhere, and writing. Pairs are as in points.js. */

import { intoReach, MAX_PAIRS, ontoPicture } from "./points.js";

const VERSION = 1;
const DIGITS = 6;

/** A stored text that could not be read. `reason` is a key of text.js, `detail` goes into its sentence. */
export class StoredValueError extends Error {
  constructor(reason, detail = {}) {
    super(reason);
    this.reason = reason;
    this.detail = detail;
  }
}

const isSamePoint = (a, b) => a.x === b.x && a.y === b.y;
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
    const pair = { handle: ontoPicture(handle), target: intoReach(target), radius };
    if (!isSamePoint(pair.handle, handle) || !isSamePoint(pair.target, target)) clamped.push(index);
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

const rounded = (value) => Number(value.toFixed(DIGITS));

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

/**
 * A stored text in this version's own form, so that spacing and number formats don't count as a change.
 * @returns {string|null} null for what cannot be read
 */
export function canonical(stored) {
  try {
    return write(parse(stored).pairs);
  } catch (error) {
    if (!(error instanceof StoredValueError)) throw error;
    return null;
  }
}
