/** What a page gives a picker. Types only: the picker knows its page by nothing else. */

/**
 * @typedef {object} Host
 * @property {() => string} readText the stored text
 * @property {(text: string) => void} writeText
 * @property {() => void} commit tells the page that a change is complete: one step of its own undo
 * @property {(event: WheelEvent) => void} passWheel hands on what is not for the picker
 * @property {(event: PointerEvent) => void} passPointer
 * @property {(element: HTMLElement) => void} keepMounted sees to it that the element is on the page, if it should be
 * @property {() => Found|null} findPicture
 * @property {(found: Found, copy: string, size: [number, number]) => void} keepCopy of the last run's picture
 * @property {() => boolean} hasImageLink whether there will be a picture, if not yet
 * @property {() => boolean} isLinked whether the stored text comes from elsewhere and is not the picker's to change
 * @property {() => boolean} hasOtherHandles whether what is drawn gives the ways alone, and the handles come from elsewhere
 * @property {() => Outcome} results
 * @property {(name: string) => unknown} property what was kept under this name beside the stored text
 * @property {(name: string, value: unknown) => void} setProperty `undefined` forgets it
 */

/**
 * The picture to draw on.
 * @typedef {object} Found
 * @property {string} key another one: another picture
 * @property {string} url
 * @property {string} name of the file, empty if it has none
 * @property {string} via title of where it comes from
 * @property {boolean} exact whether it is what will be edited, not a stage before
 * @property {{copy?: string, size?: [number, number]}} [ran] set for the picture of a run, which may be gone; `copy` is
 *   a small copy of it as a data URL, `size` the picture's own width and height in pixels
 */

/**
 * What the last run made of the drags.
 * @typedef {object} Outcome
 * @property {string|null} mask address of a picture, white where something moves
 * @property {string[]} heat addresses of the heatmaps, one a drag
 * @property {string|null} [light] address of a picture, white where the light changed
 * @property {("move"|"reshape"|"push"|null)[]} [motions] of the drags, what the node took their motion for where it told
 * @property {Window|null} [window] where it was edited; nothing for the whole picture
 * @property {string|null} points the stored text that was run; null where nobody knows
 * @property {number} serial another one: another outcome; 0 before the first
 * @property {boolean} live whether a run has just made it, rather than one of before the page was loaded
 * @property {boolean} outdated whether the picture or the settings have changed since
 */

/**
 * The part of a picture in which it was edited, in shares of its width and height.
 * @typedef {object} Window
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 * @property {boolean} inside whether mask and heatmaps are of the window, not of the picture
 */

export {};
