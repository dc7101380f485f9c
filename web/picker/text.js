/** The picker's words. English lives here, so that nothing waits for the server; the page may bring others. */

export const ENGLISH = Object.freeze({
  picker: "Drag picker",
  stage: "Picture. Press on what should move, drag to where it should go. N adds a drag, Tab walks the points.",
  undo: "Undo (Ctrl+Z)",
  redo: "Redo (Ctrl+Y)",
  add: "Add a drag in the middle (N)",
  remove: "Delete the selected drag (Delete)",
  clear: "Delete all drags",
  hand: "Move the picture instead of drawing",
  zoomIn: "Zoom in (+)",
  zoomOut: "Zoom out (-)",
  fit: "Fit the picture in (0)",
  overlayNone: "Picture",
  overlayMask: "Mask",
  overlayHeat: "Heatmap",
  overlay: "What to show over the picture",
  overlayOpacity: "Opacity of the mask or heatmap",
  overlayMissing: "Link an AttentionDrag node that makes a mask and run once: the region that will move shows here.",
  overlayStale: "Mask and heatmap are from the last run; drags, picture or settings have changed since.",
  handle: "handle",
  target: "target",
  handleLabel: "Drag {number}, handle",
  targetLabel: "Drag {number}, target",
  position: "x {x}, y {y} px",
  positionPercent: "x {x} %, y {y} %",
  outside: "outside of the picture",
  radius: "radius",
  radiusHint: "How far from the handle the drag may reach, in pixels. Empty: no limit.",
  noRadius: "no limit",
  addRadius: "Limit how far drag {number} reaches",
  removeRadius: "Lift the limit of drag {number}",
  removePair: "Delete drag {number}",
  selectPair: "Select drag {number}",
  pairs: "Drags",
  noPairs: "No drags yet. Press on what should move and drag it to where it should go.",
  raw: "Stored text (JSON)",
  rawApply: "Use this text",
  noPicture: "Link an image to see it here.",
  notShownYet: "The picture shows after the first run: the nodes before this one show none. You can set drags already.",
  loadFailed: "The picture could not be loaded.",
  approximate: "Shown before “{via}” has worked on it; run once to see the exact picture.",
  copyShown: "A small copy from the last run: the server has the picture itself no more. Run once to see it sharp.",
  sizeChanged: "The picture is now {width} × {height}; the drags were set on {oldWidth} × {oldHeight}. They kept their relative places.",
  clamped: "Drag {numbers}: a point lay outside of the picture and was put on its edge.",
  linked: "The drags come from the linked “points” input. What is drawn here is not used.",
  broken: "The stored drags could not be read ({reason}) and were reset. The old text:",
  brokenJson: "no valid JSON",
  brokenShape: "not what this pack stores",
  brokenNewer: "version {version}, made by a newer release",
  brokenOlder: "version {version} is unknown",
  brokenTooMany: "{count} drags are too many",
  brokenHandle: "drag {number} has no valid handle",
  brokenTarget: "drag {number} has no valid target",
  brokenRadius: "the radius of drag {number} is not above 0",
  copy: "Copy",
  copied: "Copied",
  dismiss: "Dismiss",
  deleted: "Drag {number} deleted",
  tooMany: "No more than {count} drags.",
});

let words = ENGLISH;

/** A sentence of the user's language, its blanks filled in. */
export function text(key, values = {}) {
  const sentence = words[key] ?? ENGLISH[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** @param {Record<string, string>} translated what is missing stays English */
export function useWords(translated) {
  words = { ...ENGLISH, ...translated };
}
