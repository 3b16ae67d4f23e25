// The uncertainty map in heat colours, at its own resolution.

import { given } from './given.js';
import { heatTable } from './palette.js';

/**
 * @param {{width: number, height: number, values: Uint8Array}} uncertainty
 * @returns {HTMLCanvasElement}
 */
export function heatOf({ width, height, values }) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = given(canvas.getContext('2d'));
  const picture = context.createImageData(width, height);
  const pixels = new Uint32Array(picture.data.buffer);
  const heat = heatTable();
  for (let i = 0; i < values.length; i++) pixels[i] = heat[values[i]];
  context.putImageData(picture, 0, 0);
  return canvas;
}
