// When the server goes away, Streamlit covers the page with a dialog that takes every click and key. The editor
// says so itself and goes on without the server, so the dialog is closed as soon as it opens.

const TITLE = 'Connection error';

/** @returns {() => void} ends the watch */
export function keepConnectionDialogClosed() {
  const observer = new MutationObserver(closeIt);
  observer.observe(document.body, { childList: true });
  closeIt();
  return () => observer.disconnect();
}

function closeIt() {
  for (const dialog of document.querySelectorAll('[data-testid="stDialog"]')) {
    if (dialog.querySelector('h2')?.textContent !== TITLE) continue;
    /** @type {HTMLElement | null} */ (dialog.querySelector('button[aria-label="Close"]'))?.click();
  }
}
