// Lines one pixel wide, for cracks and membranes.

/** @typedef {import('./region.js').Region} Region */

/**
 * The pixels of a line through points: from each pixel to one of its eight neighbours, without gaps and
 * without corners. A segment covers the same pixels from either end.
 * @param {{x: number, y: number}[]} points in image coordinates; the pixel under each belongs to the line
 * @param {number} width of the image; what lies outside is left out
 * @param {number} height
 * @returns {Region | null}
 */
export function thinLine(points, width, height) {
  const cells = points.map(({ x, y }) => [Math.floor(x), Math.floor(y)]);
  const xs = [];
  const ys = [];
  const box = { x0: width, y0: height, x1: 0, y1: 0 };
  for (let i = 0; i < cells.length; i++) {
    eachPixel(cells[i], cells[i + 1] ?? cells[i], (x, y) => {
      if (x < 0 || x >= width || y < 0 || y >= height) return;
      xs.push(x);
      ys.push(y);
      box.x0 = Math.min(box.x0, x);
      box.y0 = Math.min(box.y0, y);
      box.x1 = Math.max(box.x1, x + 1);
      box.y1 = Math.max(box.y1, y + 1);
    });
  }
  if (xs.length === 0) return null;
  const columns = box.x1 - box.x0;
  const mask = new Uint8Array(columns * (box.y1 - box.y0));
  for (let i = 0; i < xs.length; i++) mask[(ys[i] - box.y0) * columns + xs[i] - box.x0] = 1;
  return { ...box, mask };
}

/** Visit the pixels nearest to the line between two pixels' centres, one in each step of the longer axis. */
function eachPixel(from, to, visit) {
  // One end is always the first, so that ties are broken alike in both directions.
  const isTurned = from[0] > to[0] || (from[0] === to[0] && from[1] > to[1]);
  const [start, end] = isTurned ? [to, from] : [from, to];
  const dx = end[0] - start[0];
  const dy = end[1] - start[1];
  const steps = Math.max(dx, Math.abs(dy));
  for (let step = 0; step <= steps; step++) {
    visit(start[0] + nearest(step * dx, steps), start[1] + nearest(step * dy, steps));
  }
}

/** part / whole, rounded; a half goes up. Whole numbers only, so that no rounding error moves a pixel. */
function nearest(part, whole) {
  return whole === 0 ? 0 : Math.floor((2 * part + whole) / (2 * whole));
}
