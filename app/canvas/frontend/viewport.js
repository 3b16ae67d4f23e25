// Where the image lies on the screen: screen = image · scale + offset, all in CSS pixels of the canvas.

/** @typedef {{scale: number, x: number, y: number}} Viewport */
/** @typedef {{width: number, height: number}} Size */

export const MOST_ZOOM = 40;
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
