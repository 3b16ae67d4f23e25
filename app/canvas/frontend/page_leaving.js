// Hears that the page is hidden or left, when what is unsaved has to go out at once, and that the person is back.

export class PageLeaving {
  /** @param {{hidden: () => void, left: () => void, back: () => void}} parts what to do then */
  constructor({ hidden, left, back }) {
    this.listening = new AbortController();
    const { signal } = this.listening;
    window.addEventListener('pagehide', left, { signal });
    const changed = () => {
      if (document.hidden) hidden();
      else back();
    };
    // A window beside another one is seen all the time.
    window.addEventListener('focus', back, { signal });
    document.addEventListener('visibilitychange', changed, { signal });
  }

  /** Hear it no more: the page holds on to whoever listens, and to all that one knows. */
  end() {
    this.listening.abort();
  }
}
