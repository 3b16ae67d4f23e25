// As much of the Web Locks API as tells which pages are open, in memory.

/** @returns {{request: Function, release: (own: string) => void}} `release` closes the page that holds a lock */
export function fakeLocks() {
  const held = new Set();
  const waiting = new Map();
  const take = async (name, work) => {
    held.add(name);
    await work();
    held.delete(name);
  };
  return {
    request(name, options, work = options) {
      if (!held.has(name)) return take(name, work).then(() => false);
      return new Promise((resolve, reject) => {
        waiting.set(name, () => resolve(false));
        options.signal?.addEventListener('abort', () => reject(options.signal.reason));
      });
    },
    release(own) {
      const name = `qualm page ${own}`;
      held.delete(name);
      waiting.get(name)?.();
    },
  };
}
