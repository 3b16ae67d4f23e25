// Decodes an image file and halves it again and again, away from the page's thread: for 12 Mpx that is some
// hundred milliseconds, and the first draw of a reduced image then costs no more than its pixels on the screen.

import { given } from './given.js';

const SMALLEST_PIXELS = 300_000;
/** An image up to this size is drawn from itself as soon as from a half, and goes ahead of its halves. */
const MOST_AHEAD_PIXELS = 4_000_000;

self.onmessage = async ({ data: { id, blob } }) => {
  try {
    const full = await createImageBitmap(blob, { imageOrientation: 'none' });
    const pixels = full.width * full.height;
    // Drawn before it goes: to keep a second handle on the full size would have the browser copy its pixels.
    const half = pixels > SMALLEST_PIXELS ? halved(full) : null;
    const goesAhead = half !== null && pixels <= MOST_AHEAD_PIXELS;
    if (goesAhead) self.postMessage({ id, levels: [full], hasMore: true }, { transfer: [full] });
    const levels = goesAhead ? [] : [full];
    for (let next = half; next !== null; ) {
      const bitmap = next.transferToImageBitmap();
      levels.push(bitmap);
      next = bitmap.width * bitmap.height > SMALLEST_PIXELS ? halved(bitmap) : null;
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
  return canvas;
}
