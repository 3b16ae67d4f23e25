// Label maps on the wire: [u32 LE n][n values][n LEB128 run lengths], row by row.
// storage/formats/run_length.py speaks the same; tests/golden/run_length.json holds both to the same bytes.

/** Where runs are put together; grown to the largest map encoded so far. */
let scratch = { values: new Uint8Array(0), lengths: new Uint8Array(0) };

/**
 * Run-length bytes of a label map; equal maps give equal bytes.
 * @param {Uint8Array} values class indices, row by row
 * @returns {Uint8Array}
 */
export function encode(values) {
  const size = values.length;
  const isAligned = values.byteOffset % 4 === 0;
  // Most runs are long, and four pixels are compared at once.
  const words = new Uint32Array(values.buffer, isAligned ? values.byteOffset : 0, isAligned ? size >> 2 : 0);
  if (scratch.values.length < size) scratch = { values: new Uint8Array(size), lengths: new Uint8Array(size) };
  const { values: runValues, lengths } = scratch;
  let runs = 0;
  let lengthAt = 0;
  for (let start = 0; start < size; ) {
    const value = values[start];
    let end = start + 1;
    while (end < size && (end & 3) !== 0 && values[end] === value) end++;
    if ((end & 3) === 0) {
      const word = Math.imul(value, 0x01010101) >>> 0;
      let at = end >> 2;
      while (at < words.length && words[at] === word) at++;
      end = Math.max(end, at << 2);
    }
    while (end < size && values[end] === value) end++;
    runValues[runs++] = value;
    let length = end - start;
    while (length > 0x7f) {
      lengths[lengthAt++] = (length & 0x7f) | 0x80;
      length >>>= 7;
    }
    lengths[lengthAt++] = length;
    start = end;
  }
  return withHeader(runs, [runValues.subarray(0, runs)], [lengths.subarray(0, lengthAt)]);
}

/**
 * Run-length bytes of a map whose parts were encoded one by one. Runs are not joined where parts meet.
 * @param {Uint8Array[]} parts as `encode` gives them, in their order
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function join(parts) {
  const counts = parts.map((part) => new DataView(part.buffer, part.byteOffset).getUint32(0, true));
  return withHeader(
    counts.reduce((sum, count) => sum + count, 0),
    parts.map((part, i) => part.subarray(4, 4 + counts[i])),
    parts.map((part, i) => part.subarray(4 + counts[i])),
  );
}

function withHeader(runs, ...pieces) {
  const all = pieces.flat();
  const out = new Uint8Array(all.reduce((sum, piece) => sum + piece.length, 4));
  new DataView(out.buffer).setUint32(0, runs, true);
  let at = 4;
  for (const piece of all) {
    out.set(piece, at);
    at += piece.length;
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
