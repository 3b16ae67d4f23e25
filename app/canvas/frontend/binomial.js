// The smallest smoothing: single noisy values are levelled, and edges stay where they are.

/**
 * Values under a 3 × 3 binomial; at the border the outermost ones count double.
 * @param {Float32Array} values rows of `width`
 * @param {number} width
 * @param {number} height
 * @returns {Float32Array}
 */
export function binomial(values, width, height) {
  const across = new Float32Array(values.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const before = x > 0 ? values[i - 1] : values[i];
      const after = x + 1 < width ? values[i + 1] : values[i];
      across[i] = 0.25 * (before + after) + 0.5 * values[i];
    }
  }
  const out = new Float32Array(values.length);
  for (let y = 0, i = 0; y < height; y++) {
    const up = y > 0 ? -width : 0;
    const down = y + 1 < height ? width : 0;
    for (let x = 0; x < width; x++, i++) out[i] = 0.25 * (across[i + up] + across[i + down]) + 0.5 * across[i];
  }
  return out;
}
