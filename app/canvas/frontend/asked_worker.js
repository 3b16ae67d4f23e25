// A worker that answers questions, each by itself.

export class AskedWorker {
  /** The worker, once it is needed. @type {Worker | null} */
  #worker = null;
  /** What to do with the answer to each question. @type {Map<number, (answer: any) => void>} */
  #waiting = new Map();
  #asked = 0;
  #bytes = 0;

  /**
   * @param {() => Worker} start
   * @param {number} mostBytes a worker that was asked about so many is replaced when no question is left
   */
  constructor(start, mostBytes = Infinity) {
    this.start = start;
    this.mostBytes = mostBytes;
  }

  /**
   * @param {object} question sent with an `id`, which the worker's answer repeats
   * @param {number} bytes that the worker reads for it
   * @returns {Promise<any>} the answer; null when the worker failed, and the next question gets a new one. Of an
   *   answer with `hasMore` the `rest` is a promise of the next part.
   */
  ask(question, bytes = 0) {
    const worker = (this.#worker ??= this.#started());
    return new Promise((resolve) => {
      const id = this.#asked++;
      this.#waiting.set(id, resolve);
      this.#bytes += bytes;
      worker.postMessage({ id, ...question });
    });
  }

  #started() {
    this.#bytes = 0;
    const worker = this.start();
    worker.onmessage = ({ data }) => {
      const answer = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.hasMore) data.rest = new Promise((resolve) => this.#waiting.set(data.id, resolve));
      answer?.(data);
      if (this.#waiting.size === 0 && this.#bytes >= this.mostBytes) {
        worker.terminate();
        // A new one at once, so that the next question does not wait for it.
        this.#worker = this.#started();
      }
    };
    worker.onerror = () => {
      this.#worker = null;
      for (const resolve of this.#waiting.values()) resolve(null);
      this.#waiting.clear();
    };
    return worker;
  }
}
