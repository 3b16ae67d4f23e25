// The fill that was done last, which another tolerance or reach does over.

import { sayWhyNothing } from './nothing_painted.js';
import { paintRegion } from './region.js';

/** @typedef {import('./open_image.js').OpenImage} OpenImage */
/** @typedef {import('./region.js').Region} Region */

export class LastFill {
  /**
   * @param {import('./tool_desk.js').ToolDesk} desk
   * @param {() => number} sizeNow the tolerance or reach
   */
  constructor(desk, sizeNow) {
    this.desk = desk;
    this.sizeNow = sizeNow;
    this.forget();
  }

  forget() {
    /**
     * `steps` are those of the image after the fill: when it has others, something was done since.
     * @type {{image: OpenImage, regionNow: () => Region | null, paint: import('./label_map.js').Paint,
     *   size: number, steps: number, isFilled: boolean} | null}
     */
    this.last = null;
  }

  /**
   * @param {OpenImage} image
   * @param {() => Region | null} regionNow what is to be filled with the size of now
   * @param {import('./label_map.js').Paint} paint
   * @param {import('./nothing_painted.js').Draw} [asked] where, for a region that stops at what is locked
   */
  fill(image, regionNow, paint = this.desk.paint(), asked) {
    this.forget();
    const region = regionNow();
    if (!image.region(region, paint)) {
      const draw = asked ?? ((map, mark) => paintRegion(map, region, mark));
      sayWhyNothing(this.desk, image, this.desk.paint(), draw);
      return;
    }
    this.last = { image, regionNow, paint, size: this.sizeNow(), steps: image.steps, isFilled: true };
    this.desk.edited();
  }

  /** Do the last fill over with another size, in the class it had, unless something was done since. */
  sizeChanged() {
    const { last } = this;
    const size = this.sizeNow();
    if (!last || last.image !== this.desk.image || last.steps !== last.image.steps || last.size === size) return;
    const { image } = last;
    // At some sizes there may be nothing to fill, and nothing to take back after them.
    if (last.isFilled) image.undo();
    last.isFilled = image.region(last.regionNow(), last.paint);
    Object.assign(last, { size, steps: image.steps });
    this.desk.edited();
  }
}
