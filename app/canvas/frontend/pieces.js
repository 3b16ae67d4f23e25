// Parts of an image that lie side by side on the canvas.

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {{scale: number, x: number, y: number}} Place of the image on the canvas, in the canvas's own pixels */
/** @typedef {{x: number, y: number, width: number, height: number}} From pixels of a bitmap */

/**
 * What of which bitmap stands for which image pixels.
 * @typedef {object} Piece
 * @property {string} key the same for the same part
 * @property {ImageBitmap} bitmap
 * @property {From} from
 * @property {Rectangle} box image pixels
 */

/**
 * Draw a part of a bitmap where its image pixels lie. Its edges go to whole pixels of the canvas, so that no
 * seam shows between neighbours.
 * @param {CanvasRenderingContext2D} context
 * @param {CanvasImageSource} bitmap
 * @param {From} from
 * @param {Rectangle} box image pixels
 * @param {Place} place
 */
export function drawPiece(context, bitmap, from, box, place) {
  const left = Math.round(box.x0 * place.scale + place.x);
  const top = Math.round(box.y0 * place.scale + place.y);
  const width = Math.round(box.x1 * place.scale + place.x) - left;
  const height = Math.round(box.y1 * place.scale + place.y) - top;
  if (width < 1 || height < 1) return;
  context.drawImage(bitmap, from.x, from.y, from.width, from.height, left, top, width, height);
}

/** Where a box lies in a bitmap that shows `whole` at one pixel for `reduction` image pixels. @returns {From} */
export function fromOf(box, whole, reduction) {
  return {
    x: (box.x0 - whole.x0) / reduction,
    y: (box.y0 - whole.y0) / reduction,
    width: (box.x1 - box.x0) / reduction,
    height: (box.y1 - box.y0) / reduction,
  };
}
