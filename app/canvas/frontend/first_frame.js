// An image as it will look when it is opened, drawn while the browser is idle: one copy brings it to the screen.

import { given } from './given.js';

/**
 * What decides how an image looks.
 * @typedef {object} Setting
 * @property {number} width of the canvas in its pixels
 * @property {number} height
 * @property {import('./pieces.js').Place} place
 * @property {import('./editor_state.js').Opacity} opacity
 * @property {import('./colouring.js').Look | null} look
 */

export class FirstFrame {
  /** @param {Setting} setting @param {(context: CanvasRenderingContext2D) => void} draw */
  constructor(setting, draw) {
    this.setting = setting;
    const canvas = new OffscreenCanvas(setting.width, setting.height);
    const context = /** @type {unknown} */ (given(canvas.getContext('2d')));
    draw(/** @type {CanvasRenderingContext2D} */ (context));
    this.bitmap = canvas.transferToImageBitmap();
  }

  /** @param {Setting} setting */
  fits(setting) {
    return this.setting.look === setting.look && numbersOf(this.setting) === numbersOf(setting);
  }

  /** Put it on a canvas in the place of everything there. @param {CanvasRenderingContext2D} context */
  draw(context) {
    context.globalCompositeOperation = 'copy';
    context.drawImage(this.bitmap, 0, 0);
    context.globalCompositeOperation = 'source-over';
  }

  close() {
    this.bitmap.close();
  }
}

/** @param {Setting} setting */
function numbersOf({ width, height, place, opacity }) {
  return JSON.stringify([width, height, place.scale, place.x, place.y, opacity]);
}
