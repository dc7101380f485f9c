/**
 * Gives the AttentionDragPoints node its picker, and hides what is rarely set on all nodes. ComfyUI imports every file
 * below this folder; this one alone does anything when it is imported. page/ knows ComfyUI, picker/ would run in any page.
 */

import { hideAdvanced, showWhatIsSet } from "./page/advanced.js";
import { attach } from "./page/attach.js";
import { app } from "./page/comfyui.js";
import { listenToRuns } from "./page/runs.js";
import { loadStyles } from "./page/styles.js";
import { loadWords } from "./page/words.js";

const PACK = "AttentionDrag";
const POINTS_NODE = "AttentionDragPoints";

app.registerExtension({
  name: "attentiondrag.picker",
  async init() {
    listenToRuns();
    await Promise.all([loadStyles(), loadWords()]);
  },
  nodeCreated(node) {
    if (node.comfyClass?.startsWith(PACK)) hideAdvanced(node);
    if (node.comfyClass === POINTS_NODE) attach(node);
  },
  loadedGraphNode(node) {
    if (node.comfyClass?.startsWith(PACK)) showWhatIsSet(node);
  },
});
