// Decodes an image file and halves it again and again, away from the page's thread: for 12 Mpx that is some
// hundred milliseconds, and the first draw of a reduced image then costs no more than its pixels on the screen.

const SMALLEST_PIXELS = 300_000;

self.onmessage = async ({ data: { id, blob } }) => {
  try {
    const levels = [await createImageBitmap(blob, { imageOrientation: 'none' })];
    for (let last = levels[0]; last.width * last.height > SMALLEST_PIXELS; last = levels.at(-1)) levels.push(halved(last));
    self.postMessage({ id, levels }, { transfer: levels });
  } catch {
    self.postMessage({ id, levels: null });
  }
};

function halved(bitmap) {
  const canvas = new OffscreenCanvas(Math.ceil(bitmap.width / 2), Math.ceil(bitmap.height / 2));
  const context = canvas.getContext('2d');
  // At exactly one half, linear interpolation is the mean of the four pixels.
  context.imageSmoothingQuality = 'low';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.transferToImageBitmap();
}
