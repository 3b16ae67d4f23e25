// Label maps found in the journal of an earlier visit.

import { OpenImage } from './open_image.js';
import { same } from './label_map.js';
import { decode, join } from './run_length.js';

/** @typedef {import('./journal.js').JournalEntry} JournalEntry */
/** @typedef {import('./autosave.js').SaveContext} SaveContext */

/**
 * An image whose submission was under way when the page closed.
 * @param {JournalEntry} entry
 * @returns {OpenImage | null} null when the entry cannot be read
 */
export function imageOfEntry({ item, bands, revision }) {
  const pixels = pixelsOf(bands, item.width * item.height);
  if (!pixels) return null;
  const image = new OpenImage({ item, pixels, revision, status: null, suggestion: null });
  image.edits = 1;
  return image;
}

/**
 * Put the strokes of an entry on the image as the server has it, as an action that can be undone.
 * @param {OpenImage} image
 * @param {JournalEntry} entry
 * @param {string} annotator
 * @returns {'nothing' | 'mine' | 'others'} `nothing`: the server has them already; `others`: somebody else saved
 *   the image since, and the next save is refused, so that the person is asked what holds
 */
export function replayStrokes(image, entry, annotator) {
  const pixels = pixelsOf(entry.bands, image.pixels.length);
  if (!pixels || same(pixels, image.pixels)) return 'nothing';
  const isOthers = image.revision !== entry.revision && image.item.author !== annotator;
  image.replace(pixels);
  if (!isOthers) return 'mine';
  image.revision = entry.revision;
  return 'others';
}

/** What an earlier visit left in the journal: submissions under way, and strokes that go back on their image. */
export class EarlierVisit {
  /**
   * @param {import('./journal.js').Journal} journal
   * @param {string} annotator
   * @param {import('./active_time.js').ActiveTime} time takes over the seconds that the server does not know of
   */
  constructor(journal, annotator, time) {
    this.journal = journal;
    this.annotator = annotator;
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
   * Read the journal.
   * @returns {Promise<{image: OpenImage, submission: string, context: SaveContext | null}[]>} what was being submitted
   */
  async read() {
    const submitted = [];
    for (const entry of await this.journal.entries()) {
      if (!entry.submission) {
        this.strokes.set(entry.imageId, [...(this.strokes.get(entry.imageId) ?? []), entry]);
        continue;
      }
      const image = imageOfEntry(entry);
      if (image) {
        this.time.found(image.id, secondsOf(entry));
        submitted.push({ image, submission: entry.submission, context: entry.context ?? null });
      } else this.journal.remove(entry.imageId);
    }
    return submitted;
  }

  /** Put the strokes back on their image. @param {OpenImage} image @returns {ReturnType<typeof replayStrokes>} */
  replayOn(image) {
    const [entry, ...older] = this.strokes.get(image.id) ?? [];
    this.strokes.delete(image.id);
    if (!entry) return 'nothing';
    // Of several tabs that were lost: undo leads back to what the others had.
    for (const { bands } of older.reverse()) image.replace(pixelsOf(bands, image.pixels.length) ?? image.pixels);
    const outcome = replayStrokes(image, entry, this.annotator);
    if (outcome === 'nothing') this.journal.remove(image.id);
    else {
      // On a later revision of this person's the request that was under way has arrived.
      const known = image.revision === entry.revision ? 0 : (entry.secondsUnderWay ?? 0);
      const seconds = [entry, ...older].map(secondsOf).reduce((sum, one) => sum + one);
      this.time.found(image.id, seconds - known);
    }
    return outcome;
  }
}

/** @param {JournalEntry} entry */
function secondsOf({ context }) {
  return context?.seconds ?? 0;
}

/** @param {Uint8Array[]} bands @param {number} size */
function pixelsOf(bands, size) {
  try {
    return decode(join(bands), size);
  } catch {
    return null;
  }
}
