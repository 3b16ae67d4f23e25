// Walks the person from one doubtful place of an image to the next.

import { DoubtOrder } from './doubt_order.js';

export class DoubtWalk {
  /**
   * @param {import('./surface.js').Surface} surface
   * @param {import('./types.js').Notice} notice
   */
  constructor(surface, notice) {
    this.surface = surface;
    this.notice = notice;
    /** @type {DoubtOrder | null} */
    this.order = null;
  }

  /** Where the person stands, `doubt 3 of 12`; empty before the first step. */
  get place() {
    return this.order?.place ?? '';
  }

  /** Another image is on the screen. */
  forget() {
    this.order = null;
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
    // A new round doubts other places.
    if (this.order?.uncertainty !== view.uncertainty) this.order = new DoubtOrder(view.uncertainty, view.image);
    const doubt = this.order.step(view.image, direction);
    if (doubt) this.surface.zoomToRectangle(doubt, true);
    else this.notice('No doubtful place is left in this image.', 'good');
  }
}
