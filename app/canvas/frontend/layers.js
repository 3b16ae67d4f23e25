// Offscreen canvases in image pixels: image, label, suggestion, uncertainty; and how they come on the screen.
// A view of the label map only: nothing is ever read back from here.

import { NOT_LABELLED, VOID } from './label_map.js';
import { colourTables } from './palette.js';
import { toScreen } from './viewport.js';

/** Share of the image's long side that one period of the suggestion's hatch takes. */
const HATCH_SHARE = 1 / 64;

export class Layers {
  constructor() {
    this.label = context2d();
    this.suggestion = context2d();
    this.image = null;
    this.bitmap = null;
    this.uncertainty = null;
    this.tables = colourTables([]);
    this.hatch = 8;
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
   */
  show(image, bitmap, uncertainty) {
    this.image = image;
    this.bitmap = bitmap;
    this.uncertainty = uncertainty;
    if (!image) return;
    for (const { canvas } of [this.label, this.suggestion]) {
      canvas.width = image.width;
      canvas.height = image.height;
    }
    // A power of two, so that the place within the hatch is one mask away.
    this.hatch = 2 ** Math.max(2, Math.round(Math.log2(Math.max(image.width, image.height) * HATCH_SHARE)));
    this.render(image.everything);
  }

  /** Turn the label map and the suggestion inside a rectangle into colours. */
  render(rectangle) {
    const { pixels, suggestion, width: imageWidth } = this.image;
    const { label, stripe, gap, voidLight } = this.tables;
    const width = rectangle.x1 - rectangle.x0;
    const height = rectangle.y1 - rectangle.y0;
    const labelData = this.label.createImageData(width, height);
    const labelOut = new Uint32Array(labelData.data.buffer);
    const suggestionData = suggestion && this.suggestion.createImageData(width, height);
    const suggestionOut = suggestionData && new Uint32Array(suggestionData.data.buffer);
    const half = this.hatch / 2;
    for (let y = rectangle.y0, out = 0; y < rectangle.y1; y++) {
      const row = y * imageWidth;
      for (let x = rectangle.x0; x < rectangle.x1; x++, out++) {
        const value = pixels[row + x];
        if (value !== NOT_LABELLED) {
          labelOut[out] = value === VOID && (x + y) & half ? voidLight : label[value];
        } else if (suggestionOut) {
          suggestionOut[out] = ((x + y) & half ? stripe : gap)[suggestion[row + x]];
        }
      }
    }
    this.label.putImageData(labelData, rectangle.x0, rectangle.y0);
    if (suggestionData) this.suggestion.putImageData(suggestionData, rectangle.x0, rectangle.y0);
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
        context.drawImage(this.suggestion.canvas, 0, 0);
      }
      if (opacity.label > 0) {
        context.globalAlpha = opacity.label;
        context.drawImage(this.label.canvas, 0, 0);
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

function context2d() {
  return document.createElement('canvas').getContext('2d');
}
