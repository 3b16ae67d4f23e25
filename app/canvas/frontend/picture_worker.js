// Decodes an image file and halves it again and again, away from the page's thread: for 12 Mpx that is some
// hundred milliseconds, and the first draw of a reduced image then costs no more than its pixels on the screen.

import { given } from './given.js';

const SMALLEST_PIXELS = 300_000;

self.onmessage = async ({ data: { id, blob } }) => {
  try {
    let last = await createImageBitmap(blob, { imageOrientation: 'none' });
    const levels = [last];
    while (last.width * last.height > SMALLEST_PIXELS) {
      last = halved(last);
      levels.push(last);
    }
    self.postMessage({ id, levels }, { transfer: levels });
  } catch {
    self.postMessage({ id, levels: null });
  }
};

/** @param {ImageBitmap} bitmap */
function halved(bitmap) {
  const canvas = new OffscreenCanvas(Math.ceil(bitmap.width / 2), Math.ceil(bitmap.height / 2));
  const context = given(canvas.getContext('2d'));
  // At exactly one half, linear interpolation is the mean of the four pixels.
  context.imageSmoothingQuality = 'low';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.transferToImageBitmap();
}
