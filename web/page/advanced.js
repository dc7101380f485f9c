/**
 * Inputs that show on demand. Nodes 2.0 hides those that the server calls advanced; the canvas hides what its widgets
 * call so, and the front end doesn't tell them. Both have a menu or a button that shows them.
 */

const ROW = 20;

/** @param {object} node a new node of this pack, with its widgets made */
export function hideAdvanced(node) {
  const hidden = advancedOf(node);
  if (!hidden.length) return;
  for (const widget of hidden) {
    widget.advanced = true;
    // The canvas layout keeps room for what it doesn't show; it adds a gap of 4 to each.
    const shown = widget.computeSize?.bind(widget) ?? ((width) => [width ?? 0, ROW]);
    widget.computeSize = (...given) => (node.showAdvanced ? shown(...given) : [0, -4]);
  }
  fit(node);
}

/** Of a node that was read from a file: what somebody has set or linked there is not hidden from them. */
export function showWhatIsSet(node) {
  if (node.showAdvanced || !advancedOf(node).some((widget) => isSet(node, widget))) return;
  node.showAdvanced = true;
  node.expandToFitContent?.();
}

const advancedOf = (node) => (node.widgets ?? []).filter((widget) => widget.options?.advanced);

function isSet(node, widget) {
  const slot = (node.inputs ?? []).findIndex((input) => input.widget?.name === widget.name);
  if (slot >= 0 && node.isInputConnected(slot)) return true;
  const { required, optional } = node.constructor.nodeData?.input ?? {};
  const [, { default: initial } = {}] = required?.[widget.name] ?? optional?.[widget.name] ?? [];
  return initial !== undefined && widget.value !== initial;
}

/** A new node was made as high as all its widgets ask. */
function fit(node) {
  const [, height] = node.computeSize();
  if (height < node.size[1]) node.setSize([node.size[0], height]);
}
