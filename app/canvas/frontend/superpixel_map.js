// Superpixels: the pieces of alike pixels that the server cut the image into, on the server's grid.
// app/superpixels.py writes the body; tests/golden/superpixels.json holds both to the same bytes.

/** @typedef {import('./region.js').Region} Region */
/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

/** Numbers of pieces, about, that the server cuts an image into. */
export const SUPERPIXEL_SCALES = [200, 600, 2000];

/**
 * The grid behind the server's bytes: [u32 LE width][u32 LE height][u16 LE ids, row by row].
 * @param {Uint8Array} bytes not compressed any more
 * @returns {{width: number, height: number, ids: Uint16Array}}
 * @throws {RangeError} when the bytes are not as many as the size says
 */
export function decodeSuperpixels(bytes) {
  const fail = () => new RangeError('The superpixels did not arrive whole. Reload the page.');
  if (bytes.length < 8) throw fail();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width, height] = [view.getUint32(0, true), view.getUint32(4, true)];
  if (width * height === 0 || bytes.length !== 8 + 2 * width * height) throw fail();
  const ids = new Uint16Array(width * height);
  for (let i = 0; i < ids.length; i++) ids[i] = view.getUint16(8 + 2 * i, true);
  return { width, height, ids };
}

export class SuperpixelMap {
  /**
   * @param {Uint8Array} bytes the server's answer
   * @param {number} imageWidth in pixels; at least as large as the server's grid
   * @param {number} imageHeight
   */
  constructor(bytes, imageWidth, imageHeight) {
    const { width, height, ids } = decodeSuperpixels(bytes);
    this.width = width;
    this.height = height;
    this.ids = ids;
    this.imageWidth = imageWidth;
    this.imageHeight = imageHeight;
    /** Grid column of each image column, and the same for rows. */
    this.columnOf = cellsOf(imageWidth, width);
    this.rowOf = cellsOf(imageHeight, height);
    this.boxes = boxesOf(ids, width, height);
    this.count = this.boxes.length / 4;
    this.isChosen = new Uint8Array(this.count);
  }

  /** @returns {number} id of the superpixel of image pixel (x, y); -1 outside the image */
  at(x, y) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || column >= this.imageWidth || row < 0 || row >= this.imageHeight) return -1;
    return this.ids[this.rowOf[row] * this.width + this.columnOf[column]];
  }

  /**
   * The superpixels under the straight line between two points, for a stroke.
   * @param {{x: number, y: number}} from in image coordinates
   * @param {{x: number, y: number}} to
   * @returns {Set<number>}
   */
  along(from, to) {
    const found = new Set();
    // Half a pixel of the image a step: no superpixel wider than that is jumped over.
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to.x - from.x, to.y - from.y)));
    for (let step = 0; step <= steps; step++) {
      const share = step / steps;
      const id = this.at(from.x + share * (to.x - from.x), from.y + share * (to.y - from.y));
      if (id >= 0) found.add(id);
    }
    return found;
  }

  /**
   * The image pixels of one or more superpixels.
   * @param {Iterable<number>} ids
   * @returns {Region | null}
   */
  regionOf(ids) {
    const chosen = [...ids];
    if (chosen.length === 0) return null;
    const { isChosen, boxes, columnOf, rowOf } = this;
    const cells = { x0: Infinity, y0: Infinity, x1: 0, y1: 0 };
    for (const id of chosen) {
      isChosen[id] = 1;
      cells.x0 = Math.min(cells.x0, boxes[4 * id]);
      cells.y0 = Math.min(cells.y0, boxes[4 * id + 1]);
      cells.x1 = Math.max(cells.x1, boxes[4 * id + 2]);
      cells.y1 = Math.max(cells.y1, boxes[4 * id + 3]);
    }
    const x0 = columnOf.indexOf(cells.x0);
    const y0 = rowOf.indexOf(cells.y0);
    const x1 = columnOf.lastIndexOf(cells.x1 - 1) + 1;
    const y1 = rowOf.lastIndexOf(cells.y1 - 1) + 1;
    const columns = x1 - x0;
    const mask = new Uint8Array(columns * (y1 - y0));
    for (let y = y0, out = 0; y < y1; y++, out += columns) {
      if (y > y0 && rowOf[y] === rowOf[y - 1]) {
        mask.copyWithin(out, out - columns, out);
        continue;
      }
      const start = rowOf[y] * this.width;
      for (let x = 0; x < columns; x++) mask[out + x] = isChosen[this.ids[start + columnOf[x0 + x]]];
    }
    for (const id of chosen) isChosen[id] = 0;
    return { x0, y0, x1, y1, mask };
  }
}

/** The cell of each pixel: ⌊pixel · cells / pixels⌋. */
function cellsOf(pixels, cells) {
  return Uint32Array.from({ length: pixels }, (_, at) => Math.floor((at * cells) / pixels));
}

/** The box of each id on the grid, four numbers each: first column, first row, and one past the last ones. */
function boxesOf(ids, width, height) {
  let count = 0;
  for (let i = 0; i < ids.length; i++) if (ids[i] >= count) count = ids[i] + 1;
  const boxes = new Int32Array(4 * count);
  for (let id = 0; id < count; id++) boxes.set([width, height, 0, 0], 4 * id);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const box = 4 * ids[i];
      if (x < boxes[box]) boxes[box] = x;
      if (y < boxes[box + 1]) boxes[box + 1] = y;
      if (x >= boxes[box + 2]) boxes[box + 2] = x + 1;
      if (y >= boxes[box + 3]) boxes[box + 3] = y + 1;
    }
  }
  return boxes;
}
