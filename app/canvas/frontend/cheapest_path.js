// Cheapest paths over a grid of costs from one node, found no further than they are asked for.

/** Straight steps cost 5 and diagonal ones 7 times the node stepped on: close to 1 : √2 in whole numbers. */
const STRAIGHT = 5;
const DIAGONAL = 7;

export class CheapestPaths {
  /**
   * @param {Uint8Array} costs of stepping on each node, at least 1, rows of `columns`
   * @param {number} columns
   * @param {number} start index of the node that all paths start from
   */
  constructor(costs, columns, start) {
    this.costs = costs;
    this.columns = columns;
    this.distances = new Int32Array(costs.length).fill(0x7fffffff);
    this.previous = new Int32Array(costs.length).fill(-1);
    this.isSettled = new Uint8Array(costs.length);
    let dearest = 1;
    for (let i = 0; i < costs.length; i++) if (costs[i] > dearest) dearest = costs[i];
    /** Nodes waiting, by distance; no wait is longer than one step, so a ring of lists is enough. */
    this.buckets = Array.from({ length: DIAGONAL * dearest + 1 }, () => []);
    this.waiting = 1;
    this.distance = 0;
    this.distances[start] = 0;
    this.buckets[0].push(start);
  }

  /**
   * @param {number} target index of a node
   * @returns {number[]} indices of the nodes from the start to the target, both included
   */
  to(target) {
    while (!this.isSettled[target] && this.waiting > 0) this.#settleNext();
    const path = [];
    for (let at = target; at >= 0; at = this.previous[at]) path.push(at);
    return path.reverse();
  }

  #settleNext() {
    const { buckets, distances, isSettled } = this;
    let bucket = buckets[this.distance % buckets.length];
    while (bucket.length === 0) bucket = buckets[++this.distance % buckets.length];
    const at = bucket.pop();
    this.waiting--;
    if (isSettled[at] || distances[at] !== this.distance) return;
    isSettled[at] = 1;
    const { columns } = this;
    const column = at % columns;
    const hasLeft = column > 0;
    const hasRight = column + 1 < columns;
    if (hasLeft) this.#reach(at, at - 1, STRAIGHT);
    if (hasRight) this.#reach(at, at + 1, STRAIGHT);
    if (at >= columns) {
      this.#reach(at, at - columns, STRAIGHT);
      if (hasLeft) this.#reach(at, at - columns - 1, DIAGONAL);
      if (hasRight) this.#reach(at, at - columns + 1, DIAGONAL);
    }
    if (at + columns < distances.length) {
      this.#reach(at, at + columns, STRAIGHT);
      if (hasLeft) this.#reach(at, at + columns - 1, DIAGONAL);
      if (hasRight) this.#reach(at, at + columns + 1, DIAGONAL);
    }
  }

  #reach(from, to, weight) {
    const distance = this.distance + weight * this.costs[to];
    if (distance >= this.distances[to]) return;
    this.distances[to] = distance;
    this.previous[to] = from;
    this.buckets[distance % this.buckets.length].push(to);
    this.waiting++;
  }
}
