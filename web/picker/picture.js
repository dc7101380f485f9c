/** The picture that is drawn on: which it is, whether it is there, and what has to be said of it. */

import { fetchPicture, smallCopy } from "./fetching.js";
import { text } from "./text.js";

/** Host property: the size of the picture that the drags were last set on, [width, height] in pixels. */
const SIZE_PROPERTY = "attentiondrag_size";

export class Picture {
  #host;
  #model;
  #stage;
  #notices;
  #events;
  /** @type {import("./host.js").Found|null} */
  #found = null;
  /** Key of the picture that is shown or being loaded. */
  #key = null;
  #failed = false;
  #isCopy = false;

  /**
   * @param {{host: import("./host.js").Host, model: object, stage: object, notices: object}} parts of the picker
   * @param {{onInfo: (info: string) => void, onSize: () => void, onLoad: () => void}} events what is to be read about
   *   the picture, that its size may be another, that loading it has ended
   */
  constructor({ host, model, stage, notices }, events) {
    this.#host = host;
    this.#model = model;
    this.#stage = stage;
    this.#notices = notices;
    this.#events = events;
  }

  /** Looks which picture there is now. */
  read() {
    this.#found = this.#host.findPicture();
    const key = this.#found?.key ?? null;
    if (key !== this.#key) {
      this.#key = key;
      this.#load(this.#found);
    }
    this.#show();
  }

  /** After a run: the picture was made anew, under the same name where it is the same. */
  tryAgain() {
    if (this.#isCopy || this.#failed) this.#key = null;
  }

  /** Takes the picture's size as the one that the drags were set on. */
  rememberSize() {
    const { picture } = this.#stage;
    if (!picture || !this.#found?.exact) return;
    this.#host.setProperty(SIZE_PROPERTY, [picture.width, picture.height]);
    this.#notices.set("size", null);
  }

  async #load(found) {
    this.#failed = false;
    this.#isCopy = false;
    const { image } = this.#stage;
    if (!found) {
      image.hidden = true;
      image.removeAttribute("src");
      this.#stage.picture = null;
      this.#events.onSize();
      return;
    }
    const { loaded, isCopy, size } = await fetchPicture(found);
    if (found.key !== this.#key) return;
    this.#failed = loaded === null;
    this.#isCopy = isCopy;
    image.hidden = !loaded;
    if (loaded) image.src = loaded.src;
    this.#stage.picture = loaded && { width: size[0], height: size[1] };
    if (loaded && found.ran && !found.ran.copy) this.#host.keepCopy(found, smallCopy(loaded), size);
    if (!this.#host.property(SIZE_PROPERTY) && !this.#model.isEmpty) this.rememberSize();
    this.#show();
    this.#events.onSize();
    this.#events.onLoad();
    this.#stage.measure();
  }

  #show() {
    const { picture, image } = this.#stage;
    const found = this.#found;
    this.#showMissing();
    if (found?.name && image.alt !== found.name) image.alt = found.name;
    const approximate = found && !found.exact && picture;
    this.#notices.set("approximate", approximate ? { text: text("approximate", { via: found.via }) } : null);
    this.#notices.set("copy", this.#isCopy ? { text: text("copyShown") } : null);
    this.#showSizeChange();
    this.#events.onInfo(picture ? [found?.name, `${picture.width} × ${picture.height}`].filter(Boolean).join(" · ") : "");
  }

  #showMissing() {
    const { empty } = this.#stage;
    let message = null;
    if (this.#failed) message = text("loadFailed");
    else if (!this.#found) message = text(this.#host.hasImageLink() ? "notShownYet" : "noPicture");
    empty.hidden = message === null;
    if (message !== null && empty.textContent !== message) empty.textContent = message;
  }

  #showSizeChange() {
    const { picture } = this.#stage;
    const size = this.#host.property(SIZE_PROPERTY);
    const comparable = picture && this.#found?.exact && !this.#model.isEmpty && Array.isArray(size);
    if (!comparable || (size[0] === picture.width && size[1] === picture.height)) {
      this.#notices.set("size", null);
      return;
    }
    const sizes = { width: picture.width, height: picture.height, oldWidth: size[0], oldHeight: size[1] };
    const onDismiss = () => this.rememberSize();
    this.#notices.set("size", { text: text("sizeChanged", sizes), kind: "warning", onDismiss });
  }
}
