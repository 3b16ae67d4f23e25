// Cheapest paths over a grid of costs from some nodes, found no further than they are asked for.

/** Straight steps cost 5 and diagonal ones 7 times the node stepped on: close to 1 : √2 in whole numbers. */
const STRAIGHT = 5;
const DIAGONAL = 7;
export const UNREACHED = 0x7fffffff;
const NO_TARGET = -1;

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
    /**
     * Nodes waiting, by distance; no wait is longer than one step, so a ring of lists is enough.
     * @type {number[][]}
     */
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
    this.#settle(target);
    const path = [];
    for (let at = target; at >= 0; at = this.previous[at]) path.push(at);
    return path.reverse();
  }

  /** Find the distances of all nodes that can be reached. */
  settleAll() {
    this.#settle(NO_TARGET);
  }

  #settle(target) {
    // One loop over local variables: called for each node, methods and fields would take half of the time.
    const { buckets, columns, costs, distances, isSettled, previous } = this;
    const ring = buckets.length;
    const sideways = [-1, 1, 0, 0, -1, 1, -1, 1];
    const steps = [-1, 1, -columns, columns, -columns - 1, -columns + 1, columns - 1, columns + 1];
    let { waiting, distance } = this;
    while (waiting > 0 && !(target >= 0 && isSettled[target])) {
      let bucket = buckets[distance % ring];
      while (bucket.length === 0) bucket = buckets[++distance % ring];
      const at = /** @type {number} */ (bucket.pop());
      waiting--;
      if (isSettled[at]) continue;
      isSettled[at] = 1;
      const column = at % columns;
      for (let k = 0; k < 8; k++) {
        const aside = sideways[k];
        if ((aside < 0 && column === 0) || (aside > 0 && column === columns - 1)) continue;
        const to = at + steps[k];
        if (to < 0 || to >= costs.length) continue;
        const cost = costs[to];
        const reached = distance + (k < 4 ? STRAIGHT : DIAGONAL) * cost;
        if (cost === 0 || reached >= distances[to]) continue;
        // Two barred nodes that touch by their corners let nothing through between them.
        if (k >= 4 && costs[at + aside] === 0 && costs[to - aside] === 0) continue;
        distances[to] = reached;
        previous[to] = at;
        buckets[reached % ring].push(to);
        waiting++;
      }
    }
    this.waiting = waiting;
    this.distance = distance;
  }
}
