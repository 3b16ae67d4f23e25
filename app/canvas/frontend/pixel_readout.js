// The words below the canvas about the pixel under the cursor.

import { AfterRest } from './after_rest.js';
import { nameOf } from './palette.js';
import { pixelOf } from './tool_desk.js';
import { hoverWords } from './wording.js';

/**
 * While the hand draws, the words wait until it rests so long: nobody reads them before, and with two places far
 * apart that change in a frame the browser draws all that lies between them as well.
 */
const RESTING_MS = 120;

export class PixelReadout {
  /**
   * @param {import('./toolbar.js').Toolbar} toolbar
   * @param {() => {view: import('./types.js').View | null, classes: import('./palette.js').LabelClass[]}} about
   */
  constructor(toolbar, about) {
    this.toolbar = toolbar;
    this.about = about;
    /** @type {import('./types.js').Point | null} */
    this.point = null;
    this.rest = new AfterRest(() => this.#write(), RESTING_MS);
  }

  /**
   * @param {import('./types.js').Point | null} point of the image under the cursor
   * @param {boolean} isDrawing a tool is pressed
   */
  show(point, isDrawing = false) {
    this.point = point;
    if (isDrawing) {
      this.rest.ask();
      return;
    }
    this.rest.drop();
    this.#write();
  }

  #write() {
    const { point } = this;
    const { view, classes } = this.about();
    const pixel = pixelOf(view?.image ?? null, point);
    const name = (/** @type {number} */ value) => nameOf(classes, value);
    const words = view && pixel ? hoverWords(view.image, pixel, view.uncertainty, name) : '';
    this.toolbar.showHover(pixel, words);
  }
}
