// DOM elements in one expression, and the icons.

/**
 * `on…` are listeners, true sets an empty attribute, false and null none.
 * @typedef {Record<string, string | number | boolean | null | undefined | Function> &
 *   Partial<GlobalEventHandlers>} Attributes
 */
/** @typedef {Node | string | null} Child */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export function h(tag, attributes = {}, ...children) {
  return furnished(document.createElement(tag), attributes, children);
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export function svg(tag, attributes = {}, ...children) {
  return furnished(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

/**
 * @template {HTMLElement | SVGElement} E
 * @param {E} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function furnished(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Change a text only when it differs, so that nothing is laid out for nothing.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const PATHS = {
  brush: 'M16.5 3.5a2 2 0 0 0-2.8 0L8 9.2l2.8 2.8 5.7-5.7a2 2 0 0 0 0-2.8zM6.9 10.6c-1.7 0-2.7 1.2-2.9 2.7-.1 1-.6 1.7-1.5 2.2 2.9 1.4 6.9.7 7.2-2.1',
  eraser: 'M8 16.5h9M11.2 4 4 11.2a1.5 1.5 0 0 0 0 2.1l3.2 3.2h2.6l6.4-6.4a1.5 1.5 0 0 0 0-2.1l-2.9-4a1.5 1.5 0 0 0-2.1 0zM7.6 7.6l5.2 5.2',
  polygon: 'M4 7.5 10.5 3l6 5.5-2.5 8H6.5z',
  accept: 'M10 2.8a7.2 7.2 0 1 0 0 14.4 7.2 7.2 0 0 0 0-14.4zM6.8 10.2l2.3 2.3 4.2-4.6',
  undo: 'M7 4 3.5 7.5 7 11M4 7.5h7.5a4.5 4.5 0 0 1 0 9H8',
  redo: 'M13 4l3.5 3.5L13 11M16 7.5H8.5a4.5 4.5 0 0 0 0 9H12',
  fit: 'M3.5 7.5v-4h4M12.5 3.5h4v4M16.5 12.5v4h-4M7.5 16.5h-4v-4',
  eye: 'M1.8 10S4.8 4.5 10 4.5 18.2 10 18.2 10 15.2 15.5 10 15.5 1.8 10 1.8 10zM10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z',
  hidden: 'M3 3l14 14M8 4.7A8 8 0 0 1 10 4.5c5.2 0 8.2 5.5 8.2 5.5a14 14 0 0 1-2.6 3.2M5.2 6A13 13 0 0 0 1.8 10s3 5.5 8.2 5.5a8 8 0 0 0 3.6-.9',
  back: 'M12 4.5 6.5 10l5.5 5.5',
  keys: 'M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M7 11.5h6',
  rectangle: 'M3.5 5h13v10h-13z',
  line: 'M3 15.5c2.5-5 4 .5 6.5-4.5S14 8 17 4',
  superpixel: 'M3 6.5 8 3l3.5 3.5L10 11l-5 1zM11.5 6.5 16 4.5l1.5 5-4 3.5-3.5-2zM5 12l5-1 3.5 2-1 4-5 .5z',
  smart: 'M4 16.5 12.5 8M11 6.5 14 9.5M14.5 2.5v3M13 4h3M17.5 8v2.4M16.3 9.2h2.4M9 3v2M8 4h2',
  region: 'M3 10c0-4 3-7 7-6.5S17.5 6 17 9.5s-4 2-5 4-3 3.5-5.5 2.5S3 13 3 10zM8 9.5h4M10 7.5v4',
  adjust: 'M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4',
  find: 'M8.5 3.5a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM12.3 12.3 17 17',
  lock: 'M5.5 9h9v7.5h-9zM7.5 9V6.5a2.5 2.5 0 0 1 5 0V9',
  unlocked: 'M5.5 9h9v7.5h-9zM7.5 9V6a2.5 2.5 0 0 1 4.9-.7',
  difference: 'M10 3v14M3.5 5.5h13v9h-13zM12.5 8h2M12.5 10h2M12.5 12h2',
  outlines: 'M4 4h12v12H4zM7.5 7.5h5v5h-5z',
  patterns: 'M4 4h12v12H4zM4 10l6-6M4 16 16 4M10 16l6-6',
  dimmed: 'M10 3.5a6.5 6.5 0 1 0 0 13zM10 3.5a6.5 6.5 0 0 1 0 13',
  flood: 'M9.5 3 4 8.5a1.5 1.5 0 0 0 0 2.1l4.4 4.4a1.5 1.5 0 0 0 2.1 0L16 9.5zM3.7 9.5H16M17.5 13.5s-1.3 1.7-1.3 2.5a1.3 1.3 0 0 0 2.6 0c0-.8-1.3-2.5-1.3-2.5z',
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export function icon(name) {
  return svg(
    'svg',
    { viewBox: '0 0 20 20', width: 20, height: 20, class: 'icon', 'aria-hidden': 'true' },
    svg('path', { d: PATHS[name] }),
  );
}

/**
 * A button that a mouse click leaves without the focus, so that Enter and Space keep their meaning.
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export function button(attributes, ...children) {
  const keepsFocus = (/** @type {MouseEvent} */ event) => event.preventDefault();
  return h('button', { type: 'button', onmousedown: keepsFocus, ...attributes }, ...children);
}
