/**
 * The mark of one click on the stage: a white disc with a plus for what is added, a black diamond with a minus for what
 * is left out. Told apart by shape and sign; no drag has these colours with these shapes.
 */

import { assign, svg } from "./dom.js";
import { nameOf } from "./naming.js";
import { describePoint } from "./position.js";
import { SpotInput } from "./spotinput.js";
import { drawTag, makeTag } from "./tag.js";

const RADIUS = 7.5;
const DIAMOND = 9.5;
const SIGN = 4;

export class ClickMark {
  #index;
  #parts = {
    ring: svg("circle", { class: "ad-ring" }),
    halo: svg("path", { class: "ad-click-halo" }),
    shape: svg("path", { class: "ad-click-shape" }),
    sign: svg("path", { class: "ad-click-sign" }),
    tag: makeTag(),
  };

  /** @param {number} index of the click, counted from 0 */
  constructor(index) {
    this.#index = index;
    const { ring, halo, shape, sign, tag } = this.#parts;
    this.group = svg("g", { class: "ad-click ad-point" }, ring, halo, shape, sign, tag);
    this.inputs = { click: new SpotInput({ index, end: "click" }) };
  }

  get hasFocus() {
    return this.inputs.click.hasFocus;
  }

  remove() {
    this.group.remove();
    this.inputs.click.remove();
  }

  /**
   * @param {import("./model.js").PointsModel} model
   * @param {import("./stage.js").Stage} stage where things lie
   */
  draw(model, stage) {
    const spot = { index: this.#index, end: "click" };
    const { at: place, kind, group } = model.holderOf(spot);
    const at = stage.markPoint(place);
    const size = stage.markScale;
    const selected = model.isSelected(spot);
    this.group.dataset.kind = kind;
    this.group.classList.toggle("ad-selected", selected);
    this.group.classList.toggle("ad-chosen", selected);
    const { ring, halo, shape, sign, tag } = this.#parts;
    const outline = kind === "add" ? disc(at, RADIUS * size) : diamond(at, DIAMOND * size);
    assign(ring, { cx: at.x, cy: at.y, r: (DIAMOND + 3.5) * size, "stroke-width": 2 * size });
    assign(halo, { d: outline, "stroke-width": 4.4 * size });
    assign(shape, { d: outline, "stroke-width": 1.6 * size });
    assign(sign, { d: signAt(at, SIGN * size, kind === "add"), "stroke-width": 2.2 * size });
    const told = [String(this.#index + 1), group === null ? null : `G${group}`];
    drawTag(tag, at, size, told.filter(Boolean).join(" "));
    const input = this.inputs.click;
    this.group.classList.toggle("ad-focused", input.showsFocus);
    input.put(at, nameOf(model, spot), describePoint(place, stage.picture));
  }
}

function disc({ x, y }, r) {
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
}

function diamond({ x, y }, r) {
  return `M${x} ${y - r}l${r} ${r}l${-r} ${r}l${-r} ${-r}Z`;
}

function signAt({ x, y }, half, isPlus) {
  return `M${x - half} ${y}h${2 * half}${isPlus ? `M${x} ${y - half}v${2 * half}` : ""}`;
}
