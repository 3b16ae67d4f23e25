// The bytes of an answer, taken in pieces while the rest is still under way. No DOM.

export class ArrivingBytes {
  /** @param {ReadableStream<Uint8Array>} stream */
  constructor(stream) {
    this.reader = stream.getReader();
    /** What arrived and was not taken. @type {Uint8Array[]} */
    this.chunks = [];
    this.waiting = 0;
  }

  /**
   * The next bytes, once they are all here. To be asked for one after the other.
   * @param {number} count
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   * @throws {Error} the answer ended before, or was cut
   */
  async take(count) {
    while (this.waiting < count) {
      const { done, value } = await this.reader.read();
      if (done) throw new Error('The answer ended early.');
      this.chunks.push(value);
      this.waiting += value.length;
    }
    const taken = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const piece = this.chunks[0].subarray(0, count - filled);
      taken.set(piece, filled);
      filled += piece.length;
      if (piece.length === this.chunks[0].length) this.chunks.shift();
      else this.chunks[0] = this.chunks[0].subarray(piece.length);
    }
    this.waiting -= count;
    return taken;
  }

  /** The next bytes, before which their number comes. */
  async takeCounted() {
    return this.take(new DataView((await this.take(4)).buffer).getUint32(0, true));
  }
}
