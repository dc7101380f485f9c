/**
 * Colours of the pairs: Okabe and Ito's palette (2008) without black, told apart by every common kind of colour
 * vision. nodes/points.py draws its preview with the same ones in the same order.
 */
export const PALETTE = Object.freeze([
  "#E69F00",
  "#56B4E9",
  "#009E73",
  "#F0E442",
  "#0072B2",
  "#D55E00",
  "#CC79A7",
]);

/** @param {number} index pair counted from 0 */
export function colourOf(index) {
  return PALETTE[index % PALETTE.length];
}

/** Black or white, whichever reads better on the colour (relative luminance of WCAG 2). */
export function inkOn(colour) {
  const channels = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [r, g, b] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000000" : "#FFFFFF";
}
