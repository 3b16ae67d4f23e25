// An image that the person put at the end of the queue.

/**
 * Tell the server that an image was skipped, once its draft has arrived or failed to: a draft reserves its image.
 * @param {import('./session.js').LabelSession} session
 * @param {import('./open_image.js').OpenImage} image
 * @param {Promise<void>} saved
 */
export async function skipped(session, image, saved) {
  const { queue, transport } = session;
  await saved;
  const askedAt = Date.now();
  try {
    const { items, progress } = await transport.skip(image.id, session.image?.id ?? null);
    queue.acknowledge(image.id, Date.now());
    queue.update(items, askedAt);
    session.setProgress(progress);
    session.nudge({ image_id: image.id });
    if (!session.view && session.phase === 'empty') await session.advance();
  } catch (error) {
    // The server does not know, and may offer it again.
    queue.acknowledge(image.id, Date.now());
    session.failed(error);
  }
}
