/** What a press on the picture makes: a drag, drawn from handle to target, or one of the things that have one place. */

export const TOOLS = Object.freeze(["drag", "anchor", "add", "leave_out"]);

/** @returns {"drag"|"anchor"|"add"|"leave_out"} the tool that keys held with a press stand for, else the one chosen */
export function toolOf(event, chosen) {
  if (event.ctrlKey || event.metaKey) return "add";
  return event.altKey ? "leave_out" : chosen;
}

/**
 * Makes what a tool of one place makes, and selects it.
 * @param {"anchor"|"add"|"leave_out"} tool
 * @param {{x: number, y: number}} at normalised
 * @param {string|null} [coalesce] see PointsModel
 * @returns {import("./points.js").Spot|null} null when there are as many as are allowed
 */
export function make(tool, at, model, coalesce = null) {
  const index = tool === "anchor" ? model.addAnchor(at, coalesce) : model.addClick(at, tool, coalesce);
  return index < 0 ? null : { index, end: tool === "anchor" ? "handle" : "click" };
}
