// Who has the keyboard: the canvas takes the focus when it is pressed, and when its page is opened.

/**
 * Whether the canvas may take the focus from what has it, though nobody pressed it: what was pressed on the way to
 * the canvas, a link or a picker, is done with; a list that is open and a window of Streamlit's are not.
 * @param {Pick<Element, 'matches' | 'closest'> | null} holder
 */
export function isDoneWith(holder) {
  if (!holder) return true;
  if (holder.closest('.stDialog, [data-testid="stDialog"]') || holder.matches('textarea')) return false;
  return !holder.matches('input') || holder.matches('[role="combobox"]:not([aria-expanded="true"])');
}

/**
 * A press anywhere on an element gives it the focus. The tools keep the browser from doing that itself, as it would
 * also begin to select text.
 * @param {HTMLElement} element
 */
export function focusWhenPressed(element) {
  element.addEventListener('pointerdown', () => takeFocus(element), true);
}

/** @param {HTMLElement} element */
export function takeFocus(element) {
  element.focus({ preventScroll: true });
}
