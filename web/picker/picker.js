/** Puts the parts of the picker together and keeps it in step with its node. */

import { html } from "./dom.js";
import { FITTED, zoomAt } from "./geometry.js";
import { KeyboardControl } from "./keyboard.js";
import { MAX_PAIRS, parse, PointsModel, StoredValueError, write } from "./model.js";
import { Notices } from "./notices.js";
import { paint } from "./overlay.js";
import { Panel } from "./panel.js";
import { fetchPicture, smallCopy } from "./picture.js";
import { PointerControl } from "./pointer.js";
import { text } from "./text.js";
import { Toolbar } from "./toolbar.js";
import { describePoint, View } from "./view.js";

const TICK = 200;
const ZOOM_STEP = 1.25;
/** Reach of a drag added without a pointer, as a share of the picture's width. */
const ADDED_LENGTH = 0.15;
/** Node properties: they are stored in the workflow, but are no input of the node. */
const SIZE_PROPERTY = "attentiondrag_size";
const BROKEN_PROPERTY = "attentiondrag_broken";

/**
 * What the page gives a picker.
 * @typedef {object} Host
 * @property {() => string} readText the stored text
 * @property {(text: string) => void} writeText
 * @property {() => void} commit tells ComfyUI that a change is complete
 * @property {(event: WheelEvent) => void} passWheel
 * @property {(event: PointerEvent) => void} passPointer
 * @property {(element: HTMLElement) => void} keepMounted sees to it that the element is on the page, if it should be
 * @property {() => object|null} findPicture see sources.js, with `url` filled in
 * @property {() => boolean} hasImageLink
 * @property {() => boolean} isLinked whether the stored text comes from another node
 * @property {(found: object, copy: string, size: [number, number]) => void} keepCopy of the last run's picture
 * @property {() => {mask: string|null, heat: string[], points: string|null, serial: number, live: boolean,
 *   outdated: boolean}} results see results.js
 * @property {(name: string) => unknown} property
 * @property {(name: string, value: unknown) => void} setProperty
 */

export class Picker {
  #host;
  #model = new PointsModel();
  #view;
  #pointer;
  #keyboard;
  #panel;
  #toolbar;
  #notices = new Notices();
  #storedText = null;
  #pictureKey = null;
  #description = null;
  #pictureFailed = false;
  #pictureIsCopy = false;
  #overlay = "none";
  #overlayUrl = null;
  #results = { mask: null, heat: [], points: null, serial: 0, outdated: false };
  #hover = null;
  #said = "";
  #timer = 0;
  #resize;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
    const model = this.#model;
    this.#view = new View(model);
    this.#pointer = new PointerControl(model, this.#view, host, {
      onHover: (point) => this.#showHover(point),
      onViewChange: () => this.#showState(),
      onPick: (found) => this.#focusPick(found),
      onFull: () => this.#say(text("tooMany", { count: MAX_PAIRS })),
    });
    const removePair = (index) => this.#removePair(index);
    this.#panel = new Panel(model, this.#view, host, { removePair, applyRaw: (raw) => this.#applyRaw(raw) });
    this.#toolbar = new Toolbar({
      undo: () => model.undo() && host.commit(),
      redo: () => model.redo() && host.commit(),
      add: () => this.#addPair(),
      remove: () => model.selection && removePair(model.selection.index),
      clear: () => this.#clear(),
      hand: () => this.#toggleHand(),
      zoomIn: () => this.#zoomBy(ZOOM_STEP),
      zoomOut: () => this.#zoomBy(1 / ZOOM_STEP),
      fit: () => this.#setView({ ...FITTED }),
      overlay: (kind) => this.#setOverlay(kind),
      opacity: (value) => this.#view.overlay.style.setProperty("opacity", value),
    });
    this.#view.overlay.style.opacity = "0.55";
    this.readout = html("div", { class: "ad-readout" });
    this.pictureInfo = html("div", { class: "ad-picture-info" });
    this.live = html("div", { class: "ad-live", "aria-live": "polite" });
    const status = html("div", { class: "ad-status" }, this.readout, this.pictureInfo);
    this.element = html(
      "div",
      { class: "ad-picker widget-expands", role: "group", "aria-label": text("picker") },
      this.#toolbar.element,
      html("div", { class: "ad-middle" }, this.#view.stage, this.#toolbar.opacity),
      status,
      this.#notices.element,
      this.#panel.element,
      this.live,
    );
    this.#keyboard = new KeyboardControl(this.element, model, this.#view, this.#pointer, host, {
      onViewChange: () => this.#showState(),
      addPair: () => this.#addPair(),
      removePair,
      toggleOverlay: () => this.#setOverlay(this.#overlay === "none" ? "mask" : "none"),
    });
    model.onChange((change) => this.#changed(change));
    this.#resize = new ResizeObserver(() => this.#view.measure());
    this.#showState();
  }

  start() {
    if (this.#timer) return;
    this.#resize.observe(this.#view.stage);
    this.#timer = setInterval(() => this.tick(), TICK);
    this.tick();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#resize.disconnect();
    this.#view.dispose();
  }

  /**
   * Looks for what changed outside: the stored text (a load, ComfyUI's undo, a script), the picture, the results.
   * Looking beats listening here: the ways in which these change differ between front ends, and none is missed.
   */
  tick() {
    if (this.#pointer.busy) return;
    this.#host.keepMounted(this.element);
    this.#readStored();
    this.#readPicture();
    this.#readResults();
    this.#showOverlay();
    this.#notices.set("linked", this.#host.isLinked() ? { text: text("linked"), kind: "warning" } : null);
    this.#view.draw();
  }

  #readStored() {
    const stored = this.#host.readText();
    if (stored !== this.#storedText) {
      this.#storedText = stored;
      try {
        const { pairs, clamped } = parse(stored);
        this.#model.replace(pairs);
        if (clamped.length) {
          this.#store();
          const numbers = clamped.map((index) => index + 1).join(", ");
          const clear = () => this.#notices.set("clamped", null);
          this.#notices.set("clamped", { text: text("clamped", { numbers }), kind: "warning", onDismiss: clear });
        }
      } catch (error) {
        if (!(error instanceof StoredValueError)) throw error;
        this.#model.replace([]);
        this.#host.setProperty(BROKEN_PROPERTY, { text: String(stored), reason: error.reason, detail: error.detail });
        this.#store();
      }
    }
    const broken = this.#host.property(BROKEN_PROPERTY);
    const forget = () => this.#host.setProperty(BROKEN_PROPERTY, undefined);
    this.#notices.set(
      "broken",
      broken
        ? {
            text: text("broken", { reason: text(broken.reason, broken.detail) }),
            kind: "warning",
            kept: String(broken.text),
            onDismiss: forget,
          }
        : null,
    );
  }

  #store() {
    this.#storedText = this.#model.text;
    this.#host.writeText(this.#storedText);
  }

  #changed(change) {
    if (change === "pairs") {
      if (parsedText(this.#storedText) !== this.#model.text) {
        this.#store();
        if (this.#view.picture && this.#description?.exact) this.#rememberSize();
      }
      this.#panel.update();
    }
    this.#panel.showSelection();
    this.#showState();
    this.#showOverlay();
    this.#view.draw();
  }

  // ---- the picture

  #readPicture() {
    const found = this.#host.findPicture();
    this.#description = found;
    const key = found?.key ?? null;
    if (key !== this.#pictureKey) {
      this.#pictureKey = key;
      this.#loadPicture(found);
    }
    this.#showPictureState();
  }

  async #loadPicture(found) {
    this.#pictureFailed = false;
    this.#pictureIsCopy = false;
    const { image } = this.#view;
    if (!found) {
      image.hidden = true;
      image.removeAttribute("src");
      this.#view.picture = null;
      this.#panel.update();
      return;
    }
    const { loaded, isCopy, size } = await fetchPicture(found);
    if (found.key !== this.#pictureKey) return;
    this.#pictureFailed = loaded === null;
    this.#pictureIsCopy = isCopy;
    image.hidden = !loaded;
    if (loaded) {
      image.src = loaded.src;
      const [width, height] = size;
      this.#view.picture = { width, height };
      if (found.ran && !found.ran.copy) this.#host.keepCopy(found, smallCopy(loaded), size);
      if (!this.#host.property(SIZE_PROPERTY) && this.#model.pairs.length && found.exact) this.#rememberSize();
    } else {
      this.#view.picture = null;
    }
    this.#showPictureState();
    this.#panel.update();
    this.#showState();
    this.#view.measure();
  }

  #rememberSize() {
    const { width, height } = this.#view.picture;
    this.#host.setProperty(SIZE_PROPERTY, [width, height]);
    this.#notices.set("size", null);
  }

  #showPictureState() {
    const { picture, image, empty } = this.#view;
    const found = this.#description;
    let message = null;
    if (this.#pictureFailed) message = text("loadFailed");
    else if (!found) message = text(this.#host.hasImageLink() ? "notShownYet" : "noPicture");
    empty.hidden = message === null;
    if (message !== null && empty.textContent !== message) empty.textContent = message;
    if (found?.name && image.alt !== found.name) image.alt = found.name;
    const approximate = found && !found.exact && picture;
    this.#notices.set("approximate", approximate ? { text: text("approximate", { via: found.via }) } : null);
    this.#notices.set("copy", this.#pictureIsCopy ? { text: text("copyShown") } : null);
    const size = this.#host.property(SIZE_PROPERTY);
    const differs =
      picture && found?.exact && this.#model.pairs.length && Array.isArray(size) &&
      (size[0] !== picture.width || size[1] !== picture.height);
    this.#notices.set(
      "size",
      differs
        ? {
            text: text("sizeChanged", { width: picture.width, height: picture.height, oldWidth: size[0], oldHeight: size[1] }),
            kind: "warning",
            onDismiss: () => this.#rememberSize(),
          }
        : null,
    );
    const info = picture ? [found?.name, `${picture.width} × ${picture.height}`].filter(Boolean).join(" · ") : "";
    if (this.pictureInfo.textContent !== info) {
      this.pictureInfo.textContent = info;
      this.pictureInfo.title = info;
    }
  }

  // ---- mask and heatmap

  #readResults() {
    const results = this.#host.results();
    if (results.serial === this.#results.serial) {
      this.#results.outdated = results.outdated;
      return;
    }
    // The run has made the picture anew, under the same name where it is the same.
    if (this.#pictureIsCopy || this.#pictureFailed) this.#pictureKey = null;
    const first = !this.#results.mask && results.mask && results.live;
    this.#results = results;
    if (first && this.#overlay === "none") this.#overlay = "mask";
    this.#showState();
    this.#showOverlay();
  }

  #setOverlay(kind) {
    this.#overlay = kind;
    this.#showState();
    this.#showOverlay();
  }

  #showOverlay() {
    // A message that comes up pushes the picture up: not while someone is drawing on it.
    if (this.#pointer.busy) return;
    const { mask, heat, points, outdated } = this.#results;
    const chosen = Math.min(this.#model.selection?.index ?? 0, Math.max(0, heat.length - 1));
    const url = { mask, heat: heat[chosen] ?? null, none: null }[this.#overlay] ?? null;
    const moved = points !== null && parsedText(points) !== this.#model.text;
    const stale = url !== null && (moved || outdated);
    this.#notices.set("stale", stale ? { text: text("overlayStale") } : null);
    const canvas = this.#view.overlay;
    canvas.classList.toggle("ad-stale", stale);
    if (url === this.#overlayUrl) return;
    this.#overlayUrl = url;
    canvas.dataset.showing = "";
    if (url === null) {
      canvas.hidden = true;
      return;
    }
    const kind = this.#overlay;
    paint(canvas, url, kind === "mask" ? "mask" : "heat").then(
      () => {
        if (url !== this.#overlayUrl) return;
        canvas.hidden = false;
        canvas.dataset.showing = kind;
        this.#view.draw();
      },
      () => {
        if (url === this.#overlayUrl) canvas.hidden = true;
      },
    );
  }

  // ---- actions

  #addPair() {
    const { x, y } = this.#view.view;
    const to = x + ADDED_LENGTH <= 1 ? x + ADDED_LENGTH : x - ADDED_LENGTH;
    const index = this.#model.add({ x, y }, { x: to, y });
    if (index < 0) {
      this.#say(text("tooMany", { count: MAX_PAIRS }));
      return;
    }
    this.#view.focus(index, "handle");
    this.#host.commit();
  }

  #removePair(index) {
    const onStage = this.#view.hasFocus;
    this.#model.remove(index);
    this.#say(text("deleted", { number: index + 1 }));
    if (onStage || !this.element.contains(document.activeElement)) this.#view.focus();
    this.#host.commit();
  }

  #clear() {
    this.#model.clear();
    this.#host.commit();
  }

  #applyRaw(raw) {
    this.#storedText = null;
    this.#host.writeText(raw.trim());
    this.tick();
    this.#panel.update();
    this.#host.commit();
  }

  #toggleHand() {
    this.#pointer.hand = !this.#pointer.hand;
    this.#view.stage.dataset.cursor = this.#pointer.hand ? "pan" : "draw";
    this.#showState();
  }

  #zoomBy(factor) {
    const { space, stageSize, view } = this.#view;
    this.#setView(zoomAt(space, stageSize, view, factor, { x: stageSize.width / 2, y: stageSize.height / 2 }));
  }

  #setView(view) {
    this.#view.view = view;
    this.#view.draw();
    this.#showState();
  }

  #focusPick(found) {
    if (found.kind === "end") this.#view.focus(found.index, found.end);
    else this.#view.focus();
  }

  // ---- what is said

  #showHover(point) {
    this.#hover = point && point.x >= 0 && point.x <= 1 && point.y >= 0 && point.y <= 1 ? point : null;
    this.#showReadout();
  }

  #showReadout() {
    const { selection, pairs } = this.#model;
    const parts = [];
    const busyPoint = selection && pairs[selection.index]?.[selection.end];
    if (this.#hover && !this.#pointer.busy) parts.push(describePoint(this.#hover, this.#view.picture));
    if (busyPoint) {
      const label = text(`${selection.end}Label`, { number: selection.index + 1 });
      parts.push(`${label}: ${describePoint(busyPoint, this.#view.picture)}`);
    }
    this.readout.textContent = parts.join("  ·  ");
  }

  #showState() {
    const model = this.#model;
    this.#toolbar.update({
      canUndo: model.canUndo,
      canRedo: model.canRedo,
      hasPairs: model.pairs.length > 0,
      hasSelection: model.selection !== null,
      hand: this.#pointer.hand,
      zoom: this.#view.view.zoom,
      overlay: this.#overlay,
      available: { mask: Boolean(this.#results.mask), heat: this.#results.heat.length > 0 },
    });
    this.#showReadout();
  }

  #say(sentence) {
    // The same sentence twice in a row is read out twice only if the text changes.
    this.#said = sentence === this.#said ? `${sentence}\u00a0` : sentence;
    this.live.textContent = this.#said;
  }
}

/** A stored text in this version's own form, so that spacing and number formats don't count as a change. */
function parsedText(stored) {
  if (stored === null) return null;
  try {
    return write(parse(stored).pairs);
  } catch (error) {
    if (!(error instanceof StoredValueError)) throw error;
    return null;
  }
}
