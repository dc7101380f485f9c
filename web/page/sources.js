/**
 * Which picture a picker shows: found in the graph, so that it is there before anything has run.
 *
 * 1. A node that loads a file (LoadImage and its kin) straight behind the input: the file itself.
 * 2. Any other node behind the input that shows a preview: that preview.
 * 3. What this node got in its last run, unless another file has been chosen further up since.
 * 4. A loader or preview further up, shown as an approximation and said to be one.
 */

import { inputIndex, locatorOf, originOf } from "./graph.js";

const LOADER_WIDGET = "image";
const MAX_STEPS = 24;

/** @typedef {{filename: string, subfolder?: string, type?: string}} FileRef */

/** "portraits/anna.png [output]" as ComfyUI's file widgets write it. @returns {FileRef|null} */
export function parseAnnotatedName(value) {
  if (typeof value !== "string" || !value) return null;
  const match = /^(.*?)(?: \[(input|output|temp)\])?$/s.exec(value);
  const cut = match[1].lastIndexOf("/");
  return { filename: match[1].slice(cut + 1), subfolder: cut < 0 ? "" : match[1].slice(0, cut), type: match[2] ?? "input" };
}

/** @param {FileRef} ref @returns {string} query of ComfyUI's /view route */
export function viewQuery(ref) {
  return new URLSearchParams({
    filename: ref.filename,
    subfolder: ref.subfolder ?? "",
    type: ref.type ?? "temp",
  }).toString();
}

export function isFileRef(value) {
  return typeof value?.filename === "string" && value.filename !== "";
}

/** The file a loader node has chosen, or null if the node is no loader of images. */
function loadedFile(node) {
  const widget = node.widgets?.find((candidate) => candidate.name === LOADER_WIDGET);
  const value = Array.isArray(widget?.value) ? widget.value[0] : widget?.value;
  const loads = widget?.type === "combo" || widget?.type === "asset" || typeof widget?.value === "string";
  const hasImageInput = (node.inputs ?? []).some((input) => input.type === "IMAGE" && input.name === LOADER_WIDGET);
  return loads && !hasImageInput && /\.\w+( \[\w+\])?$/.test(value ?? "") ? parseAnnotatedName(value) : null;
}

/** The picture a node shows of itself, as {query} for a file or {url} for an image in the page. */
function shownPicture(node, outputs, rootGraph) {
  const file = loadedFile(node);
  if (file) {
    // A file saved over under the same name shows in a new preview image: its address is part of the key.
    return { query: viewQuery(file), name: file.filename, stamp: node.imgs?.[0]?.src ?? "" };
  }
  const images = outputs?.[locatorOf(node, rootGraph)]?.images;
  if (isFileRef(images?.[0])) return { query: viewQuery(images[0]), name: images[0].filename, stamp: "" };
  const shown = node.imgs?.[0];
  if (shown?.src && !shown.src.startsWith("blob:")) return { url: shown.src, name: "", stamp: "" };
  return null;
}

/**
 * @typedef {object} RunPicture what a node got in its last run: a file of the server's, and
 * @property {string|null} [behind] what `fileBehind` told then; absent where nobody knows
 * @property {string} [copy] a small copy as a data URL, for when the server has dropped the file
 * @property {[number, number]} [size] of the picture that it is a copy of
 */

/**
 * @param {object} node the Points node
 * @param {object} rootGraph
 * @param {object} outputs ComfyUI's outputs by node
 * @param {(FileRef & RunPicture)|null} lastRun
 * @returns {{key: string, query?: string, url?: string, name: string, via: string, exact: boolean, ran?: RunPicture}|null}
 */
export function findPicture(node, rootGraph, outputs, lastRun) {
  const direct = originOf(node, inputIndex(node, "image"), rootGraph);
  if (!direct) return null;
  const shown = shownPicture(direct.node, outputs, rootGraph);
  if (shown) return describe(shown, direct.node, true);
  const fromRun = isFileRef(lastRun)
    ? { ...describe({ query: viewQuery(lastRun), name: "", stamp: "" }, direct.node, true), ran: lastRun }
    : null;
  if (fromRun && !isSuperseded(lastRun, node, rootGraph)) return fromRun;
  for (const further of imagesBehind(direct.node, rootGraph)) {
    const picture = shownPicture(further, outputs, rootGraph);
    if (picture) return describe(picture, direct.node, false);
  }
  return fromRun;
}

/** Whether the picture of a run comes from another file than the one that is chosen now. */
export function isSuperseded(lastRun, node, rootGraph) {
  return lastRun?.behind !== undefined && lastRun.behind !== fileBehind(node, rootGraph);
}

/** Query of the file that a node's picture is made of, looked up through all that works on it; null if none is. */
export function fileBehind(node, rootGraph) {
  for (const origin of imagesBehind(node, rootGraph)) {
    const file = loadedFile(origin);
    if (file) return viewQuery(file);
  }
  return null;
}

/** The nodes that a node's picture comes through, the nearest first. */
function* imagesBehind(node, rootGraph) {
  let current = node;
  for (let step = 0; current && step < MAX_STEPS; step += 1) {
    current = imageBehind(current, rootGraph);
    if (current) yield current;
  }
}

function imageBehind(node, rootGraph) {
  for (let index = 0; index < (node.inputs?.length ?? 0); index += 1) {
    if (node.inputs[index].type !== "IMAGE") continue;
    const origin = originOf(node, index, rootGraph);
    if (origin) return origin.node;
  }
  return null;
}

function describe(shown, via, exact) {
  const key = `${shown.query ?? shown.url}|${shown.stamp}|${exact}`;
  return { ...shown, key, via: String(via.title ?? via.type ?? ""), exact };
}
