// The revisions of the label map on the screen; each can be put back into the editor.

import { button, h } from './elements.js';
import { duration, percent } from './wording.js';

/** @typedef {{revision: number, author: string, status: string, age_s: number, labelled_share: number}} Revision */

/**
 * The revisions worth a line: what was handed in, and the last of the drafts before it.
 * @param {Revision[]} revisions newest first
 */
export function landmarks(revisions) {
  return revisions.filter(({ status, author }, i) => {
    const newer = revisions[i - 1];
    return status !== 'draft' || newer?.status !== 'draft' || newer.author !== author;
  });
}

/** @param {Revision} revision */
export function revisionWords({ author, status, age_s: age, labelled_share: share }) {
  const word = status === 'draft' ? 'Draft' : status === 'approved' ? 'Approved' : 'Submitted';
  return `${word} by ${author}, ${duration(age)} ago · ${percent(share)} labelled`;
}

export class Revisions {
  /**
   * @param {import('./dialogs.js').Dialogs} dialogs
   * @param {() => import('./session.js').LabelSession} session
   * @param {() => Uint8Array | undefined} over what may be replaced, as `EditorState.over` has it
   */
  constructor(dialogs, session, over) {
    this.dialogs = dialogs;
    this.session = session;
    this.over = over;
    /** Its window while it is open. @type {{close: () => void} | null} */
    this.window = null;
  }

  /** @param {import('./open_image.js').OpenImage} image */
  async toggle(image) {
    if (this.window) {
      this.window.close();
      return;
    }
    const session = this.session();
    try {
      const { revisions } = await session.transport.revisions(image.item);
      if (session.image !== image || this.window) return;
      const shown = landmarks(revisions);
      if (shown.some(({ revision }) => revision !== image.revision)) this.#open(image, shown);
      else session.screen.notice('There is no earlier revision of this image.');
    } catch (error) {
      session.screen.notice(error instanceof Error ? error.message : String(error), 'warning');
    }
  }

  /**
   * @param {import('./open_image.js').OpenImage} image
   * @param {Revision[]} shown
   */
  #open(image, shown) {
    const rows = shown.map((one) =>
      h(
        'button',
        { type: 'button', class: 'wide revision', 'data-testid': `revision-${one.revision}`, onclick: () => this.#take(image, one) },
        h('strong', {}, `Revision ${one.revision}`),
        h('span', { class: 'muted' }, revisionWords(one)),
      ),
    );
    const content = [
      h('p', {}, 'Every revision is kept. Choose one to put it into the editor: undo takes that back, and saving makes it the newest.'),
      h('div', { class: 'choices revisions', 'data-testid': 'revisions' }, ...rows),
      h('div', { class: 'row' }, button({ class: 'primary', onclick: () => this.window?.close() }, h('span', {}, 'Close'))),
    ];
    this.window = this.dialogs.open(`Revisions of ${image.item.name}`, content, () => {
      this.window = null;
    });
  }

  /**
   * @param {import('./open_image.js').OpenImage} image
   * @param {Revision} one
   */
  async #take(image, { revision, author }) {
    this.window?.close();
    const session = this.session();
    if (session.image !== image) return;
    const load = async (/** @type {import('./types.js').Item} */ item) => ({
      pixels: await session.transport.revision(item, revision),
      what: `revision ${revision}, by ${author}`,
    });
    await session.wholeMaps.put(load, this.over());
  }
}
