// The magnet of the polygon: leads its line along the edges of the picture.

import { snappedPoint } from './edge_map.js';
import { LiveWire, simplified } from './live_wire.js';

const SNAP_PX = 6;

/** @typedef {{x: number, y: number}} Point in pixels of the image */

export class Magnet {
  /**
   * @param {import('./image_pixels.js').ImagePixels} pixels
   * @param {() => {width: number, height: number} | null} image whose coordinates points are in
   */
  constructor(pixels, image) {
    this.pixels = pixels;
    this.image = image;
    this.forget();
  }

  /** Another image is on the screen. */
  forget() {
    /** @type {LiveWire | null} */
    this.wire = null;
    /** @type {Point | null} */
    this.start = null;
  }

  /** @param {Point} from @param {Point} to @returns {Point[]} along edges, both ends included */
  path(from, to) {
    const picture = this.pixels.read();
    const image = this.image();
    if (!picture || !image) return [from, to];
    const [across, down] = [picture.width / image.width, picture.height / image.height];
    if (!this.wire || this.start?.x !== from.x || this.start?.y !== from.y) {
      this.start = { ...from };
      this.wire = new LiveWire(picture, { x: from.x * across, y: from.y * down });
    }
    const path = this.wire.pathTo({ x: to.x * across, y: to.y * down });
    return path.map(({ x, y }) => ({ x: x / across, y: y / down }));
  }

  /** The path with few corners. @param {number} tolerance in pixels of the image */
  corners(from, to, tolerance) {
    return simplified(this.path(from, this.snapped(to)), tolerance);
  }

  /** The strongest edge near a point. @param {Point} point @returns {Point} */
  snapped(point) {
    const picture = this.pixels.read();
    const image = this.image();
    if (!picture || !image) return point;
    const [across, down] = [picture.width / image.width, picture.height / image.height];
    const { x, y } = snappedPoint(picture, { x: point.x * across, y: point.y * down }, SNAP_PX);
    return { x: x / across, y: y / down };
  }
}
