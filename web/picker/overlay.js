/** Turns the masks and heatmaps that ComfyUI saved into tinted, see-through pictures. */

/** Stops of a perceptually even map that colour-blind eyes read too (after cividis): dark blue to yellow. */
const HEAT = [
  [0, 32, 81],
  [60, 77, 110],
  [127, 124, 117],
  [187, 175, 113],
  [255, 234, 70],
];
const MASK_TINT = [0, 200, 255];

function heatColour(value) {
  const at = value * (HEAT.length - 1);
  const low = Math.min(HEAT.length - 2, Math.floor(at));
  const part = at - low;
  return HEAT[low].map((channel, index) => channel + (HEAT[low + 1][index] - channel) * part);
}

/**
 * Grey value per pixel to RGBA, in place.
 * @param {Uint8ClampedArray} rgba
 * @param {"mask"|"heat"} kind
 */
export function tint(rgba, kind) {
  for (let at = 0; at < rgba.length; at += 4) {
    const value = rgba[at] / 255;
    const [r, g, b] = kind === "mask" ? MASK_TINT : heatColour(value);
    rgba[at] = r;
    rgba[at + 1] = g;
    rgba[at + 2] = b;
    rgba[at + 3] = kind === "mask" ? value * 255 : Math.min(255, 60 + value * 195);
  }
  return rgba;
}

/** @returns {Promise<HTMLImageElement>} rejected when the file is gone */
export function loadImage(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(url));
    image.src = url;
  });
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
