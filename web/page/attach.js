/** Puts a picker into a node, in place of the text field that holds its drags. */

import { Picker } from "../picker/picker.js";
import { text } from "../picker/text.js";
import { NodeHost, POINTS } from "./host.js";
import { makeStyle } from "./styles.js";

const WIDGET = "attentiondrag_picker";
const START_SIZE = [500, 690];
const MIN_HEIGHT = 300;
/** Narrower, the tools take more room than the picture. */
const MIN_WIDTH = 270;

/** Hosts and pickers by node, of the nodes that are in a graph: for the results that come in. */
export const attached = new Map();

/** @param {object} node a new Points node, with its widgets made */
export function attach(node) {
  const widget = node.widgets?.find((candidate) => candidate.name === POINTS);
  if (!widget || attached.has(node)) return;
  hide(widget);
  keepWide(node);
  const host = new NodeHost(node, widget);
  const picker = new Picker(host);
  // Where nodes are drawn by Vue, what has this class takes the room that is left.
  picker.element.classList.add("widget-expands");
  picker.element.prepend(makeStyle());
  const shown = node.addDOMWidget(WIDGET, WIDGET, picker.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => MIN_HEIGHT,
  });
  shown.serialize = false;
  // What App mode calls it.
  shown.label = text("picker");
  const start = () => {
    attached.set(node, { host, picker });
    picker.start();
    // Links are in place once the graph has been read.
    requestAnimationFrame(() => host.made.recall());
  };
  chain(node, "onAdded", start);
  chain(node, "onRemoved", () => {
    attached.delete(node);
    picker.stop();
  });
  chain(node, "onConnectionsChange", () => requestAnimationFrame(() => picker.tick()));
  if (node.graph) start();
  node.setSize([Math.max(node.size[0], START_SIZE[0]), Math.max(node.size[1], START_SIZE[1])]);
}

function hide(widget) {
  // Canvas rendering reads the first, Vue rendering the second.
  widget.hidden = true;
  widget.options ??= {};
  widget.options.hidden = true;
  // The canvas layout of some front ends keeps room for hidden widgets; it adds a gap of 4 to each.
  widget.computeSize = () => [0, -4];
}

/** Canvas rendering asks this when the user makes the node smaller; a DOM widget can only say how high it must be. */
function keepWide(node) {
  const { computeSize } = node;
  node.computeSize = function computed(...args) {
    const size = computeSize.apply(this, args);
    size[0] = Math.max(size[0], MIN_WIDTH);
    return size;
  };
}

function chain(node, name, after) {
  const before = node[name];
  node[name] = function chained(...args) {
    const result = before?.apply(this, args);
    after.apply(this, args);
    return result;
  };
}
