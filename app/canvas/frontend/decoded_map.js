// A label map from the wire, decoded where it does not hold up the painting.

import { AskedWorker } from './asked_worker.js';
import { decode } from './run_length.js';

/** Smaller maps are decoded in a millisecond or two, sooner than a worker would answer. */
const WORKER_FROM_PIXELS = 1_500_000;

const decoder = new AskedWorker(
  () => new Worker(new URL('./run_length_worker.js', import.meta.url), { type: 'module' }),
);

/**
 * @param {ArrayBuffer} buffer run-length bytes
 * @param {number} size number of pixels the image has
 * @returns {Promise<Uint8Array>} rejected with a RangeError when the bytes do not describe exactly `size` pixels
 */
export async function decodedMap(buffer, size) {
  const bytes = new Uint8Array(buffer);
  if (size < WORKER_FROM_PIXELS || !globalThis.Worker) return decode(bytes, size);
  const answer = await decoder.ask({ bytes, size });
  // Slower here, but there.
  if (!answer) return decode(bytes, size);
  if (!answer.pixels) throw new RangeError(answer.message);
  return answer.pixels;
}
