// Smart fill: a click or a scribble becomes the region of alike pixels around it, which the size keys widen.

import { enlarged, sampled, sampledClosed } from './image_pixels.js';
import { NOT_LABELLED } from './label_map.js';
import { LastFill } from './last_fill.js';
import { SmartFill } from './smart_fill.js';
import { pixelOf } from './tool_desk.js';

/** @typedef {import('./pointer.js').Tool} Tool */
/** @typedef {import('./types.js').Point} Point */

/** @typedef {import('./image_pixels.js').Rgba} Rgba */
/** @typedef {import('./open_image.js').OpenImage} OpenImage */

/** @implements {Tool} */
export class SmartTool {
  /** @param {import('./tool_desk.js').ToolDesk} desk */
  constructor(desk) {
    this.desk = desk;
    this.cursor = /** @type {const} */ ('crosshair');
    /** @type {Point[]} */
    this.points = [];
    this.last = new LastFill(desk, () => desk.state.reach);
  }

  /** @param {Point} point */
  down(point) {
    this.points = [point];
  }

  /** @param {Point[]} points */
  move(points) {
    // Given up with Escape or for another tool while the button was down.
    if (this.points.length > 0) this.points.push(...points);
  }

  /** @param {PointerEvent | null} event */
  up(event) {
    const { points } = this;
    this.points = [];
    this.show();
    const { image } = this.desk;
    const picture = this.desk.pixels.read();
    if (!event || !image || !picture || points.length === 0) return;
    const fill = this.#fillFrom(image, picture, points);
    const regionNow = () => {
      const level = fill.levelBeside(fill.level, this.desk.state.reach);
      return enlarged(fill.regionAt(level), picture, image);
    };
    // The region of an overview is enlarged; what is a wall stays one to the pixel.
    this.last.fill(image, regionNow, { value: this.desk.state.value, over: fill.open }, (map, { value }) => {
      for (const pixel of points.map((point) => pixelOf(image, point))) {
        if (pixel) map.pixels[pixel.y * map.width + pixel.x] = value;
      }
    });
  }

  giveUp() {
    this.points = [];
    this.last.forget();
    this.show();
  }

  hover() {}

  sizeChanged() {
    this.last.sizeChanged();
  }

  show() {
    const { surface, state } = this.desk;
    surface.showRing(null, 0);
    surface.showPolygon([], this.points, this.desk.colourOf(state.value), { isOpen: true });
  }

  /** @param {OpenImage} image @param {Rgba} picture @param {Point[]} points */
  #fillFrom(image, picture, points) {
    const { surface, state } = this.desk;
    const { width, height } = picture;
    const [across, down] = [width / image.width, height / image.height];
    // What is labelled is a wall, except what the scribble itself lies on and the class that is painted.
    const open = new Uint8Array(256);
    open[NOT_LABELLED] = 1;
    open[state.value] = 1;
    for (const point of points) {
      const pixel = pixelOf(image, point);
      if (pixel) open[image.pixels[pixel.y * image.width + pixel.x]] = 1;
    }
    const over = state.over();
    if (over) for (let value = 0; value < 256; value++) open[value] &= over[value];
    const seen = surface.visible() ?? image.everything;
    const window = {
      x0: Math.floor(seen.x0 * across),
      y0: Math.floor(seen.y0 * down),
      x1: Math.min(width, Math.ceil(seen.x1 * across)),
      y1: Math.min(height, Math.ceil(seen.y1 * down)),
    };
    const { suggestion } = image;
    const sources = {
      ...picture,
      labels: sampledClosed(image.pixels, image, picture, open, window),
      suggestion: suggestion && sampled(suggestion, image, picture),
      uncertainty: this.desk.view()?.uncertainty ?? null,
    };
    const within = points.map(({ x, y }) => ({ x: x * across, y: y * down }));
    return new SmartFill(sources, within, { open, window });
  }
}
