/** Fetching pictures, and small copies for when they are gone: a server's temporary folder ends with it. */

const COPY_SIDE = 320;
const COPY_QUALITY = 0.75;

/** @returns {Promise<HTMLImageElement>} rejected when the file is gone */
export function loadImage(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(url));
    image.src = url;
  });
}

/**
 * The picture that the host found, else the copy that was kept of it.
 * @param {import("./host.js").Found} found
 * @returns {Promise<{loaded: HTMLImageElement|null, isCopy: boolean, size: [number, number]|null}>} `size` is that of
 *   the picture itself
 */
export async function fetchPicture(found) {
  try {
    const loaded = await loadImage(found.url);
    return { loaded, isCopy: false, size: [loaded.naturalWidth, loaded.naturalHeight] };
  } catch {
    const { copy, size } = found.ran ?? {};
    // From a workflow file, so anything: an address must not make the browser fetch it.
    const usable = typeof copy === "string" && copy.startsWith("data:image/jpeg;") && isSize(size);
    const loaded = usable ? await loadImage(copy).catch(() => null) : null;
    return { loaded, isCopy: loaded !== null, size: loaded && size };
  }
}

function isSize(size) {
  return Array.isArray(size) && size.length === 2 && size.every((side) => Number.isInteger(side) && side > 0);
}

/** @returns {string} a data URL of some ten kilobytes, small enough to be stored in a workflow */
export function smallCopy(image) {
  const scale = Math.min(1, COPY_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", COPY_QUALITY);
}
