/**
 * The picker's style, with the colours that it takes from ComfyUI. It goes into the picker's own element, as text: so it
 * is wherever a front end puts that element, and there from the first frame on, whenever a graph is loaded again.
 */

const SHEETS = ["../picker/picker.css", "./palette.css"];
const IMPORT = /@import "([^"]+)";/g;

let style = "";

/** Reads the style sheets. To be called once a page, before there are pickers. */
export async function loadStyles() {
  try {
    const texts = SHEETS.map((sheet) => read(new URL(sheet, import.meta.url)));
    style = (await Promise.all(texts)).join("\n");
  } catch (error) {
    console.error("AttentionDrag: the picker's style could not be read.", error);
  }
}

/** @returns {HTMLStyleElement} for one picker */
export function makeStyle() {
  const element = document.createElement("style");
  element.textContent = style;
  return element;
}

/** A sheet with those that it imports in place, in their order. */
async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const text = await response.text();
  const imported = await Promise.all([...text.matchAll(IMPORT)].map(([, target]) => read(new URL(target, url))));
  return text.replace(IMPORT, () => imported.shift());
}
