/** The fingers on the stage; two of them zoom and move the picture. */

import { panBy, zoomAt } from "./geometry.js";

export class Fingers {
  /** Places on the stage by pointer id. */
  #places = new Map();

  get count() {
    return this.#places.size;
  }

  has(id) {
    return this.#places.has(id);
  }

  put(id, at) {
    this.#places.set(id, at);
  }

  lift(id) {
    this.#places.delete(id);
  }

  /** Moves one of two fingers, and the picture with them. Alone, it moves nothing. */
  pinch(id, at, stage) {
    const [other] = [...this.#places].filter(([finger]) => finger !== id).map(([, place]) => place);
    const before = this.#places.get(id);
    this.#places.set(id, at);
    if (!other) return;
    const spread = (place) => Math.max(1, Math.hypot(place.x - other.x, place.y - other.y));
    const middle = { x: (before.x + other.x) / 2, y: (before.y + other.y) / 2 };
    const zoomed = zoomAt(stage.space, stage.size, stage.view, spread(at) / spread(before), middle);
    stage.view = panBy(stage.space, stage.size, zoomed, (at.x - before.x) / 2, (at.y - before.y) / 2);
  }
}
