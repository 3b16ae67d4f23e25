// The filling of 4-connected pixels, row spans at a time. What belongs together is decided a piece of a row at a
// time and only where the fill comes to, so that small regions of large images cost little.

/** @typedef {import('./region.js').Region} Region */

/** From this length on a run is searched and filled by the built-in functions. */
const LONG_RUN = 48;
/** Pixels of a piece of a row, as a power of two. */
const PIECE_SHIFT = 8;
/** What a pixel of a marked piece is: not to be filled, still to be filled, filled. */
const OPEN = 1;
const FILLED = 2;
/** A grid up to this size leaves its memory to the next one: fresh memory costs as much as half of the fill. */
const MOST_KEPT = 2 ** 24;

/** What the last fill left; whatever it holds is marked again before it is read. */
let kept = new Uint8Array(0);

/**
 * Fill from one pixel.
 * @param {number} width
 * @param {number} height
 * @param {number} x where the fill starts
 * @param {number} y
 * @param {(members: Uint8Array, from: number, to: number) => void} mark sets members[from … to - 1], a piece of a
 *   row, to 1 for the pixels that may be filled and to 0 for the others
 * @returns {Region | null} on the smallest box; null when the first pixel may not be filled
 */
export function spanFill(width, height, x, y, mark) {
  if (!(x >= 0 && x < width && y >= 0 && y < height)) return null;
  const grid = new Grid(width, height, mark);
  grid.reach(y, x, x);
  const { members } = grid;
  if (members[y * width + x] !== OPEN) return null;
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
    grid.reach(row, first, last);
    const isInside = row + step >= 0 && row + step < height;
    for (let at = first; at <= last; at++) {
      if (members[start + at] !== OPEN) continue;
      const left = at === first ? grid.leftEnd(row, at) : at;
      const right = grid.fillFrom(row, left) - 1;
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
  return { ...box, mask: grid.filledIn(box) };
}

/** Have the memory at hand that a fill of a grid writes to. @param {number} width @param {number} height */
export function makeRoom(width, height) {
  const size = width * height;
  if (kept.length >= size || size > MOST_KEPT) return;
  // Written to, for only then the browser has it.
  kept = new Uint8Array(size).fill(0);
}

class Grid {
  constructor(width, height, mark) {
    this.width = width;
    this.mark = mark;
    this.across = ((width - 1) >> PIECE_SHIFT) + 1;
    this.isMarked = new Uint8Array(this.across * height);
    const size = width * height;
    makeRoom(width, height);
    this.members = kept.length < size ? new Uint8Array(size) : kept;
  }

  /** See to it that the pieces of a span of columns are marked, the last column included. */
  reach(row, first, last) {
    for (let piece = first >> PIECE_SHIFT; piece <= last >> PIECE_SHIFT; piece++) {
      if (!this.isMarked[row * this.across + piece]) this.#markPiece(row, piece);
    }
  }

  /** @returns {number} the column where the run of open pixels begins that an open one belongs to */
  leftEnd(row, column) {
    const { members } = this;
    const start = row * this.width;
    for (let left = column; left > 0; ) {
      this.reach(row, left - 1, left - 1);
      const edge = ((left - 1) >> PIECE_SHIFT) << PIECE_SHIFT;
      while (left > edge && members[start + left - 1] === OPEN) left--;
      if (left > edge) return left;
    }
    return 0;
  }

  /**
   * Fill the run of open pixels that begins at an open one.
   * @returns {number} the column after its end
   */
  fillFrom(row, column) {
    const { width, members } = this;
    const start = row * width;
    for (let end = column; end < width; ) {
      this.reach(row, end, end);
      const limit = Math.min(width, ((end >> PIECE_SHIFT) + 1) << PIECE_SHIFT);
      end = fillRun(members, start + end, start + limit) - start;
      if (end < limit) return end;
    }
    return width;
  }

  /** @param {import('./rectangle.js').Rectangle} box @returns {Uint8Array} 1 for its filled pixels */
  filledIn({ x0, y0, x1, y1 }) {
    const { width, members, isMarked, across } = this;
    const mask = new Uint8Array((x1 - x0) * (y1 - y0));
    for (let row = y0, to = 0; row < y1; row++) {
      for (let x = x0; x < x1; ) {
        const piece = x >> PIECE_SHIFT;
        const end = Math.min(x1, (piece + 1) << PIECE_SHIFT);
        if (isMarked[row * across + piece]) {
          for (let at = row * width + x, last = row * width + end; at < last; at++) mask[to++] = members[at] >> 1;
        } else to += end - x;
        x = end;
      }
    }
    return mask;
  }

  #markPiece(row, piece) {
    const start = row * this.width;
    const end = Math.min(this.width, (piece + 1) << PIECE_SHIFT);
    this.mark(this.members, start + (piece << PIECE_SHIFT), start + end);
    this.isMarked[row * this.across + piece] = 1;
  }
}

/**
 * Fill the run of open pixels, perhaps of none, that starts at an index.
 * @param {Uint8Array} members
 * @param {number} start
 * @param {number} limit
 * @returns {number} the index after its end, at most `limit`
 */
function fillRun(members, start, limit) {
  let end = start;
  const soon = Math.min(limit, start + LONG_RUN);
  while (end < soon && members[end] === OPEN) members[end++] = FILLED;
  if (end < soon || end === limit) return end;
  // The built-in search and fill are several times faster, but dear to call.
  const found = members.subarray(end, limit).indexOf(0);
  const longEnd = found < 0 ? limit : end + found;
  members.fill(FILLED, end, longEnd);
  return longEnd;
}
