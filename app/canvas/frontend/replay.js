// Label maps found in the journal of an earlier visit.

import { same } from './label_map.js';
import { OpenImage } from './open_image.js';
import { decode, join } from './run_length.js';

/** @typedef {import('./journal.js').JournalEntry} JournalEntry */
/** @typedef {import('./autosave.js').SaveContext} SaveContext */

/**
 * An image as the newest entry of it has it; undo leads back to the older ones, of other tabs that were lost.
 * @param {JournalEntry[]} entries of one image that can be read, newest first
 * @returns {OpenImage}
 */
export function imageOf(entries) {
  const { item, revision } = entries[0];
  const ofItem = entries.filter((entry) => isOf(item, entry));
  const [oldest, ...newer] = /** @type {Uint8Array[]} */ (ofItem.map(readMap)).reverse();
  const image = new OpenImage({ item, pixels: oldest, revision, status: null, suggestion: null });
  for (const pixels of newer) image.replace(pixels);
  image.edits = 1;
  return image;
}

/**
 * Put the strokes of an entry on the image as the server has it, as an action that can be undone.
 * @param {OpenImage} image
 * @param {JournalEntry} entry
 * @returns {'nothing' | 'mine' | 'newer' | 'other'} `nothing`: the server has them already; `newer`: the image was saved
 *   since, by somebody else or by this person elsewhere, and the next save is refused, so that the person is asked what
 *   holds; `other`: the server has another picture under this number, and nothing was put on it
 */
export function replayStrokes(image, entry) {
  if (!isOf(image.item, entry)) return 'other';
  const pixels = pixelsOf(entry.bands, image.pixels.length);
  if (!pixels || same(pixels, image.pixels)) return 'nothing';
  // One revision more may be the save whose answer nobody heard; others were made without the strokes.
  const hasArrived = image.revision === entry.revision + 1 && image.request === entry.request;
  const isNewest = image.revision === entry.revision || hasArrived;
  image.replace(pixels);
  if (isNewest) return 'mine';
  image.revision = entry.revision;
  return 'newer';
}

/** What an earlier visit left in the journal: submissions under way, and strokes that go back on their image. */
export class EarlierVisit {
  /**
   * @param {import('./journal.js').Journal} journal
   * @param {import('./active_time.js').ActiveTime} time takes over the seconds that the server does not know of
   */
  constructor(journal, time) {
    this.journal = journal;
    this.time = time;
    /** Entries with strokes that no image has got back yet, newest first, by image. @type {Map<number, JournalEntry[]>} */
    this.strokes = new Map();
  }

  /**
   * The image to go on with: the one that was on the screen, unless only another has strokes that were not saved.
   * @param {number | null} shown
   * @returns {number | null} null when none is known
   */
  lastImage(shown) {
    if (this.strokes.size === 0 || (shown !== null && this.strokes.has(shown))) return shown;
    return this.strokes.keys().next().value ?? null;
  }

  /**
   * Read the journal. Of each image the newest entry holds: what is older must not go to the server after it.
   * @returns {Promise<{image: OpenImage, submission: string, context: SaveContext | null}[]>} what was being submitted
   */
  async read() {
    /** @type {Map<number, JournalEntry[]>} */
    const found = new Map();
    for (const entry of await this.journal.entries()) found.set(entry.imageId, [...(found.get(entry.imageId) ?? []), entry]);
    const submitted = [];
    for (const [imageId, all] of found) {
      const entries = all.filter(readMap);
      const newest = entries.at(0);
      if (!newest) this.journal.remove(imageId);
      else if (!newest.submission) this.strokes.set(imageId, entries);
      else {
        const { submission, context } = newest;
        const seconds = secondsOfAll(entries);
        this.time.found(imageId, seconds);
        submitted.push({ image: imageOf(entries), submission, context: context ? { ...context, seconds } : null });
      }
    }
    return submitted;
  }

  /** Images whose strokes nobody has got back, for the server to get them. @returns {OpenImage[]} */
  unopened() {
    const left = [...this.strokes.values()];
    this.strokes.clear();
    for (const entries of left) this.time.found(entries[0].imageId, secondsOfAll(entries));
    return left.map(imageOf);
  }

  /** Put the strokes back on their image. @param {OpenImage} image @returns {ReturnType<typeof replayStrokes>} */
  replayOn(image) {
    const [entry, ...older] = this.strokes.get(image.id) ?? [];
    this.strokes.delete(image.id);
    if (!entry) return 'nothing';
    // Of several tabs that were lost: undo leads back to what the others had.
    for (const one of older.filter((one) => isOf(image.item, one)).reverse()) {
      image.replace(pixelsOf(one.bands, image.pixels.length) ?? image.pixels);
    }
    const outcome = replayStrokes(image, entry);
    if (outcome === 'other') this.journal.setAside(image.id);
    else if (outcome === 'nothing') this.journal.remove(image.id);
    else {
      // On a later revision of this person's the request that was under way has arrived.
      const known = image.revision === entry.revision ? 0 : (entry.secondsUnderWay ?? 0);
      this.time.found(image.id, secondsOfAll([entry, ...older]) - known);
    }
    return outcome;
  }
}

/** Whether an entry is of the picture that an item has. @param {JournalEntry['item']} item @param {JournalEntry} entry */
function isOf(item, entry) {
  return entry.item.image_url === item.image_url;
}

/** @param {JournalEntry[]} entries */
function secondsOfAll(entries) {
  return entries.reduce((sum, { context }) => sum + (context?.seconds ?? 0), 0);
}

/** @param {JournalEntry} entry @returns {Uint8Array | null} null when it cannot be read */
function readMap({ item, bands }) {
  return pixelsOf(bands, item.width * item.height);
}

/** @param {Uint8Array[]} bands @param {number} size */
function pixelsOf(bands, size) {
  try {
    return decode(join(bands), size);
  } catch {
    return null;
  }
}
