// The superpixel brush: paints every superpixel that the pointer passes.

import { paintRegion } from './region.js';

/** @typedef {import('./pointer.js').Tool} Tool */
/** @typedef {import('./types.js').Point} Point */

/** @implements {Tool} */
export class SuperpixelTool {
  /** @param {import('./tool_desk.js').ToolDesk} desk */
  constructor(desk) {
    this.desk = desk;
    this.cursor = /** @type {const} */ ('crosshair');
    /** Where the stroke under way is, or null. @type {Point | null} */
    this.last = null;
    /** Superpixels that the stroke under way has painted. @type {Set<number>} */
    this.painted = new Set();
    this.under = -1;
  }

  /** @param {Point} point */
  down(point) {
    this.last = point;
    this.painted.clear();
    this.move([point]);
  }

  /** @param {Point[]} points */
  move(points) {
    const { image } = this.desk;
    const map = this.#map();
    for (const point of points) {
      if (image && map && this.last) this.#paint(image, map, this.last, point);
      if (this.last) this.last = point;
    }
  }

  up() {
    this.last = null;
    if (this.desk.image?.endStroke()) this.desk.edited();
  }

  giveUp() {
    this.last = null;
    this.desk.image?.giveUpStroke();
  }

  /** @param {Point | null} point */
  hover(point) {
    const map = this.#map();
    const id = map && point ? map.at(point.x, point.y) : -1;
    if (id === this.under) return;
    this.under = id;
    this.desk.preview(map && id >= 0 ? map.regionOf([id]) : null);
  }

  /** Other superpixels: coarser or finer ones. */
  sizeChanged() {
    this.under = -1;
    this.desk.preview(null);
  }

  show() {
    this.desk.surface.showRing(null, 0);
  }

  #map() {
    const { image, superpixels, state } = this.desk;
    return image && superpixels.of(image, state.superpixels);
  }

  /**
   * @param {import('./open_image.js').OpenImage} image
   * @param {import('./superpixel_map.js').SuperpixelMap} map
   * @param {Point} from
   * @param {Point} to
   */
  #paint(image, map, from, to) {
    const passed = [...map.along(from, to)].filter((id) => !this.painted.has(id));
    if (passed.length === 0) return;
    for (const id of passed) this.painted.add(id);
    this.under = -1;
    this.desk.preview(null);
    const region = map.regionOf(passed);
    image.part(region, () => paintRegion(image, region, this.desk.paint()));
  }
}
