/** What runs have made of a node's drags: the mask, the heatmaps, the light, and whether they still hold. */

import { allNodes, isFedBy, isLinked, locatorOf, nodeByExecutionId } from "./graph.js";
import { newestOutputs } from "./history.js";
import { fileBehind, isFileRef, isSuperseded, viewQuery } from "./sources.js";

const MASK_KEY = "attentiondrag_mask";
const HEAT_KEY = "attentiondrag_heatmaps";
const LIGHT_KEY = "attentiondrag_light";
const MOTIONS_KEY = "attentiondrag_motions";
const WINDOW_KEY = "attentiondrag_window";
const SETTINGS_KEY = "attentiondrag_settings";
const SOURCE_KEY = "attentiondrag_source";
const POINTS_KEY = "attentiondrag_points";
/** Node property: the picture of the last run, for sources that show none by themselves. */
const LAST_PICTURE = "attentiondrag_picture";

/** Of every result that came in on this page, whichever picker it is for. */
let serial = 0;

export class Results {
  #node;
  #page;
  #shown = { mask: null, heat: [], light: null, motions: [], window: null, points: null, serial: 0, live: false };
  /** The node whose mask is shown, and the run that it is of; null for one of before the page was loaded. */
  #maker = { node: null, run: null };
  /** What each node that made a mask was set to then. */
  #settings = new Map();
  /** The windows that Crop nodes have cut out: a mask made behind one is of its window. */
  #crops = new Map();

  /**
   * @param {object} node the Points node
   * @param {object} page
   * @param {() => object} page.root the root graph
   * @param {() => object} page.outputs ComfyUI's outputs by node, as this page knows them
   * @param {() => Promise<object>} page.history the server's last runs
   * @param {(query: string) => string} page.viewUrl
   */
  constructor(node, page) {
    this.#node = node;
    this.#page = page;
  }

  /** @returns {{mask: string|null, heat: string[], light: string|null, motions: (string|null)[], window: import("../picker/host.js").Window|null, points: string|null, serial: number, live: boolean, outdated: boolean}} */
  get shown() {
    const superseded = isSuperseded(this.lastPicture, this.#node, this.#page.root());
    return { ...this.#shown, outdated: superseded || this.#isSetOtherwise() };
  }

  /** @returns {import("./sources.js").RunPicture|undefined} */
  get lastPicture() {
    return this.#node.properties?.[LAST_PICTURE];
  }

  set lastPicture(picture) {
    this.#node.properties ??= {};
    this.#node.properties[LAST_PICTURE] = picture;
  }

  /** What nodes behind this one's points have made: from the outputs that the page keeps, else from the server's. */
  async recall() {
    const root = this.#page.root();
    const outputs = this.#page.outputs();
    this.#takeAll([...allNodes(root)].map((node) => [node, outputs[locatorOf(node, root)]]));
    if (this.#shown.mask) return;
    const before = this.#shown.serial;
    const kept = newestOutputs(await this.#page.history(), root.id);
    // A run may have ended while the server answered, and another graph may be open.
    if (this.#shown.serial !== before || this.#page.root() !== root) return;
    this.#takeAll([...kept].map(([id, output]) => [nodeByExecutionId(id, root), output]));
  }

  /** Whether something that this node gives out goes into one of these nodes (execution ids). */
  feeds(ids) {
    const root = this.#page.root();
    return ids.some((id) => {
      const node = nodeByExecutionId(id, root);
      return node && isFedBy(node, this.#node, root);
    });
  }

  /**
   * After a run: what nodes show that the server sent nothing of, those whose result was cached.
   * @param {string[]|null} ids execution ids; null for all, when the page didn't see the run's beginning
   */
  takeKept(entries, run, ids) {
    const root = this.#page.root();
    const kept = newestOutputs(entries, root.id);
    this.#takeAll((ids ?? [...kept.keys()]).map((id) => [nodeByExecutionId(id, root), kept.get(id)]), run);
  }

  /** What a node has just made in a run. @returns {boolean} whether it is any of this one's */
  takeLive(node, output, run) {
    return this.#takeAll([[node, output]], run);
  }

  /** @returns {boolean} whether there was something for this node */
  #takeAll(made, run = null) {
    const root = this.#page.root();
    const masks = [];
    const lights = [];
    let own = false;
    for (const [node, output] of made) {
      if (!node || !output) continue;
      if (node === this.#node) {
        this.#takeOwn(output, run);
        own = true;
        continue;
      }
      if (output[LIGHT_KEY] && isFedBy(node, this.#node, root)) lights.push(output);
      if (output[WINDOW_KEY] && !output[MASK_KEY] && isFedBy(node, this.#node, root)) {
        this.#crops.set(node, boxOf(output));
      } else if (output[MASK_KEY] && isFedBy(node, this.#node, root)) {
        masks.push([node, output]);
        this.#settings.set(node, output[SETTINGS_KEY]?.[0] ?? {});
      }
    }
    // Of several, the mask that takes effect is that of the node which the others lead to.
    const leadsOn = ([node]) => masks.some(([other]) => other !== node && isFedBy(other, node, root));
    const last = masks.find((mask) => !leadsOn(mask));
    if (last) this.#takeMask(...last, run);
    // The light is known last in a run, of the very mask that is shown.
    for (const output of lights) this.#shown = { ...this.#shown, light: this.#urls(output[LIGHT_KEY])[0] ?? null, serial: (serial += 1) };
    return own || masks.length > 0 || lights.length > 0;
  }

  #takeMask(node, output, run) {
    const { node: maker, run: itsRun } = this.#maker;
    // This run has already told of a mask further on, and tells of what was cached before it only now.
    if (run !== null && run === itsRun && maker !== node && isFedBy(maker, node, this.#page.root())) return;
    this.#maker = { node, run };
    this.#shown = {
      ...this.#shown,
      mask: this.#urls(output[MASK_KEY])[0] ?? null,
      heat: this.#urls(output[HEAT_KEY]),
      light: null,
      motions: Array.isArray(output[MOTIONS_KEY]) ? output[MOTIONS_KEY] : [],
      window: this.#windowOf(node, output),
      serial: (serial += 1),
      live: run !== null,
    };
  }

  #urls(refs) {
    return (Array.isArray(refs) ? refs : []).filter(isFileRef).map((ref) => this.#page.viewUrl(viewQuery(ref)));
  }

  /** The window that a node worked in: its own, or that of a Crop before it, which its mask then is of. */
  #windowOf(node, output) {
    const own = boxOf(output);
    if (own) return { ...own, inside: false };
    const root = this.#page.root();
    for (const [crop, box] of this.#crops) if (box && isFedBy(node, crop, root)) return { ...box, inside: true };
    return null;
  }

  #takeOwn(output, run) {
    const [source] = output[SOURCE_KEY] ?? [];
    // One that was recalled is of an earlier choice of files: only the stored property knows which.
    if (isFileRef(source) && (run !== null || this.lastPicture?.filename !== source.filename)) {
      const { copy, size } = this.lastPicture?.filename === source.filename ? this.lastPicture : {};
      const behind = run === null ? undefined : fileBehind(this.#node, this.#page.root());
      this.lastPicture = { ...source, behind, copy, size };
    }
    const [ran] = output[POINTS_KEY] ?? [];
    if (typeof ran === "string") this.#shown = { ...this.#shown, points: ran, serial: (serial += 1) };
  }

  /** Whether a node that had a part in the mask is set otherwise than it was. */
  #isSetOtherwise() {
    const { node: maker } = this.#maker;
    const root = this.#page.root();
    for (const [node, settings] of this.#settings) {
      if (node !== maker && !isFedBy(maker, node, root)) continue;
      for (const [name, value] of Object.entries(settings)) {
        const widget = node.widgets?.find((candidate) => candidate.name === name);
        if (widget && !isLinked(node, name) && widget.value !== value) return true;
      }
    }
    return false;
  }
}

/** The window that an output tells of, in shares of the picture; null for the whole picture. */
function boxOf(output) {
  const [box] = Array.isArray(output[WINDOW_KEY]) ? output[WINDOW_KEY] : [];
  if (!Array.isArray(box) || box.length !== 4 || !box.every((value) => Number.isFinite(value))) return null;
  const [left, top, width, height] = box;
  return { left, top, width, height };
}
