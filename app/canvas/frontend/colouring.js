// What each pixel of a label tile shows: a key of state and value, and from keys to colours. No DOM.
// Tile pixels are counted over the whole image, so that patterns and outlines go on across tiles.

import { NOT_LABELLED } from './label_map.js';
import { fourOf, wordsOf } from './words.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

/** A key is one of these states plus a value of the label map. */
export const LABELLED = 0;
export const SUGGESTED = 256;
export const UNCHANGED = 512;
export const REMOVED = 768;
export const KEYS = 1024;
const FOUR_NOT_LABELLED = fourOf(NOT_LABELLED);
/** Larger blocks are seldom all alike, and looking at all of their pixels costs more than it saves. */
const MOST_COMPARED = 16;
/** Neighbouring tile pixels, in every direction, whose look may follow from a changed image pixel. */
export const REACH = 2;

/**
 * Where keys come from. All maps but the uncertainty have the image's size.
 * @typedef {object} Source
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} pixels the label map
 * @property {Uint8Array | null} suggestion
 * @property {Uint8Array | null} base what the label map is compared with in the difference view
 * @property {{width: number, height: number, values: Uint8Array} | null} uncertainty
 * @property {number} mostUncertain a suggested pixel up to this uncertainty shows as labelled; below 0 none does
 */

/**
 * How keys look.
 * @typedef {object} Look
 * @property {Uint32Array} colours two RGBA pixels for each key: between the pattern and on it
 * @property {Uint8Array} patterns eight rows of eight bits for each key
 * @property {Uint8Array} rank 0 for a key that is not seen, otherwise which of two keys in one block shows
 * @property {boolean} outlines only pixels beside another key
 * @property {number} grain a pattern's dots are 2^grain tile pixels wide
 */

export class Colouring {
  /** @param {number} side of the largest rectangle in tile pixels */
  constructor(side) {
    this.stride = side + 2;
    const cells = this.stride * this.stride;
    this.keys = new Uint16Array(cells);
    this.before = new Uint16Array(this.stride);
    this.here = new Uint16Array(this.stride);
    this.after = new Uint16Array(this.stride);
    this.places = new Int32Array(this.stride);
    /** Numbers of the blocks of a row that are to be searched. */
    this.mixed = new Int32Array(this.stride);
    this.isMixed = new Uint8Array(this.stride);
    this.rowKeys = new Uint16Array(0);
    this.rowPlaces = new Int32Array(0);
  }

  /**
   * Colour a rectangle of tile pixels.
   * @param {Source} source
   * @param {Look} look
   * @param {number} level
   * @param {Rectangle} box in tile pixels, at most `side` wide and high
   * @param {Uint32Array} out RGBA pixels
   * @param {number} start where the first pixel goes in `out`
   * @param {number} stride from one row of `out` to the next
   */
  paint(source, look, level, box, out, start, stride) {
    // One more pixel on each side, for the outlines.
    const around = { x0: box.x0 - 1, y0: box.y0 - 1, x1: box.x1 + 1, y1: box.y1 + 1 };
    if (level === 1 && isPlain(source)) this.#sampleFours(source, look, around);
    else if (level > 0) this.#sampleBlocks(source, look, level, around);
    else this.#repeatPixels(source, -level, around);
    const { colours, patterns, outlines, grain } = look;
    const { keys, stride: line } = this;
    for (let y = box.y0; y < box.y1; y++) {
      let at = (y - around.y0) * line + 1;
      let to = start + (y - box.y0) * stride;
      const row = (y >> grain) & 7;
      for (let x = box.x0; x < box.x1; x++, at++, to++) {
        const key = keys[at];
        if (outlines && key === keys[at + 1] && key === keys[at - 1] && key === keys[at + line] && key === keys[at - line]) {
          out[to] = 0;
        } else {
          out[to] = colours[2 * key + ((patterns[8 * key + row] >> ((x >> grain) & 7)) & 1)];
        }
      }
    }
  }

  /** Level 0 and finer: each tile pixel lies in one image pixel. */
  #repeatPixels(source, shift, box) {
    const count = box.x1 - box.x0;
    for (let i = 0; i < count; i++) this.places[i] = clamped((box.x0 + i) >> shift, source.width);
    const { keys, stride } = this;
    let above = -1;
    for (let y = box.y0; y < box.y1; y++) {
      const at = (y - box.y0) * stride;
      const imageRow = clamped(y >> shift, source.height);
      if (imageRow === above) keys.copyWithin(at, at - stride, at - stride + count);
      else readKeys(source, imageRow, this.places, count, keys, at);
      above = imageRow;
    }
  }

  /**
   * Coarser levels: a tile pixel shows the middle of its block. When something thin passes between the
   * middles of two blocks it would be seen in neither; so the block's middle row and column are searched,
   * and what lies there but in neither middle is shown in the middle's place. Most blocks hold one key alone and
   * need no search.
   */
  #sampleBlocks(source, { rank }, level, box) {
    const size = 2 ** level;
    const half = size / 2;
    const count = box.x1 - box.x0;
    const { places, stride } = this;
    for (let i = 0; i < count; i++) places[i] = middleOf(box.x0 + i, size, source.width);
    const middle = (y) => middleOf(y, size, source.height);
    const words = isPlain(source) ? blockWords(source, size) : null;
    readKeys(source, middle(box.y0 - 1), places, count, this.here, 0);
    readKeys(source, middle(box.y0), places, count, this.after, 0);
    for (let y = box.y0; y < box.y1; y++) {
      [this.before, this.here, this.after] = [this.here, this.after, this.before];
      readKeys(source, middle(y + 1), places, count, this.after, 0);
      const out = this.keys.subarray((y - box.y0) * stride, (y - box.y0) * stride + count);
      out.set(this.here.subarray(0, count));
      const mixed = this.#mixedBlocks(source, words, y, box.x0, size, count);
      if (mixed.length === 0) continue;
      for (let step = 0; step < size; step++) {
        if (step !== half) {
          const beyond = step < half ? this.before : this.after;
          this.#searchColumns(source, rank, clamped(y * size + step, source.height), beyond, mixed, out);
        }
      }
      this.#searchRow(source, rank, middle(y), box.x0 * size, size, mixed, out);
    }
  }

  /**
   * Blocks of two by two, as #sampleBlocks shows them, at half the cost: their middle is the last pixel, and all
   * there is to search is the one above it and the one to its left.
   */
  #sampleFours(source, { rank }, box) {
    const { pixels, suggestion, width, height } = source;
    const count = box.x1 - box.x0;
    const { places, stride } = this;
    for (let i = 0; i < count; i++) places[i] = middleOf(box.x0 + i, 2, width);
    // Blocks beyond the image have no pixel of their own to the left of the middle.
    const first = Math.max(0, -box.x0);
    const end = Math.min(count, Math.ceil(width / 2) - box.x0);
    readKeys(source, middleOf(box.y0 - 1, 2, height), places, count, this.here, 0);
    for (let y = box.y0; y < box.y1; y++) {
      [this.before, this.here] = [this.here, this.before];
      const { before, here } = this;
      const row = middleOf(y, 2, height);
      readKeys(source, row, places, count, here, 0);
      const out = this.keys.subarray((y - box.y0) * stride, (y - box.y0) * stride + count);
      out.set(here.subarray(0, count));
      const [above, beside] = [clamped(2 * y, height) * width, row * width];
      for (let i = 0; i < count; i++) {
        const at = above + places[i];
        let key = pixels[at];
        if (key === NOT_LABELLED && suggestion !== null) key = SUGGESTED + suggestion[at];
        if (key !== here[i] && key !== before[i]) show(rank, key, here[i], out, i);
      }
      for (let i = first; i < end; i++) {
        const at = beside + 2 * (box.x0 + i);
        let key = pixels[at];
        if (key === NOT_LABELLED && suggestion !== null) key = SUGGESTED + suggestion[at];
        if (key !== here[i] && (i === 0 || key !== here[i - 1])) show(rank, key, here[i], out, i);
      }
    }
  }

  /**
   * The blocks of a row that hold more than the key of their middle, as far as that is quickly seen.
   * @param {Source} source
   * @param {Words | null} words null to take all blocks
   * @param {number} y of the blocks
   * @param {number} x of the first one
   * @param {number} size
   * @param {number} count
   * @returns {Int32Array} their numbers in the row
   */
  #mixedBlocks(source, words, y, x, size, count) {
    const { here, mixed, isMixed } = this;
    const isWhole = words !== null && y >= 0 && (y + 1) * size <= source.height;
    // Blocks that reach beyond the image are none of its words.
    const first = isWhole ? Math.max(0, -x) : count;
    const end = isWhole ? Math.min(count, Math.floor(source.width / size) - x) : count;
    isMixed.fill(1, 0, first).fill(0, first, end).fill(1, end, count);
    if (words !== null && first < end) {
      const corner = (y * size * source.width + (x + first) * size) >> 2;
      compareBlocks(words, source.width >> 2, corner, size, here.subarray(first, end), isMixed.subarray(first, end));
    }
    let found = 0;
    for (let i = 0; i < count; i++) if (isMixed[i]) mixed[found++] = i;
    return mixed.subarray(0, found);
  }

  /** Look through one image row at the columns of the blocks' middles. */
  #searchColumns(source, rank, y, beyond, mixed, out) {
    const { here, places } = this;
    const { pixels, suggestion } = source;
    const row = y * source.width;
    const count = out.length;
    if (isPlain(source)) {
      for (let n = 0; n < mixed.length; n++) {
        const i = mixed[n];
        const at = row + places[i];
        let key = pixels[at];
        if (key === NOT_LABELLED && suggestion !== null) key = SUGGESTED + suggestion[at];
        if (key !== here[i] && key !== beyond[i]) show(rank, key, here[i], out, i);
      }
      return;
    }
    const keys = this.#row(count);
    readKeys(source, y, places, count, keys, 0);
    for (let i = 0; i < count; i++) {
      if (keys[i] !== here[i] && keys[i] !== beyond[i]) show(rank, keys[i], here[i], out, i);
    }
  }

  /** Look through the middle row of the blocks. */
  #searchRow(source, rank, y, left, size, mixed, out) {
    const { pixels, suggestion, width } = source;
    const { here } = this;
    const count = out.length;
    const first = Math.max(0, left);
    const end = Math.min(width, left + count * size);
    let keys = null;
    if (!isPlain(source)) {
      keys = this.#row(end - first);
      for (let x = first; x < end; x++) this.rowPlaces[x - first] = x;
      readKeys(source, y, this.rowPlaces, end - first, keys, 0);
    }
    const row = y * width;
    for (let n = 0; n < mixed.length; n++) {
      const i = mixed[n];
      const own = here[i];
      const from = left + i * size;
      const to = Math.min(end, from + size);
      for (let x = Math.max(first, from); x < to; x++) {
        let key;
        if (keys === null) {
          key = pixels[row + x];
          if (key === own) continue;
          if (key === NOT_LABELLED && suggestion !== null) key = SUGGESTED + suggestion[row + x];
        } else key = keys[x - first];
        if (key === own) continue;
        const beyond = 2 * (x - from) < size ? i - 1 : i + 1;
        if (beyond < 0 || beyond >= count || key !== here[beyond]) show(rank, key, own, out, i);
      }
    }
  }

  #row(length) {
    if (this.rowKeys.length < length) {
      this.rowKeys = new Uint16Array(length);
      this.rowPlaces = new Int32Array(length);
    }
    return this.rowKeys;
  }
}

/**
 * Label map and suggestion, four pixels to a word; the same words twice where nothing is suggested.
 * @typedef {{labels: Uint32Array, suggestions: Uint32Array}} Words
 */

/** @param {Source} source @param {number} size of a block @returns {Words | null} null where blocks are no whole words */
function blockWords({ pixels, suggestion, width }, size) {
  if (size < 4 || size > MOST_COMPARED || width % 4 !== 0) return null;
  const labels = wordsOf(pixels);
  const suggestions = suggestion ? wordsOf(suggestion) : labels;
  return labels && suggestions && { labels, suggestions };
}

/**
 * Find the blocks of a row in which any pixel has another key than the middle.
 * @param {Words} words
 * @param {number} stride words of a row of the image
 * @param {number} corner the first word of the first block
 * @param {number} size
 * @param {Uint16Array} keys of the blocks' middles
 * @param {Uint8Array} isMixed set to 1 for each block found
 */
function compareBlocks({ labels, suggestions }, stride, corner, size, keys, isMixed) {
  const across = size >> 2;
  for (let i = 0, next = 0; i < keys.length; i = next) {
    const key = keys[i];
    while (next < keys.length && keys[next] === key) next++;
    const word = fourOf(key & 255);
    for (let row = 0; row < size; row++) {
      const start = corner + row * stride;
      const from = start + i * across;
      const to = start + next * across;
      if (key < SUGGESTED) noteOthers(labels, from, to, word, start, across, isMixed);
      else {
        noteOthers(labels, from, to, FOUR_NOT_LABELLED, start, across, isMixed);
        noteOthers(suggestions, from, to, word, start, across, isMixed);
      }
    }
  }
}

/** Mark the blocks, counted from `start`, to which other words than this one belong. */
function noteOthers(words, from, to, word, start, across, isMixed) {
  for (let at = from; at < to; at++) if (words[at] !== word) isMixed[Math.floor((at - start) / across)] = 1;
}

/** Whether keys follow from label map and suggestion alone. */
function isPlain({ base, suggestion, mostUncertain }) {
  return base === null && (suggestion === null || mostUncertain < 0);
}

/** Show a thin thing instead of the block's middle, unless something of a higher rank is there. */
function show(rank, key, middle, out, i) {
  const found = out[i];
  if (rank[key] > 0 && rank[key] >= rank[middle] && (found === middle || rank[key] > rank[found])) out[i] = key;
}

/** The middle pixel of a block along one axis; beyond the image's edge, that of the block on the other side. */
function middleOf(block, size, extent) {
  const last = Math.ceil(extent / size) - 1;
  const inside = block < 0 ? Math.min(last, -block) : block > last ? Math.max(0, 2 * last - block) : block;
  return clamped(inside * size + size / 2, extent);
}

function clamped(place, extent) {
  return place < 0 ? 0 : place < extent ? place : extent - 1;
}

/** The keys of some pixels of one image row. */
function readKeys(source, y, places, count, out, start) {
  const { pixels, suggestion, base, width } = source;
  const row = y * width;
  if (base) {
    // Against the suggestion, what nobody has vouched for was not taken away; it is still only suggested.
    const missing = base === suggestion ? SUGGESTED : REMOVED;
    for (let i = 0; i < count; i++) {
      const at = row + places[i];
      out[start + i] = differenceKey(pixels[at], base[at], missing);
    }
  } else if (!suggestion) {
    for (let i = 0; i < count; i++) out[start + i] = pixels[row + places[i]];
  } else if (source.uncertainty && source.mostUncertain >= 0) {
    readCertainKeys(source, y, places, count, out, start);
  } else {
    for (let i = 0; i < count; i++) {
      const at = row + places[i];
      const value = pixels[at];
      out[start + i] = value === NOT_LABELLED ? SUGGESTED + suggestion[at] : value;
    }
  }
}

function readCertainKeys({ pixels, suggestion, uncertainty, mostUncertain, width, height }, y, places, count, out, start) {
  const row = y * width;
  const mapRow = Math.floor((y * uncertainty.height) / height) * uncertainty.width;
  for (let i = 0; i < count; i++) {
    const at = row + places[i];
    let key = pixels[at];
    if (key === NOT_LABELLED) {
      const suggested = suggestion[at];
      const place = mapRow + Math.floor((places[i] * uncertainty.width) / width);
      const isAccepted = suggested < NOT_LABELLED && uncertainty.values[place] <= mostUncertain;
      key = isAccepted ? suggested : SUGGESTED + suggested;
    }
    out[start + i] = key;
  }
}

function differenceKey(value, before, missing) {
  if (value === before) return value === NOT_LABELLED ? value : UNCHANGED + value;
  return value === NOT_LABELLED ? missing + before : value;
}
