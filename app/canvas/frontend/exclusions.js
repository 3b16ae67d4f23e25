// Images that somebody excludes while they are labelled here, as the answers to saves tell.

/** @typedef {import('./open_image.js').OpenImage} OpenImage */

export class Exclusions {
  /** @param {Pick<import('./session.js').LabelSession, 'image' | 'screen'>} session */
  constructor(session) {
    this.session = session;
  }

  /**
   * A label map was saved.
   * @param {OpenImage} image
   * @param {import('./types.js').Saved} answer
   */
  saved(image, { split, status }) {
    const { name, split: before } = image.item;
    // What opened as excluded was picked so, and what was said once is known.
    if (split === before || ![split, before].includes('excluded')) return;
    image.item = { ...image.item, split };
    if (split !== 'excluded') return;
    const what = status === 'submitted' ? 'your label map' : 'what you painted';
    const way = this.session.image === image ? ' Skip brings the next image.' : '';
    this.session.screen.notice(`Somebody excluded ${name}: ${what} is kept, and trains nothing.${way}`, 'warning');
  }
}
