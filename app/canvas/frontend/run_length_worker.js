// Decodes label maps away from the page's thread.

import { decode } from './run_length.js';
import { reasonOf } from './wording.js';

self.onmessage = ({ data: { id, bytes, size } }) => {
  try {
    const pixels = decode(bytes, size);
    self.postMessage({ id, pixels }, { transfer: [pixels.buffer] });
  } catch (error) {
    self.postMessage({ id, message: reasonOf(error) });
  }
};
