// Streamlit's component: puts the editor on the page and keeps it alive while other pages are shown.

import { keepConnectionDialogClosed } from './connection_dialog.js';
import { Editor } from './editor.js';

/** The page's script runs again when nobody waits for it: server and browser do one thing at a time. */
const NUDGE_AFTER_MS = 1000;

/** @typedef {{image_id: number} | {classes: string}} News the image that the person went on from, or other classes */
/**
 * @typedef {object} Mount where an editor is on the page
 * @property {HTMLElement} host
 * @property {boolean} isFilled
 * @property {(news: News) => void} nudge
 * @property {() => void} leave
 */

/**
 * The live editor outlives the component's element: leaving the page and coming back finds it as it was.
 * @type {Editor | null}
 */
let editor = null;

/** The nudge to come; one serves for all images that a person goes on from in quick succession. */
let nudging = 0;

/**
 * Which element holds which editor; Streamlit calls again for the same element when the data changed.
 * @type {WeakMap<HTMLElement | ShadowRoot, Mount>}
 */
const mounts = new WeakMap();

/**
 * @param {{data: import('./types.js').ComponentData, parentElement: HTMLElement | ShadowRoot,
 *   setTriggerValue: (name: string, value: object) => void}} component
 * @returns {() => void} called when the component leaves the page
 */
export default function labelCanvas({ data, parentElement, setTriggerValue }) {
  let mount = mounts.get(parentElement);
  if (!mount) {
    mount = newMount(parentElement);
    mounts.set(parentElement, mount);
  }
  mount.nudge = (news) => {
    clearTimeout(nudging);
    nudging = setTimeout(() => setTriggerValue('went_on', news), NUDGE_AFTER_MS);
  };
  if (editor && (editor.projectId !== data.project_id || editor.annotator !== data.annotator)) {
    editor.retire();
    editor = null;
    mount.isFilled = false;
  }
  if (editor) editor.update(data);
  else editor = new Editor(data, (news) => current?.nudge(news));
  if (!mount.isFilled) {
    mount.isFilled = true;
    editor.mounted(mount.host);
  }
  current = mount;
  return () => {
    mounts.delete(parentElement);
    mount.leave();
    // A remount for the same page may have come first; then the editor is in good hands.
    if (current !== mount) return;
    current = null;
    // The page that comes runs anyway, and has no component of this name to take it.
    clearTimeout(nudging);
    editor?.unmounted();
  };
}

/** @type {Mount | null} */
let current = null;

/**
 * The element that the editor fills: from where Streamlit put it down to the lower edge of the window.
 * @param {HTMLElement | ShadowRoot} parentElement
 * @returns {Mount}
 */
function newMount(parentElement) {
  const host = document.createElement('div');
  host.className = 'host';
  parentElement.append(host);
  const page = document.createElement('style');
  page.textContent =
    '.stMainBlockContainer{padding:3.75rem 0 0!important;max-width:none!important}' +
    '.stMainBlockContainer>[data-testid="stVerticalBlock"]{gap:0!important}';
  document.head.append(page);
  const fill = () => {
    const top = Math.max(0, host.getBoundingClientRect().top + scrollOf(host));
    host.style.height = `${Math.max(320, Math.floor(window.innerHeight - top))}px`;
  };
  window.addEventListener('resize', fill);
  const endWatch = keepConnectionDialogClosed();
  const observer = new ResizeObserver(fill);
  observer.observe(document.body);
  requestAnimationFrame(fill);
  fill();
  return {
    host,
    isFilled: false,
    nudge: () => {},
    leave() {
      window.removeEventListener('resize', fill);
      observer.disconnect();
      endWatch();
      page.remove();
      host.remove();
    },
  };
}

/** How far Streamlit's own scrolling container is scrolled. @param {HTMLElement} host */
function scrollOf(host) {
  const root = host.getRootNode();
  const outside = root instanceof ShadowRoot ? root.host : null;
  return outside?.closest('[data-testid="stMain"]')?.scrollTop ?? 0;
}
