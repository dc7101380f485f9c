/** Building elements. Outside text only ever goes in as text nodes and attribute values. */

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Sets attributes that differ, so that an unchanged mark costs nothing. */
export function assign(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const text = typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
    if (text === null || text === undefined || text === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Line drawings on a 16 x 16 field, stroked in the text's colour. */
const ICONS = {
  undo: "M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6",
  redo: "m10.5 3 3 3-3 3M13.500 6h-7a4 4 0 0 0 0 8H10",
  add: "M8 3v10M3 8h10",
  remove: "M3 4.500h10M6.500 4.500V3h3v1.500M4.500 4.500l.6 8.500h5.800l.6-8.500",
  clear: "m4 4 8 8M12 4l-8 8",
  hand: "M5 8.500V4.200a1 1 0 0 1 2 0V7.500 3a1 1 0 0 1 2 0v4.500-3.800a1 1 0 0 1 2 0V8v-2a1 1 0 0 1 2 0v4.500A3.500 3.500 0 0 1 9.500 14H8.700c-1.200 0-2-.6-2.700-1.600L3.200 9.300a1 1 0 0 1 1.600-1.100Z",
  zoomIn: "M7 2.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9ZM10.300 10.300 14 14M7 5v4M5 7h4",
  zoomOut: "M7 2.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9ZM10.300 10.300 14 14M5 7h4",
  fit: "M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10",
  "tool-drag": "M3 11a1.700 1.700 0 1 1 0 3.400 1.700 1.700 0 0 1 0-3.400ZM4.500 11.300 13 3M8.500 3H13v4.500",
  "tool-anchor": "M3 3h10v10H3ZM6.500 6.500h3v3h-3Z",
  "tool-add": "M8 2.500a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11ZM8 5.200v5.600M5.200 8h5.600",
  "tool-leave_out": "M8 1.500 14.500 8 8 14.500 1.500 8ZM5.400 8h5.200",
  radius: "M8 2.500a5.500 5.500 0 1 1 0 11 5.500 5.500 0 0 1 0-11ZM8 7.200v1.600M7.200 8h1.600",
};

export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 16 16", class: "ad-icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: ICONS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.4 }),
  );
}

/** A button with an icon; its label is read out and shown on hover. */
export function iconButton(name, label, onclick, attributes = {}) {
  return html("button", { type: "button", class: "ad-button", title: label, "aria-label": label, onclick, ...attributes }, icon(name));
}
