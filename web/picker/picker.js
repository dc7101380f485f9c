/** Puts the parts of the picker together and keeps it in step with its node. */

import { html } from "./dom.js";
import { Edits } from "./edits.js";
import { KeyboardControl } from "./keyboard.js";
import { PointsModel } from "./model.js";
import { Notices } from "./notices.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { PointerControl } from "./pointer.js";
import { Stage } from "./stage.js";
import { Status } from "./status.js";
import { DragStorage } from "./storage.js";
import { text } from "./text.js";
import { Toolbar } from "./toolbar.js";

const TICK = 200;
const ZOOM_STEP = 1.25;

export class Picker {
  #host;
  #model = new PointsModel();
  #notices = new Notices();
  #stage;
  #storage;
  #picture;
  #overlay;
  #status;
  #pointer;
  #panel;
  #toolbar;
  #timer = 0;
  #resize;

  /** @param {import("./host.js").Host} host */
  constructor(host) {
    this.#host = host;
    this.element = html("div", { class: "ad-picker", role: "group", "aria-label": text("picker") });
    this.#stage = new Stage(this.#model, () => this.#showState());
    this.#status = new Status(this.#model, this.#stage, () => this.#pointer.busy);
    const parts = { host, model: this.#model, stage: this.#stage, notices: this.#notices };
    this.#storage = new DragStorage(parts);
    this.#overlay = new Overlay(parts);
    this.#picture = new Picture(parts, {
      onInfo: (info) => this.#status.tellPicture(info),
      onSize: () => this.#panel.update(),
      onLoad: () => this.#showState(),
    });
    this.#addControls(parts, new Edits(this.element, parts, (sentence) => this.#status.say(sentence)));
    this.element.append(
      this.#toolbar.element,
      html("div", { class: "ad-middle" }, this.#stage.element, this.#toolbar.opacity),
      this.#status.element,
      this.#notices.element,
      this.#panel.element,
      this.#status.live,
    );
    this.#model.onChange((change) => this.#changed(change));
    this.#resize = new ResizeObserver(() => this.#stage.measure());
    this.#showState();
  }

  #addControls(parts, edits) {
    this.#pointer = new PointerControl(parts, {
      onHover: (point) => this.#status.hover(point),
      onPick: (found) => this.#focusPick(found),
      onDone: () => this.#store(),
      onFull: (tool) => edits.sayFull(tool),
    });
    this.#panel = new Panel(parts, {
      remove: (spot) => edits.remove(spot),
      applyRaw: (raw) => this.#applyRaw(raw),
    });
    this.#toolbar = new Toolbar({
      undo: () => edits.undo(),
      redo: () => edits.redo(),
      add: () => edits.add(this.#pointer.tool),
      remove: () => edits.removeSelected(),
      clear: () => edits.clear(),
      tool: (tool) => this.#chooseTool(tool),
      hand: () => this.#toggleHand(),
      zoomIn: () => this.#stage.zoomBy(ZOOM_STEP),
      zoomOut: () => this.#stage.zoomBy(1 / ZOOM_STEP),
      fit: () => this.#stage.fit(),
      overlay: (kind) => this.#chooseOverlay(kind),
      opacity: (value) => (this.#overlay.opacity = value),
    });
    new KeyboardControl(this.element, parts, this.#pointer, edits, {
      chooseTool: (tool) => this.#chooseTool(tool),
      toggleOverlay: () => this.#chooseOverlay(this.#overlay.kind === "none" ? "mask" : "none"),
      type: (spot) => this.#panel.type(spot),
    });
  }

  start() {
    if (this.#timer) return;
    this.#resize.observe(this.#stage.element);
    this.#timer = setInterval(() => this.tick(), TICK);
    this.tick();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#resize.disconnect();
    this.#stage.dispose();
  }

  /**
   * Looks for what changed outside: the stored text (a load, the page's undo, a script), the picture, the results.
   * Looking beats listening here: the ways in which these change differ between front ends, and none is missed.
   */
  tick() {
    if (this.#pointer.busy) return;
    this.#host.keepMounted(this.element);
    this.#storage.read();
    this.#picture.read();
    if (this.#overlay.read(this.#host.results())) {
      this.#picture.tryAgain();
      this.#showState();
    }
    this.#showOverlay();
    this.#notices.set("linked", this.#host.isLinked() ? { text: text("linked"), kind: "warning" } : null);
    this.#notices.set("handles", this.#host.hasOtherHandles() ? { text: text("otherHandles") } : null);
    this.#stage.draw();
  }

  #changed(change) {
    if (change === "told") this.#panel.update();
    if (change === "drags") {
      // Half drawn, it is not to be stored: a page may take what is stored for a step of its undo at any time.
      if (!this.#pointer.busy) this.#store();
      this.#panel.update();
    }
    this.#panel.showSelection();
    this.#showState();
    this.#showOverlay();
    this.#stage.draw();
  }

  #store() {
    if (this.#storage.follow()) this.#picture.rememberSize();
  }

  #applyRaw(raw) {
    this.#storage.replace(raw);
    this.tick();
    this.#panel.update();
    this.#host.commit();
  }

  #toggleHand() {
    this.#pointer.toggleHand();
    this.#showState();
  }

  #chooseTool(tool) {
    this.#pointer.tool = tool;
    this.#showState();
  }

  #chooseOverlay(kind) {
    this.#overlay.kind = kind;
    this.#showState();
    this.#showOverlay();
  }

  #focusPick(found) {
    if (found.kind === "end") this.#stage.focus(found);
    else if (found.kind === "pair") this.#stage.focus(this.#model.selection);
    else this.#stage.focus();
  }

  #showOverlay() {
    // A message that comes up pushes the picture up: not while someone is drawing on it.
    if (!this.#pointer.busy) this.#overlay.show();
  }

  #showState() {
    const model = this.#model;
    this.#toolbar.update({
      canUndo: model.canUndo,
      canRedo: model.canRedo,
      isEmpty: model.isEmpty,
      hasSelection: model.selection !== null,
      tool: this.#pointer.tool,
      hand: this.#pointer.hand,
      zoom: this.#stage.view.zoom,
      overlay: this.#overlay.kind,
      available: this.#overlay.available,
    });
    this.#status.update();
  }
}
