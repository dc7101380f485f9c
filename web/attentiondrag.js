/**
 * Gives the AttentionDragPoints node its picker. ComfyUI imports every file below this folder; this one alone does
 * anything when it is imported. page/ knows ComfyUI, picker/ would run in any page.
 */

import { attach } from "./page/attach.js";
import { app } from "./page/comfyui.js";
import { listenToRuns } from "./page/runs.js";
import { loadStyles } from "./page/styles.js";
import { loadWords } from "./page/words.js";

const NODE = "AttentionDragPoints";

app.registerExtension({
  name: "attentiondrag.picker",
  async init() {
    listenToRuns();
    await Promise.all([loadStyles(), loadWords()]);
  },
  nodeCreated(node) {
    if (node.comfyClass === NODE) attach(node);
  },
});
