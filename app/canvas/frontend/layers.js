// Offscreen canvases in image pixels: image, label, suggestion, uncertainty; and how they come on the screen.
// A view of the label map only: nothing is ever read back from here.

import { NOT_LABELLED, VOID } from './label_map.js';
import { colourTables } from './palette.js';
import { toScreen } from './viewport.js';

/** Share of the image's long side that one period of the suggestion's hatch takes. */
const HATCH_SHARE = 1 / 64;
/** Pixels coloured in one go; a few milliseconds. */
const BAND_PIXELS = 200_000;

/**
 * Coloured pixels of one image: `label` and `suggestion` are offscreen, as large as the image.
 * @typedef {{label: CanvasRenderingContext2D, suggestion: CanvasRenderingContext2D, tables: object}} Coloured
 */

export class Layers {
  constructor() {
    this.image = null;
    this.bitmap = null;
    this.uncertainty = null;
    this.tables = colourTables([]);
    /** @type {Coloured | null} */
    this.coloured = null;
  }

  setClasses(classes) {
    this.tables = colourTables(classes);
    if (this.image) this.render(this.image.everything);
  }

  /**
   * Show another image.
   * @param {import('./open_image.js').OpenImage | null} image
   * @param {ImageBitmap | null} bitmap
   * @param {HTMLCanvasElement | null} uncertainty
   * @param {Coloured | null} prepared by {@link prepare}, for the pixels that the image has now
   */
  show(image, bitmap, uncertainty, prepared = null) {
    this.image = image;
    this.bitmap = bitmap;
    this.uncertainty = uncertainty;
    this.coloured = null;
    if (!image) return;
    if (prepared?.tables === this.tables) {
      this.coloured = prepared;
      return;
    }
    this.coloured = this.#blank(image);
    for (const band of bandsOf(image.everything)) colour(image, band, this.coloured, true);
  }

  /**
   * Colour an image that is not on the screen yet, in small pieces while the browser is idle.
   * @param {{width: number, height: number, pixels: Uint8Array, suggestion: Uint8Array | null}} image
   * @returns {Promise<Coloured>}
   */
  async prepare(image) {
    const coloured = this.#blank(image);
    for (const band of bandsOf({ x0: 0, y0: 0, x1: image.width, y1: image.height })) {
      await idle();
      colour(image, band, coloured, true);
    }
    return coloured;
  }

  /** Turn the label map and the suggestion inside a rectangle into colours. */
  render(rectangle) {
    this.coloured.tables = this.tables;
    for (const band of bandsOf(rectangle)) colour(this.image, band, this.coloured, false);
  }

  #blank({ width, height }) {
    return { label: context2d(width, height), suggestion: context2d(width, height), tables: this.tables };
  }

  /**
   * Draw all visible layers.
   * @param {CanvasRenderingContext2D} context of the visible canvas
   * @param {import('./viewport.js').Viewport} viewport
   * @param {number} ratio device pixels per CSS pixel
   * @param {{label: number, suggestion: number, uncertainty: number}} opacity 0 hides a layer
   * @param {import('./rectangle.js').Rectangle | null} only image pixels to draw again; null for all
   */
  draw(context, viewport, ratio, opacity, only = null) {
    const { canvas } = context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.save();
    if (only) {
      const from = toScreen(viewport, only.x0, only.y0);
      const to = toScreen(viewport, only.x1, only.y1);
      // Smoothing reaches one pixel further than the pixels that changed.
      const around = Math.ceil(viewport.scale) + 1;
      const left = Math.floor((from.x - around) * ratio);
      const top = Math.floor((from.y - around) * ratio);
      context.beginPath();
      context.rect(left, top, Math.ceil((to.x + around) * ratio) - left, Math.ceil((to.y + around) * ratio) - top);
      context.clip();
    }
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.image) {
      const scale = viewport.scale * ratio;
      context.setTransform(scale, 0, 0, scale, viewport.x * ratio, viewport.y * ratio);
      const { width, height } = this.image;
      if (this.bitmap) {
        context.imageSmoothingEnabled = scale < 3;
        context.imageSmoothingQuality = 'medium';
        context.drawImage(this.bitmap, 0, 0, width, height);
      }
      context.imageSmoothingEnabled = scale < 1;
      context.imageSmoothingQuality = 'low';
      if (this.image.suggestion && opacity.suggestion > 0) {
        context.globalAlpha = opacity.suggestion;
        context.drawImage(this.coloured.suggestion.canvas, 0, 0);
      }
      if (opacity.label > 0) {
        context.globalAlpha = opacity.label;
        context.drawImage(this.coloured.label.canvas, 0, 0);
      }
      if (this.uncertainty && opacity.uncertainty > 0) {
        context.imageSmoothingEnabled = true;
        context.globalAlpha = opacity.uncertainty;
        context.drawImage(this.uncertainty, 0, 0, width, height);
      }
    }
    context.restore();
  }
}

/** A rectangle in pieces of a few hundred thousand pixels: small buffers stay in the processor's cache. */
function* bandsOf({ x0, y0, x1, y1 }) {
  const rows = Math.max(1, Math.floor(BAND_PIXELS / (x1 - x0)));
  for (let top = y0; top < y1; top += rows) yield { x0, y0: top, x1, y1: Math.min(y1, top + rows) };
}

/**
 * @param {boolean} isBlank nothing was drawn in the rectangle yet, so that empty pixels need no writing
 */
function colour({ pixels, suggestion, width: imageWidth, height: imageHeight }, rectangle, coloured, isBlank) {
  const { label, stripe, gap, voidLight } = coloured.tables;
  const width = rectangle.x1 - rectangle.x0;
  const height = rectangle.y1 - rectangle.y0;
  const labelData = coloured.label.createImageData(width, height);
  const labelOut = new Uint32Array(labelData.data.buffer);
  const suggestionData = suggestion && coloured.suggestion.createImageData(width, height);
  const suggestionOut = suggestionData && new Uint32Array(suggestionData.data.buffer);
  const half = halfHatch(imageWidth, imageHeight);
  let isLabelled = false;
  let out = 0;
  for (let y = rectangle.y0; y < rectangle.y1; y++) {
    const end = y * imageWidth + rectangle.x1;
    for (let at = y * imageWidth + rectangle.x0, place = rectangle.x0 + y; at < end; at++, out++, place++) {
      const value = pixels[at];
      if (value !== NOT_LABELLED) {
        labelOut[out] = value === VOID && place & half ? voidLight : label[value];
        isLabelled = true;
      } else if (suggestionOut) {
        suggestionOut[out] = (place & half ? stripe : gap)[suggestion[at]];
      }
    }
  }
  if (isLabelled || !isBlank) coloured.label.putImageData(labelData, rectangle.x0, rectangle.y0);
  if (suggestionData) coloured.suggestion.putImageData(suggestionData, rectangle.x0, rectangle.y0);
}

/** Half a period of the hatch in image pixels: a power of two, so that the place within it is one mask away. */
function halfHatch(width, height) {
  return 2 ** Math.max(1, Math.round(Math.log2(Math.max(width, height) * HATCH_SHARE)) - 1);
}

function idle() {
  return new Promise((resolve) => {
    if (globalThis.requestIdleCallback) requestIdleCallback(resolve, { timeout: 500 });
    else setTimeout(resolve, 4);
  });
}

function context2d(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext('2d');
}
