// Takes over what was saved of the image on the screen elsewhere, where nothing here stands against it: a page that was
// left for a while would else show an old label map, and ask about a conflict at the next stroke.

import { same } from './label_map.js';

/** @typedef {import('./open_image.js').OpenImage} OpenImage */

export class NewerRevision {
  /** @param {Pick<import('./session.js').LabelSession, 'image' | 'autosave' | 'transport' | 'screen' | 'annotator'>} session */
  constructor(session) {
    this.session = session;
    this.isAsking = false;
  }

  /** The person is back at the page. */
  async look() {
    const { image } = this.session;
    // A browser tells of it twice, by the page that is seen and by the window that has the focus.
    if (this.isAsking || !image || !this.#isAtRest(image)) return;
    this.isAsking = true;
    try {
      await this.#takeOver(image);
    } catch {
      // Whatever the next save meets is asked then.
    } finally {
      this.isAsking = false;
    }
  }

  /** @param {OpenImage} image */
  async #takeOver(image) {
    const { transport, autosave, screen, annotator } = this.session;
    const { item, held_by: heldBy } = await transport.item(image.id);
    if (heldBy && heldBy !== annotator) screen.notice(`${heldBy} is labelling ${item.name} now.`, 'warning');
    if (item.revision <= image.revision) return;
    const newest = await transport.label(image.item);
    if (newest.revision <= image.revision || !this.#isAtRest(image)) return;
    const isOther = !same(image.pixels, newest.pixels);
    // At once: a stroke may begin at the next wait, and is not to be replaced.
    image.renew({ ...newest, item });
    await autosave.forget(image);
    screen.refresh();
    if (!isOther) return;
    const who = item.author === annotator ? 'You saved it elsewhere' : `${item.author ?? 'Somebody'} saved it meanwhile`;
    screen.notice(`This is revision ${newest.revision} now. ${who}.`);
  }

  /** Whether an image is on the screen with nothing unsaved and no stroke under way. @param {OpenImage} image */
  #isAtRest(image) {
    return this.session.image === image && !image.history.open && !this.session.autosave.unsavedImage(image.id);
  }
}
