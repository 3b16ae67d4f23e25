// The words below the canvas about the pixel under the cursor.

import { nameOf } from './palette.js';
import { pixelOf } from './tool_desk.js';
import { hoverWords } from './wording.js';

export class PixelReadout {
  /**
   * @param {import('./toolbar.js').Toolbar} toolbar
   * @param {() => {view: import('./types.js').View | null, classes: import('./palette.js').LabelClass[]}} about
   */
  constructor(toolbar, about) {
    this.toolbar = toolbar;
    this.about = about;
  }

  /** @param {import('./types.js').Point | null} point of the image under the cursor */
  show(point) {
    const { view, classes } = this.about();
    const pixel = pixelOf(view?.image ?? null, point);
    const name = (/** @type {number} */ value) => nameOf(classes, value);
    const words = view && pixel ? hoverWords(view.image, pixel, view.uncertainty, name) : '';
    this.toolbar.showHover(pixel, words);
  }
}
