// Straight lines between two points.

/** @typedef {{x: number, y: number}} Point */

/**
 * How far a point is from the nearest point of a segment.
 * @param {Point} point
 * @param {Point} from
 * @param {Point} to the same point as `from` makes it a distance between two points
 */
export function distanceToSegment(point, from, to) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const along = ((point.x - from.x) * dx + (point.y - from.y) * dy) / (dx * dx + dy * dy || 1);
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(point.x - from.x - share * dx, point.y - from.y - share * dy);
}
