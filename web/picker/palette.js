/**
 * Colours of the pairs, told apart by every common kind of colour vision (Okabe and Ito, 2008). The pictures that the
 * nodes draw use the same ones in the same order (nodes/marks.py).
 */
export const PALETTE = Object.freeze([
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#CC79A7",
  "#56B4E9",
  "#D55E00",
  "#F0E442",
  "#FFFFFF",
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
