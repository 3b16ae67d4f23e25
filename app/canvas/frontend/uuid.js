// Names that nothing else has, for requests.

export function randomUuid() {
  // Browsers offer randomUUID only on https and localhost; the tool may run on a plain address in a LAN.
  const { randomUUID } = /** @type {Partial<Crypto>} */ (crypto);
  if (randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
