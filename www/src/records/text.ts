const HEX_BYTES_MAX = 4096;
const HEX_ROW_BYTES = 16;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The text that bytes are, or null when they are not UTF-8 or no text. */
export function asText(bytes: Uint8Array): string | null {
  try {
    const text = utf8.decode(bytes);
    return /[^\P{Cc}\t\n\r]/u.test(text) ? null : text;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** JSON with indentation, other text as it is, and null for other bytes. */
export function asPrettyText(bytes: Uint8Array): string | null {
  const text = asText(bytes);
  if (text === null) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Rows of offset, bytes in hexadecimal, and their ASCII. */
export function asHex(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, HEX_BYTES_MAX); at += HEX_ROW_BYTES) {
    const row = [...bytes.subarray(at, at + HEX_ROW_BYTES)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const ascii = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    rows.push(
      `${at.toString(16).padStart(4, "0")}  ${hex.padEnd(HEX_ROW_BYTES * 3)} ${ascii.join("")}`,
    );
  }
  if (bytes.length > HEX_BYTES_MAX) rows.push(`… ${bytes.length - HEX_BYTES_MAX} more bytes`);
  return rows.join("\n");
}

/** A hue for a key, so that equal keys look equal. */
export function hueOf(key: Uint8Array): number {
  let hash = 2166136261;
  for (const byte of key) hash = Math.imul(hash ^ byte, 16777619);
  // The last letters reach only the lower bits, and keys often differ there alone.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) % 360;
}
