// Images that the browser cannot show: whoever waits for one gets the next.

import { UnreadablePicture } from './picture.js';
import { RequestFailed } from './transport.js';

const MOST_IN_A_ROW = 3;

export class PassedOver {
  /** @param {import('./session.js').LabelSession} session */
  constructor(session) {
    this.session = session;
    this.inARow = 0;
  }

  /** An image is shown. */
  end() {
    this.inARow = 0;
  }

  /**
   * Pass over an image that could not be loaded, where that helps.
   * @param {unknown} error
   * @param {import('./types.js').Item} item
   * @returns {unknown} the error that stays; null when the image was passed over
   */
  add(error, item) {
    if (!(error instanceof UnreadablePicture)) return error;
    // After some it is the browser, not the image.
    if (++this.inARow > MOST_IN_A_ROW) return new RequestFailed(0, error.message);
    const { screen, queue, transport } = this.session;
    screen.notice(`${item.name} is passed over. ${error.message}`, 'warning');
    // Never acknowledged, it does not come again in this tab.
    queue.leave(item.image_id);
    transport.skip(item.image_id).catch(() => {});
    return null;
  }
}
