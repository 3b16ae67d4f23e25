// Where the image lies on the screen: screen = image · scale + offset, all in CSS pixels of the canvas.

/** @typedef {{scale: number, x: number, y: number}} Viewport */
/** @typedef {{width: number, height: number}} Size */

export const MOST_ZOOM = 40;
/** Closer than this nobody sees what a doubtful region belongs to. */
const MOST_WALK_ZOOM = 8;
const MARGIN = 12;
const KEEP_VISIBLE = 48;

/**
 * The whole image, centred.
 * @param {Size} screen
 * @param {Size} image
 * @returns {Viewport}
 */
export function fitted(screen, image) {
  const scale = Math.max(
    1e-3,
    Math.min((screen.width - 2 * MARGIN) / image.width, (screen.height - 2 * MARGIN) / image.height, MOST_ZOOM),
  );
  return centred(scale, screen, image);
}

/**
 * The image at a scale, its middle in the middle of the screen.
 * @returns {Viewport}
 */
export function centred(scale, screen, image) {
  return { scale, x: (screen.width - image.width * scale) / 2, y: (screen.height - image.height * scale) / 2 };
}

/** @returns {{x: number, y: number}} image coordinates of a screen point */
export function toImage(viewport, x, y) {
  return { x: (x - viewport.x) / viewport.scale, y: (y - viewport.y) / viewport.scale };
}

/** @returns {{x: number, y: number}} screen coordinates of an image point */
export function toScreen(viewport, x, y) {
  return { x: x * viewport.scale + viewport.x, y: y * viewport.scale + viewport.y };
}

/**
 * Zoom by a factor while the image point under (x, y) stays where it is.
 * @returns {Viewport}
 */
export function zoomedAt(viewport, factor, x, y, screen, image) {
  const smallest = Math.min(fitted(screen, image).scale, 1) / 2;
  const scale = Math.min(MOST_ZOOM, Math.max(smallest, viewport.scale * factor));
  const point = toImage(viewport, x, y);
  return keptVisible({ scale, x: x - point.x * scale, y: y - point.y * scale }, screen, image);
}

/** @returns {Viewport} */
export function panned(viewport, dx, dy, screen, image) {
  return keptVisible({ ...viewport, x: viewport.x + dx, y: viewport.y + dy }, screen, image);
}

/**
 * Zoom by a factor around (x, y), to which the image point there has come by (dx, dy).
 * @returns {Viewport}
 */
export function pinched(viewport, factor, x, y, dx, dy, screen, image) {
  const moved = { ...viewport, x: viewport.x + dx, y: viewport.y + dy };
  return zoomedAt(moved, factor, x, y, screen, image);
}

/**
 * The image point (x, y) in the middle of the screen, at the same scale.
 * @returns {Viewport}
 */
export function centredOn(viewport, x, y, screen, image) {
  const { scale } = viewport;
  return keptVisible({ scale, x: screen.width / 2 - x * scale, y: screen.height / 2 - y * scale }, screen, image);
}

/**
 * A rectangle of image pixels in the middle of the screen, with as much again around it.
 * @param {import('./rectangle.js').Rectangle} rectangle
 * @returns {Viewport}
 */
export function shown({ x0, y0, x1, y1 }, screen, image) {
  const whole = fitted(screen, image).scale;
  const wanted = Math.min(screen.width / (x1 - x0), screen.height / (y1 - y0)) / 2;
  const scale = Math.max(Math.min(whole, MOST_WALK_ZOOM), Math.min(MOST_WALK_ZOOM, wanted));
  return centredOn({ scale, x: 0, y: 0 }, (x0 + x1) / 2, (y0 + y1) / 2, screen, image);
}

/**
 * A view on the way from one to another; the scale grows evenly to the eye.
 * @param {number} share 0…1
 * @param {Size} screen
 * @returns {Viewport}
 */
export function between(from, to, share, screen) {
  if (share >= 1) return to;
  const scale = from.scale * (to.scale / from.scale) ** share;
  const middle = { x: screen.width / 2, y: screen.height / 2 };
  const start = toImage(from, middle.x, middle.y);
  const end = toImage(to, middle.x, middle.y);
  // The point in the middle goes as far of its way as the screen's width in image pixels does of its own.
  const [wide, narrow] = [1 / from.scale, 1 / to.scale];
  const way = wide === narrow ? share : (1 / scale - wide) / (narrow - wide);
  const x = start.x + way * (end.x - start.x);
  const y = start.y + way * (end.y - start.y);
  return { scale, x: middle.x - x * scale, y: middle.y - y * scale };
}

/** The same view, moved only so far that a piece of the image stays on the screen. */
function keptVisible(viewport, screen, image) {
  const limit = (offset, extent, room) =>
    Math.min(room - KEEP_VISIBLE, Math.max(KEEP_VISIBLE - extent, offset));
  return {
    scale: viewport.scale,
    x: limit(viewport.x, image.width * viewport.scale, screen.width),
    y: limit(viewport.y, image.height * viewport.scale, screen.height),
  };
}

/**
 * After the canvas changed its size: a fitted image is fitted again, any other view keeps its middle.
 * @returns {Viewport}
 */
export function resized(viewport, before, after, image, wasFitted) {
  if (wasFitted) return fitted(after, image);
  return panned(viewport, (after.width - before.width) / 2, (after.height - before.height) / 2, after, image);
}

/**
 * The image pixels on the screen, fractions included.
 * @returns {import('./rectangle.js').Rectangle}
 */
export function viewIn(viewport, screen, image) {
  const from = toImage(viewport, 0, 0);
  const to = toImage(viewport, screen.width, screen.height);
  return {
    x0: Math.max(0, from.x),
    y0: Math.max(0, from.y),
    x1: Math.min(image.width, to.x),
    y1: Math.min(image.height, to.y),
  };
}
