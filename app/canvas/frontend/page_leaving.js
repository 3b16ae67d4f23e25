// Hears that the page is hidden or left, when what is unsaved has to go out at once.

export class PageLeaving {
  /** @param {{hidden: () => void, left: () => void}} parts what to do then */
  constructor({ hidden, left }) {
    this.listening = new AbortController();
    const { signal } = this.listening;
    window.addEventListener('pagehide', left, { signal });
    const changed = () => {
      if (document.hidden) hidden();
    };
    document.addEventListener('visibilitychange', changed, { signal });
  }

  /** Hear it no more: the page holds on to whoever listens, and to all that one knows. */
  end() {
    this.listening.abort();
  }
}
