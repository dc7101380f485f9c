/**
 * Picture space (normalised 0..1) and stage space (CSS pixels of the drawing area), and the way between them.
 * Pure functions over plain objects:
 *   picture  {width, height} in pixels of the picture
 *   stage    {width, height} in CSS pixels
 *   view     {zoom, x, y}: zoom 1 fits the picture in, (x, y) is the normalised point in the stage's middle
 *   frame    {left, top, width, height}: where the picture lies on the stage
 */

export const MIN_ZOOM = 0.5;
export const MAX_ZOOM = 32;
export const FITTED = Object.freeze({ zoom: 1, x: 0.5, y: 0.5 });
/** Room round the fitted picture, so that points on its edge can be seen and grasped whole. */
export const MARGIN = 14;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Where the picture lies on the stage. */
export function frameOf(picture, stage, view) {
  const roomX = Math.max(1, stage.width - 2 * MARGIN);
  const roomY = Math.max(1, stage.height - 2 * MARGIN);
  const scale = Math.min(roomX / picture.width, roomY / picture.height) * view.zoom;
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { left: stage.width / 2 - view.x * width, top: stage.height / 2 - view.y * height, width, height };
}

export function toStage(point, frame) {
  return { x: frame.left + point.x * frame.width, y: frame.top + point.y * frame.height };
}

export function toPicture(point, frame) {
  return { x: (point.x - frame.left) / frame.width, y: (point.y - frame.top) / frame.height };
}

/** The view after zooming by a factor with the picture's point under `at` (stage) staying where it is. */
export function zoomAt(picture, stage, view, factor, at) {
  const zoom = clamp(view.zoom * factor, MIN_ZOOM, MAX_ZOOM);
  const fixed = toPicture(at, frameOf(picture, stage, view));
  const frame = frameOf(picture, stage, { ...view, zoom });
  return confined({
    zoom,
    x: fixed.x + (stage.width / 2 - at.x) / frame.width,
    y: fixed.y + (stage.height / 2 - at.y) / frame.height,
  });
}

/** The view after pushing the picture by (dx, dy) stage pixels. */
export function panBy(picture, stage, view, dx, dy) {
  const frame = frameOf(picture, stage, view);
  return confined({ zoom: view.zoom, x: view.x - dx / frame.width, y: view.y - dy / frame.height });
}

/** Keeps the middle of the stage on the picture; a picture that fits stays centred. */
export function confined(view) {
  if (view.zoom <= 1) return { ...view, x: 0.5, y: 0.5 };
  const slack = 0.5 - 0.5 / view.zoom + 0.1;
  return { zoom: view.zoom, x: clamp(view.x, 0.5 - slack, 0.5 + slack), y: clamp(view.y, 0.5 - slack, 0.5 + slack) };
}

/**
 * Snaps a drag to the nearer axis, measured in pixels of the picture (normalised axes have different scales).
 * @param {{x: number, y: number}} origin normalised
 * @param {{x: number, y: number}} point normalised
 */
export function snapToAxis(origin, point, picture) {
  const dx = Math.abs(point.x - origin.x) * picture.width;
  const dy = Math.abs(point.y - origin.y) * picture.height;
  return dx >= dy ? { x: point.x, y: origin.y } : { x: origin.x, y: point.y };
}

/** Pixels of the picture, as a user reads them: the pixel that holds the point. */
export function toPixels(point, picture) {
  return { x: point.x * picture.width, y: point.y * picture.height };
}

export function fromPixels(pixel, picture) {
  return { x: pixel.x / picture.width, y: pixel.y / picture.height };
}

export function shorterSide(picture) {
  return Math.min(picture.width, picture.height);
}

/** Distance of a point from a segment, all in the same space. */
export function distanceToSegment(point, from, to) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = dx * dx + dy * dy;
  const t = length ? clamp(((point.x - from.x) * dx + (point.y - from.y) * dy) / length, 0, 1) : 0;
  return Math.hypot(point.x - from.x - t * dx, point.y - from.y - t * dy);
}
