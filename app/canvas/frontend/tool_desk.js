// What all tools share: the image on the screen, the paint, the picture's colours, the magnet, the superpixels.

import { rehearseFill } from './flood_fill.js';
import { ImagePixels } from './image_pixels.js';
import { Magnet } from './magnet.js';
import { SuperpixelShelf } from './superpixel_shelf.js';

/** @typedef {import('./types.js').Point} Point */

/** Tools that look at the picture's colours. */
const COLOUR_TOOLS = new Set(['flood', 'smart']);

export class ToolDesk {
  /**
   * @param {object} parts
   * @param {import('./surface.js').Surface} parts.surface
   * @param {import('./layers.js').Layers} parts.layers
   * @param {import('./editor_state.js').EditorState} parts.state
   * @param {import('./transport.js').Transport} parts.transport
   * @param {import('./session.js').LabelSession} parts.session
   * @param {(value: number) => string} parts.colourOf
   * @param {(value: number) => string} parts.nameOf
   * @param {() => void} parts.arrived what a tool waited for is here
   * @param {import('./types.js').Notice} parts.notice
   */
  constructor({ surface, layers, state, transport, session, colourOf, nameOf, arrived, notice }) {
    this.surface = surface;
    this.layers = layers;
    this.state = state;
    this.session = session;
    this.colourOf = colourOf;
    this.nameOf = nameOf;
    this.notice = notice;
    this.pixels = new ImagePixels();
    this.magnet = new Magnet(this.pixels, () => this.image);
    this.superpixels = new SuperpixelShelf(transport, notice, arrived);
    /** A fill was rehearsed: what was compiled for it stays. */
    this.hasRehearsed = false;
    /** Where the last stroke ended, for the straight line that Shift draws from there. @type {Point | null} */
    this.lastEnd = null;
  }

  view() {
    return this.session.view;
  }

  get image() {
    return this.session.image;
  }

  /** An action is complete. @param {import('./open_image.js').OpenImage} [image] one that was on the screen before */
  edited(image) {
    this.session.edited(image);
  }

  /** @param {number} imageId @returns {import('./open_image.js').OpenImage | null} it, if the server has not all of it */
  unsavedImage(imageId) {
    return this.session.autosave.unsavedImage(imageId);
  }

  paint() {
    return this.state.paint();
  }

  /** Another image is on the screen, or none. */
  imageChanged() {
    this.pictureChanged();
    this.lastEnd = null;
    this.preview(null);
  }

  /** The image is shown in another view of its values: edges and colours are those that the person sees. */
  pictureChanged() {
    this.pixels.show(this.view()?.picture.overview.levels[0] ?? null);
    this.magnet.forget();
    this.readAhead();
  }

  /** Get what the tool in use will look at: superpixels, or the picture's colours, read while nobody waits. */
  readAhead() {
    const { tool, magnet, superpixels } = this.state;
    if (tool === 'superpixel' && this.image) this.superpixels.prefetch(this.image.item, superpixels);
    if (!COLOUR_TOOLS.has(tool) && !(magnet && tool === 'polygon')) return;
    whenIdle(() => {
      const picture = this.pixels.read();
      if (tool !== 'flood' || !picture || this.hasRehearsed) return;
      this.hasRehearsed = true;
      whenIdle(() => rehearseFill(picture, this.state.tolerance));
    });
  }

  /** Show what a click would paint; null takes it away. @param {import('./region.js').Region | null} region */
  preview(region) {
    this.surface.showPreview(region, this.colourOf(this.state.value));
  }
}

/**
 * The pixel under a point, or null outside the image.
 * @param {{width: number, height: number} | null} image
 * @param {Point | null} point
 * @returns {Point | null}
 */
export function pixelOf(image, point) {
  if (!image || !point) return null;
  const pixel = { x: Math.floor(point.x), y: Math.floor(point.y) };
  const inside = pixel.x >= 0 && pixel.y >= 0 && pixel.x < image.width && pixel.y < image.height;
  return inside ? pixel : null;
}

/** @param {() => void} act */
function whenIdle(act) {
  // Safari has no idle callbacks.
  if (typeof requestIdleCallback === 'function') requestIdleCallback(act, { timeout: 1000 });
  else setTimeout(act, 50);
}
