// The filling of 4-connected pixels, row spans at a time. What belongs together is decided a row at a time
// and only for rows the fill comes to, so that small regions of large images cost little.

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

/** From this length on a run is searched and filled by the built-in functions. */
const LONG_RUN = 48;

/**
 * Fill from one pixel.
 * @param {number} width
 * @param {number} height
 * @param {number} x where the fill starts
 * @param {number} y
 * @param {(members: Uint8Array, start: number, y: number) => void} markRow sets members[start … start +
 *   width - 1] to 1 for the pixels of row y that may be filled; they are 0 before
 * @returns {{mask: Uint8Array, box: Rectangle} | null} a mask as large as the grid and the box of its
 *   ones; null when the first pixel may not be filled
 */
export function spanFill(width, height, x, y, markRow) {
  if (!(x >= 0 && x < width && y >= 0 && y < height)) return null;
  // Filled pixels are taken from the members, so that no pixel is come to twice.
  const members = new Uint8Array(width * height);
  const mask = new Uint8Array(width * height);
  const isMarked = new Uint8Array(height);
  markRow(members, y * width, y);
  isMarked[y] = 1;
  if (!members[y * width + x]) return null;
  const box = { x0: x, y0: y, x1: x + 1, y1: y + 1 };
  // Spans still to be looked at: row, first and last column, and which way the fill was going.
  const waiting = [y, x, x, 1];
  const next = () => /** @type {number} */ (waiting.pop());
  while (waiting.length > 0) {
    const step = next();
    const last = next();
    const first = next();
    const row = next();
    const start = row * width;
    if (!isMarked[row]) {
      markRow(members, start, row);
      isMarked[row] = 1;
    }
    const isInside = row + step >= 0 && row + step < height;
    for (let at = first; at <= last; at++) {
      if (!members[start + at]) continue;
      let left = at;
      if (at === first) while (left > 0 && members[start + left - 1]) left--;
      const right = claim(members, mask, start + left, start + width) - start - 1;
      if (left < box.x0) box.x0 = left;
      if (right >= box.x1) box.x1 = right + 1;
      if (isInside) waiting.push(row + step, left, right, step);
      // Where this span reaches past the one it came from, the row behind may hold more.
      const behind = row - step;
      if (behind >= 0 && behind < height) {
        if (left < first) waiting.push(behind, left, first - 1, -step);
        if (right > last) waiting.push(behind, last + 1, right, -step);
        if (row === y && left <= x && right >= x) waiting.push(behind, x, x, -step);
      }
      if (row < box.y0) box.y0 = row;
      if (row >= box.y1) box.y1 = row + 1;
      at = right + 1;
    }
  }
  return { mask, box };
}

/**
 * Fill the run of members that starts at an index.
 * @param {Uint8Array} members
 * @param {Uint8Array} mask
 * @param {number} start
 * @param {number} limit
 * @returns {number} the index after its end, at most `limit`
 */
function claim(members, mask, start, limit) {
  let end = start;
  const soon = Math.min(limit, start + LONG_RUN);
  while (end < soon && members[end]) {
    members[end] = 0;
    mask[end++] = 1;
  }
  if (end < soon || end === limit) return end;
  // The built-in search and fill are several times faster, but dear to call.
  const found = members.indexOf(0, end);
  const longEnd = found < 0 ? limit : Math.min(limit, found);
  members.fill(0, end, longEnd);
  mask.fill(1, end, longEnd);
  return longEnd;
}
