// Runs in the measured page before its own scripts: from an event to the frame after the one that drew.

(() => {
  const probe = { armed: null, paintedAt: 0, startedAt: 0, drawnAt: 0, eventTimings: {} };
  window.qualmProbe = probe;

  /**
   * Measure from the next such event until something is drawn.
   * @param {{type: 'keydown' | 'pointerup', code?: string, until: 'image' | 'paint'}} armed
   */
  probe.arm = (armed) => Object.assign(probe, { armed, paintedAt: 0 });

  const counted = (until) => {
    const { counters } = window.qualmCanvas;
    return until === 'image' ? counters.shownAt : counters.paints;
  };

  const heard = (event) => {
    const { armed } = probe;
    if (!armed || event.type !== armed.type || (armed.code && event.code !== armed.code)) return;
    probe.armed = null;
    probe.startedAt = event.timeStamp;
    performance.mark('probe-began', { startTime: event.timeStamp });
    const before = counted(armed.until);
    // Requested before any of the page's own, so that in each frame it runs first and sees the last one's work.
    const watch = () => {
      if (counted(armed.until) === before) {
        requestAnimationFrame(watch);
        return;
      }
      probe.paintedAt = performance.now();
      performance.mark('probe-painted');
    };
    requestAnimationFrame(watch);
  };
  addEventListener('keydown', heard, true);
  addEventListener('pointerup', heard, true);

  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.name === 'keydown') probe.eventTimings[entry.startTime] = entry.duration;
    }
  }).observe({ type: 'event', durationThreshold: 16, buffered: true });
})();
