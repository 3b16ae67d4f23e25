// A label map from the wire, decoded where it does not hold up the painting.

import { decode } from './run_length.js';

/** Smaller maps are decoded in a millisecond or two, sooner than a worker would answer. */
const WORKER_FROM_PIXELS = 1_500_000;

/** @type {Worker | null} */
let worker = null;
/** @type {Map<number, {bytes: Uint8Array, size: number, resolve: (pixels: Uint8Array | Promise<Uint8Array>) => void,
 *   reject: (error: Error) => void}>} */
const waiting = new Map();
let asked = 0;

/**
 * @param {ArrayBuffer} buffer run-length bytes
 * @param {number} size number of pixels the image has
 * @returns {Promise<Uint8Array>} rejected with a RangeError when the bytes do not describe exactly `size` pixels
 */
export async function decodedMap(buffer, size) {
  const bytes = new Uint8Array(buffer);
  if (size < WORKER_FROM_PIXELS || !globalThis.Worker) return decode(bytes, size);
  worker ??= newWorker();
  return new Promise((resolve, reject) => {
    const id = asked++;
    waiting.set(id, { bytes, size, resolve, reject });
    worker?.postMessage({ id, bytes, size });
  });
}

function newWorker() {
  const made = new Worker(new URL('./run_length_worker.js', import.meta.url), { type: 'module' });
  made.onmessage = ({ data: { id, pixels, message } }) => {
    const asker = waiting.get(id);
    waiting.delete(id);
    if (pixels) asker?.resolve(pixels);
    else asker?.reject(new RangeError(message));
  };
  made.onerror = () => {
    // Slower here, but there.
    for (const { bytes, size, resolve } of waiting.values()) resolve(Promise.resolve().then(() => decode(bytes, size)));
    waiting.clear();
    worker = null;
  };
  return made;
}
