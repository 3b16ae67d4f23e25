// Tools that find a region around a click: flood fill by colour, and the whole region of one class.

import { connectedRegion } from './connected.js';
import { floodFill } from './flood_fill.js';
import { enlarged } from './image_pixels.js';
import { NOT_LABELLED } from './label_map.js';
import { LastFill } from './last_fill.js';
import { pixelOf } from './tool_desk.js';

/** @typedef {import('./pointer.js').Tool} Tool */
/** @typedef {import('./types.js').Point} Point */

/** Values that count as not labelled: where the suggestion shows. */
export const WHERE_NOT_LABELLED = Uint8Array.from({ length: 256 }, (_, value) => Number(value === NOT_LABELLED));

/**
 * The value that the person sees at a pixel: the label, or the suggestion where nothing is labelled.
 * @param {import('./open_image.js').OpenImage} image
 * @param {Point} pixel
 * @param {boolean} showsSuggestion
 */
export function seenValue({ pixels, suggestion, width }, { x, y }, showsSuggestion) {
  const at = y * width + x;
  return pixels[at] === NOT_LABELLED && suggestion && showsSuggestion ? suggestion[at] : pixels[at];
}

/**
 * The region that the person sees under a pixel: of the label map, or of the suggestion where nothing is
 * labelled; null where nothing is suggested either.
 * @param {import('./open_image.js').OpenImage} image
 * @param {{x: number, y: number}} pixel
 */
export function seenRegion(image, { x, y }) {
  const { pixels, width, height } = image;
  if (pixels[y * width + x] !== NOT_LABELLED) return connectedRegion(pixels, width, height, x, y);
  return suggestedRegion(image, { x, y });
}

/**
 * The region of the suggestion under a pixel that is not labelled; null where there is none.
 * @param {import('./open_image.js').OpenImage} image
 * @param {Point} pixel
 */
export function suggestedRegion({ pixels, suggestion, width, height }, { x, y }) {
  const at = y * width + x;
  if (!suggestion || pixels[at] !== NOT_LABELLED || suggestion[at] === NOT_LABELLED) return null;
  return connectedRegion(suggestion, width, height, x, y, { values: pixels, allowed: WHERE_NOT_LABELLED });
}

/**
 * The pixels of alike colour around a pixel.
 * @param {import('./image_pixels.js').Rgba} picture
 * @param {{width: number, height: number}} image which the picture shows, perhaps smaller
 * @param {Point} pixel
 * @param {number} tolerance
 */
export function alikeRegion(picture, image, { x, y }, tolerance) {
  /** @type {(value: number, from: number, to: number) => number} */
  const at = (value, from, to) => Math.floor((value * to) / from);
  const { rgba, width, height } = picture;
  const region = floodFill(rgba, width, height, at(x, image.width, width), at(y, image.height, height), tolerance);
  return enlarged(region, picture, image);
}

/** @implements {Tool} */
export class ClickTool {
  /**
   * @param {import('./tool_desk.js').ToolDesk} desk
   * @param {(image: import('./open_image.js').OpenImage, pixel: {x: number, y: number}) =>
   *   import('./region.js').Region | null} regionAt
   */
  constructor(desk, regionAt) {
    this.desk = desk;
    this.regionAt = regionAt;
    this.cursor = /** @type {const} */ ('crosshair');
    this.last = new LastFill(desk, () => desk.state.tolerance);
    /** Where it was pressed. @type {Point | null} */
    this.pressed = null;
  }

  /** @param {Point} point */
  down(point) {
    this.pressed = point;
  }

  move() {}

  /** Only now it is sure that the press was a click, and not the first finger of two. @param {PointerEvent | null} event */
  up(event) {
    const { image } = this.desk;
    const pixel = pixelOf(image, this.pressed);
    this.pressed = null;
    if (event && image && pixel) this.last.fill(image, () => this.regionAt(image, pixel));
  }

  giveUp() {
    this.pressed = null;
    this.last.forget();
  }

  hover() {}

  sizeChanged() {
    this.last.sizeChanged();
  }

  show() {
    this.desk.surface.showRing(null, 0);
  }
}
