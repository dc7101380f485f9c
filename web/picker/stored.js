/** The text that a node stores: reading what may come from anywhere, and writing. Pairs and clicks as in points.js. */

import { intoReach, KINDS, MAX_CLICKS, MAX_GROUP, MAX_PAIRS, MAX_SIZE, MOTIONS, ontoPicture, rounded } from "./points.js";

/** The second has groups, motions, sizes and clicks; the first is written where there are none, for older releases. */
const NEWEST = 2;

/** A stored text that could not be read. `reason` is a key of text.js, `detail` goes into its sentence. */
export class StoredValueError extends Error {
  constructor(reason, detail = {}) {
    super(reason);
    this.reason = reason;
    this.detail = detail;
  }
}

/**
 * @typedef {object} Drags
 * @property {object[]} pairs
 * @property {object[]} clicks
 */

const isSamePoint = (a, b) => a.x === b.x && a.y === b.y;
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/**
 * Reads the stored text.
 * @param {string} text
 * @returns {Drags & {clamped: {pairs: number[], clicks: number[]}}} with the indices of those that lay outside of the
 *   picture (a target: too far outside) and were put on the edge.
 * @throws {StoredValueError}
 */
export function parse(text) {
  if (typeof text !== "string") throw new StoredValueError("brokenJson");
  const clamped = { pairs: [], clicks: [] };
  if (!text.trim()) return { pairs: [], clicks: [], clamped };
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new StoredValueError("brokenJson");
  }
  if (data === null || typeof data !== "object" || Array.isArray(data)) throw new StoredValueError("brokenShape");
  const { version } = data;
  if (!Number.isInteger(version)) throw new StoredValueError("brokenShape");
  if (version > NEWEST) throw new StoredValueError("brokenNewer", { version });
  if (version < 1) throw new StoredValueError("brokenOlder", { version });
  if (version === 1 && data.clicks != null) throw new StoredValueError("brokenMixed", { what: "clicks" });
  const pairs = listOf(data.pairs, MAX_PAIRS, "brokenTooMany").map((raw, index) => {
    const [pair, isMoved] = readPair(raw, index, version);
    if (isMoved) clamped.pairs.push(index);
    return pair;
  });
  const clicks = listOf(data.clicks ?? [], MAX_CLICKS, "brokenTooManyClicks").map((raw, index) => {
    const [click, isMoved] = readClick(raw, index);
    if (isMoved) clamped.clicks.push(index);
    return click;
  });
  return { pairs, clicks, clamped };
}

/**
 * How many pictures a text has drags for, one set each: a list, which the node takes and the picker does not draw.
 * @returns {number} 0 for any other text
 */
export function picturesIn(text) {
  let sets;
  try {
    sets = JSON.parse(text);
  } catch {
    return 0;
  }
  return Array.isArray(sets) && sets.every((set) => canonical(JSON.stringify(set))) ? sets.length : 0;
}

function listOf(value, most, reason) {
  if (!Array.isArray(value)) throw new StoredValueError("brokenShape");
  if (value.length > most) throw new StoredValueError(reason, { count: value.length });
  return value;
}

/** @returns {[object, boolean]} the pair, and whether it had to be moved */
function readPair(raw, index, version) {
  const number = index + 1;
  const handle = readPoint(raw?.handle, "brokenHandle", number);
  const target = readPoint(raw?.target, "brokenTarget", number);
  const radius = raw.radius ?? null;
  if (radius !== null && !(isNumber(radius) && radius > 0)) throw new StoredValueError("brokenRadius", { number });
  if (version === 1) {
    for (const what of ["group", "motion", "size"]) if (raw[what] != null) throw new StoredValueError("brokenMixed", { what });
  }
  const motion = raw.motion ?? null;
  if (motion !== null && !MOTIONS.includes(motion)) throw new StoredValueError("brokenMotion", { number });
  const group = readGroup(raw.group, "brokenGroup", number);
  const size = raw.size ?? 0;
  if (!(Number.isInteger(size) && Math.abs(size) <= MAX_SIZE)) throw new StoredValueError("brokenSize", { number, most: MAX_SIZE });
  const pair = { handle: ontoPicture(handle), target: intoReach(target), radius, group, motion, size };
  return [pair, !isSamePoint(pair.handle, handle) || !isSamePoint(pair.target, target)];
}

/** @returns {[object, boolean]} the click, and whether it had to be moved */
function readClick(raw, index) {
  const number = index + 1;
  const at = readPoint(raw?.at, "brokenClick", number);
  if (!KINDS.includes(raw.kind)) throw new StoredValueError("brokenKind", { number });
  const click = { at: ontoPicture(at), kind: raw.kind, group: readGroup(raw.group, "brokenClickGroup", number) };
  return [click, !isSamePoint(click.at, at)];
}

function readGroup(raw, reason, number) {
  const group = raw ?? null;
  if (group === null || (Number.isInteger(group) && group >= 1 && group <= MAX_GROUP)) return group;
  throw new StoredValueError(reason, { number, most: MAX_GROUP });
}

function readPoint(raw, reason, number) {
  if (!Array.isArray(raw) || raw.length !== 2 || !raw.every(isNumber)) throw new StoredValueError(reason, { number });
  return { x: raw[0], y: raw[1] };
}

const placed = (point) => [rounded(point.x), rounded(point.y)];

/** @param {Drags} drags @returns {string} what is stored of them; empty for none, as a new node has it */
export function write({ pairs, clicks }) {
  if (!pairs.length && !clicks.length) return "";
  const isSecond = clicks.length > 0 || pairs.some(({ group, motion, size }) => group !== null || motion !== null || size !== 0);
  return JSON.stringify({
    version: isSecond ? 2 : 1,
    pairs: pairs.map(({ handle, target, radius, group, motion, size }) => ({
      handle: placed(handle),
      target: placed(target),
      ...(radius === null ? {} : { radius: rounded(radius) }),
      ...(group === null ? {} : { group }),
      ...(motion === null ? {} : { motion }),
      ...(size === 0 ? {} : { size }),
    })),
    ...(clicks.length === 0
      ? {}
      : { clicks: clicks.map(({ at, kind, group }) => ({ at: placed(at), kind, ...(group === null ? {} : { group }) })) }),
  });
}

/**
 * A stored text in this version's own form, so that spacing and number formats don't count as a change.
 * @returns {string|null} null for what cannot be read
 */
export function canonical(stored) {
  try {
    return write(parse(stored));
  } catch (error) {
    if (!(error instanceof StoredValueError)) throw error;
    return null;
  }
}
