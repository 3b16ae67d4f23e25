// Label maps on the wire: [u32 LE n][n values][n LEB128 run lengths], row by row.
// storage/formats/run_length.py speaks the same; tests/golden/run_length.json holds both to the same bytes.

/**
 * Run-length bytes of a label map; equal maps give equal bytes.
 * @param {Uint8Array} values class indices, row by row
 * @returns {Uint8Array}
 */
export function encode(values) {
  const size = values.length;
  let runs = 0;
  let lengthBytes = 0;
  for (let start = 0; start < size; ) {
    let end = start + 1;
    const value = values[start];
    while (end < size && values[end] === value) end++;
    lengthBytes += bytesOfLength(end - start);
    runs++;
    start = end;
  }
  const out = new Uint8Array(4 + runs + lengthBytes);
  new DataView(out.buffer).setUint32(0, runs, true);
  let valueAt = 4;
  let lengthAt = 4 + runs;
  for (let start = 0; start < size; ) {
    let end = start + 1;
    const value = values[start];
    while (end < size && values[end] === value) end++;
    out[valueAt++] = value;
    let length = end - start;
    while (length > 0x7f) {
      out[lengthAt++] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    out[lengthAt++] = length;
    start = end;
  }
  return out;
}

/**
 * The values behind run-length bytes.
 * @param {Uint8Array} bytes
 * @param {number} size number of pixels the image has
 * @returns {Uint8Array}
 * @throws {RangeError} when the bytes do not describe exactly `size` pixels
 */
export function decode(bytes, size) {
  const fail = () => new RangeError(`The label map received does not describe the ${size} pixels of the image.`);
  if (bytes.length < 4) throw fail();
  const runs = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (runs > size || bytes.length < 4 + 2 * runs) throw fail();
  const values = new Uint8Array(size);
  let at = 0;
  let lengthAt = 4 + runs;
  for (let run = 0; run < runs; run++) {
    let length = 0;
    let factor = 1;
    let byte;
    do {
      if (lengthAt >= bytes.length || factor > 2 ** 28) throw fail();
      byte = bytes[lengthAt++];
      length += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte > 0x7f);
    if (length === 0 || at + length > size) throw fail();
    values.fill(bytes[4 + run], at, at + length);
    at += length;
  }
  if (at !== size || lengthAt !== bytes.length) throw fail();
  return values;
}

function bytesOfLength(length) {
  let bytes = 1;
  while (length > 0x7f) {
    length >>>= 7;
    bytes++;
  }
  return bytes;
}
