// Cheapest paths over a grid of costs from some nodes, found no further than they are asked for.

/** Straight steps cost 5 and diagonal ones 7 times the node stepped on: close to 1 : √2 in whole numbers. */
const STRAIGHT = 5;
const DIAGONAL = 7;
export const UNREACHED = 0x7fffffff;

export class CheapestPaths {
  /**
   * @param {Uint8Array} costs of stepping on each node, rows of `columns`; no path crosses nodes of cost 0
   * @param {number} columns
   * @param {Iterable<number>} starts indices of the nodes that paths start from
   */
  constructor(costs, columns, starts) {
    this.costs = costs;
    this.columns = columns;
    /** Costs of the way to each settled node; UNREACHED or an upper bound for others. */
    this.distances = new Int32Array(costs.length).fill(UNREACHED);
    this.previous = new Int32Array(costs.length).fill(-1);
    this.isSettled = new Uint8Array(costs.length);
    let dearest = 1;
    for (let i = 0; i < costs.length; i++) if (costs[i] > dearest) dearest = costs[i];
    /** Nodes waiting, by distance; no wait is longer than one step, so a ring of lists is enough. */
    this.buckets = Array.from({ length: DIAGONAL * dearest + 1 }, () => []);
    this.waiting = 0;
    this.distance = 0;
    for (const start of starts) {
      this.distances[start] = 0;
      this.buckets[0].push(start);
      this.waiting++;
    }
  }

  /**
   * @param {number} target index of a node
   * @returns {number[]} indices of the nodes from a start to the target, both included
   */
  to(target) {
    while (!this.isSettled[target] && this.waiting > 0) this.#settleNext();
    const path = [];
    for (let at = target; at >= 0; at = this.previous[at]) path.push(at);
    return path.reverse();
  }

  /** Find the distances of all nodes that can be reached. */
  settleAll() {
    while (this.waiting > 0) this.#settleNext();
  }

  #settleNext() {
    const { buckets, costs, distances, isSettled } = this;
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
    for (const step of [-columns, columns]) {
      const beside = at + step;
      if (beside < 0 || beside >= costs.length) continue;
      this.#reach(at, beside, STRAIGHT);
      // Two barred nodes that touch by their corners let nothing through between them.
      if (hasLeft && (costs[beside] || costs[at - 1])) this.#reach(at, beside - 1, DIAGONAL);
      if (hasRight && (costs[beside] || costs[at + 1])) this.#reach(at, beside + 1, DIAGONAL);
    }
  }

  #reach(from, to, weight) {
    const cost = this.costs[to];
    const distance = this.distance + weight * cost;
    if (cost === 0 || distance >= this.distances[to]) return;
    this.distances[to] = distance;
    this.previous[to] = from;
    this.buckets[distance % this.buckets.length].push(to);
    this.waiting++;
  }
}
