/** The steps back and forward. What is kept is never changed in place, so a step is a reference. */

const MOST = 200;

export class Steps {
  #past = [];
  #future = [];
  #coalescing = null;

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /**
   * Keeps what there was before an edit. Edits in a row with the same key undo as one.
   * @param {string|null} coalesce
   */
  record(before, coalesce) {
    if (coalesce === null || coalesce !== this.#coalescing) {
      this.#past.push(before);
      if (this.#past.length > MOST) this.#past.shift();
    }
    this.#coalescing = coalesce;
    this.#future = [];
  }

  /** Ends a run of coalesced edits: the next one is a step of its own. */
  settle() {
    this.#coalescing = null;
  }

  forget() {
    this.#past = [];
    this.#future = [];
    this.#coalescing = null;
  }

  /** @returns {object|null} what there was before `now`; null where nothing was */
  undo(now) {
    return this.#step(this.#past, this.#future, now);
  }

  redo(now) {
    return this.#step(this.#future, this.#past, now);
  }

  /** As `undo`, without offering to redo it. */
  abandon() {
    this.#coalescing = null;
    return this.#past.pop() ?? null;
  }

  #step(from, to, now) {
    if (!from.length) return null;
    this.#coalescing = null;
    to.push(now);
    return from.pop();
  }
}
