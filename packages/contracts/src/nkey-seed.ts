// Whether a text is an nkey's seed: base32 with a checksum, so that a mistyped one is told before anything connects.

/** Whether the checksum at the end fits. */
export function isSeed(text: string): boolean {
  const bytes = fromBase32(text);
  const end = bytes.length - 2;
  return end > 0 && crc16(bytes.subarray(0, end)) === (bytes[end] ?? 0) + 256 * (bytes[end + 1] ?? 0);
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function fromBase32(text: string): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    held = (held << 5) | alphabet.indexOf(letter);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 0xff);
      held &= (1 << bits) - 1;
    }
  }
  return Uint8Array.from(bytes);
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}
