/** The picker's style sheets, and the colours that it takes from ComfyUI. */

const SHEETS = ["../picker/picker.css", "./palette.css"];

/** To be called once a page. */
export function addStyles() {
  for (const sheet of SHEETS) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(sheet, import.meta.url).href;
    document.head.append(link);
  }
}
