/**
 * Which picture a picker shows: found in the graph, so that it is there before anything has run.
 *
 * 1. A node that loads a file (LoadImage and its kin) straight behind the input: the file itself.
 * 2. Any other node behind the input that shows a preview: that preview.
 * 3. What this node got in its last run.
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
 * @param {object} node the Points node
 * @param {object} rootGraph
 * @param {object} outputs ComfyUI's outputs by node
 * @param {FileRef|null} lastRun the picture this node got in its last run
 * @returns {{key: string, query?: string, url?: string, name: string, via: string, exact: boolean}|null}
 */
export function findPicture(node, rootGraph, outputs, lastRun) {
  const direct = originOf(node, inputIndex(node, "image"), rootGraph);
  if (!direct) return null;
  const shown = shownPicture(direct.node, outputs, rootGraph);
  if (shown) return describe(shown, direct.node, true);
  if (isFileRef(lastRun)) {
    return describe({ query: viewQuery(lastRun), name: "", stamp: "" }, direct.node, true);
  }
  let node_ = direct.node;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const next = imageBehind(node_, rootGraph);
    if (!next) return null;
    const further = shownPicture(next, outputs, rootGraph);
    if (further) return describe(further, direct.node, false);
    node_ = next;
  }
  return null;
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
