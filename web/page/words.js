/** The picker's words in the language that ComfyUI is set to, from locales/<language>/main.json. */

import { useWords } from "../picker/text.js";
import { api, app } from "./comfyui.js";

/** English stays where ComfyUI has no other. @throws {TypeError} when the server cannot be reached */
export async function loadWords() {
  const locale = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
  const response = await api.fetchApi("/i18n");
  if (response.ok) useWords(wordsOf(await response.json(), locale));
}

/**
 * @param {Record<string, object>} messages what ComfyUI's /i18n route answers
 * @param {string} locale "en", "ja", "zh", "zh-TW" ...
 * @returns {Record<string, string>} empty if the language is not there
 */
function wordsOf(messages, locale) {
  return messages?.[locale]?.attentionDrag ?? messages?.[String(locale).split("-")[0]]?.attentionDrag ?? {};
}
