/** Turns the pictures that a run has saved of masks and heatmaps into tinted, see-through ones. */

import { loadImage } from "./fetching.js";

/** By what a picture is white of. */
const TINTS = { mask: [0, 200, 255], light: [255, 190, 0] };
/** Opacity of a heatmap's darkest colour: where nothing correlates, the picture shows. */
const COLD = 0.25;

/**
 * Makes a saved picture see-through, in place: a mask (white where something moves, or light changes) becomes a tint, a heatmap keeps
 * its colours and is the more opaque the lighter they are.
 * @param {Uint8ClampedArray} rgba
 * @param {"mask"|"heat"|"light"} kind
 */
export function tint(rgba, kind) {
  for (let at = 0; at < rgba.length; at += 4) {
    const light = 0.2126 * rgba[at] + 0.7152 * rgba[at + 1] + 0.0722 * rgba[at + 2];
    if (TINTS[kind]) {
      rgba.set(TINTS[kind], at);
      rgba[at + 3] = light;
    } else {
      rgba[at + 3] = 255 * COLD + light * (1 - COLD);
    }
  }
  return rgba;
}

/** Draws the picture at `url` tinted into the canvas, at the picture's own resolution. */
export async function paint(canvas, url, kind) {
  const image = await loadImage(url);
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height);
  tint(data.data, kind);
  context.putImageData(data, 0, 0);
}
