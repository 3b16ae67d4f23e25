// Walks the person from one doubtful place of an image to the next.

import { doubtsOf, nextDoubt } from './doubts.js';

export class DoubtWalk {
  /**
   * @param {import('./surface.js').Surface} surface
   * @param {import('./types.js').Notice} notice
   */
  constructor(surface, notice) {
    this.surface = surface;
    this.notice = notice;
    /** @type {import('./doubts.js').Doubt | null} */
    this.current = null;
    /** Where the person stands, `3 of 12`; empty before the first step. */
    this.place = '';
  }

  /** Another image is on the screen. */
  forget() {
    this.current = null;
    this.place = '';
  }

  /**
   * Zoom to the next doubtful place that is not labelled yet.
   * @param {import('./types.js').View | null} view
   * @param {1 | -1} direction
   */
  step(view, direction) {
    if (!view) return;
    if (!view.uncertainty) {
      this.notice('There is no uncertainty to walk along: no model has seen this image, or it is labelled blind.');
      return;
    }
    const doubts = doubtsOf(view.uncertainty, view.image);
    const at = nextDoubt(doubts, this.current, direction);
    this.current = doubts[at] ?? null;
    this.place = at < 0 ? '' : `doubt ${at + 1} of ${doubts.length}`;
    if (at < 0) this.notice('No doubtful place is left in this image.', 'good');
    else this.surface.zoomToRectangle(doubts[at], true);
  }
}
