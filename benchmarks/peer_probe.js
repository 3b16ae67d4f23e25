// Runs in a peer's page before its own scripts: when a picture of a new address was drawn on a canvas or shown.

(() => {
  const probe = { armed: null, startedAt: 0, paintedAt: 0, releasedAt: 0, last: '' };
  window.peerProbe = probe;
  probe.arm = (type) => Object.assign(probe, { armed: type, paintedAt: 0 });

  // The address alone: a data URL of a megabyte would cost more to keep than to draw.
  const nameOf = (image) => `${image.src.length} ${image.src.slice(-60)}`;

  const isBig = (image) => image.naturalWidth >= 600;

  const shown = (image) => {
    const name = nameOf(image);
    if (!isBig(image) || name === probe.last) return;
    probe.last = name;
    requestAnimationFrame(() => requestAnimationFrame(() => (probe.paintedAt = performance.now())));
  };

  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function drawImage(image, ...rest) {
    if (image instanceof HTMLImageElement) shown(image);
    return draw.call(this, image, ...rest);
  };
  addEventListener('load', (event) => event.target instanceof HTMLImageElement && shown(event.target), true);

  for (const type of ['keydown', 'pointerdown', 'mousedown', 'click']) {
    addEventListener(
      type,
      (event) => {
        if (probe.armed !== type) return;
        probe.armed = null;
        probe.startedAt = event.timeStamp;
      },
      true,
    );
  }
  addEventListener('pointerup', (event) => (probe.releasedAt = performance.timeOrigin + event.timeStamp), true);
  addEventListener('mouseup', (event) => (probe.releasedAt = performance.timeOrigin + event.timeStamp), true);
})();
