// Half-open pixel rectangles {x0, y0, x1, y1}; null is the empty one.

/** @typedef {{x0: number, y0: number, x1: number, y1: number}} Rectangle */

/**
 * The smallest pixel rectangle around real coordinates, inside an image.
 * @returns {Rectangle | null} null when nothing of it is inside
 */
export function pixelsAround(left, top, right, bottom, width, height) {
  const x0 = Math.max(0, Math.floor(left));
  const y0 = Math.max(0, Math.floor(top));
  const x1 = Math.min(width, Math.ceil(right));
  const y1 = Math.min(height, Math.ceil(bottom));
  return x0 < x1 && y0 < y1 ? { x0, y0, x1, y1 } : null;
}

/**
 * @param {Rectangle | null} a
 * @param {Rectangle | null} b
 * @returns {Rectangle | null}
 */
export function union(a, b) {
  if (!a) return b;
  if (!b) return a;
  return {
    x0: Math.min(a.x0, b.x0),
    y0: Math.min(a.y0, b.y0),
    x1: Math.max(a.x1, b.x1),
    y1: Math.max(a.y1, b.y1),
  };
}

/**
 * @param {Rectangle} a
 * @param {Rectangle} b
 * @returns {Rectangle | null} what lies in both
 */
export function overlap(a, b) {
  const x0 = Math.max(a.x0, b.x0);
  const y0 = Math.max(a.y0, b.y0);
  const x1 = Math.min(a.x1, b.x1);
  const y1 = Math.min(a.y1, b.y1);
  return x0 < x1 && y0 < y1 ? { x0, y0, x1, y1 } : null;
}
