// The bytes of a key, value or header: a Uint8Array that also speaks Buffer's small talk.

/** The encodings of Node's `Buffer`. */
export type BufferEncoding =
  | "utf8"
  | "utf-8"
  | "hex"
  | "base64"
  | "base64url"
  | "latin1"
  | "binary"
  | "ascii"
  | "ucs2"
  | "ucs-2"
  | "utf16le"
  | "utf-16le";

/** Characters that are made by one call: arguments live on the stack. */
const CHARACTERS_PER_CALL_MAX = 8192;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Bytes of a message, with the methods of Node's `Buffer` that programs call on them. Text is not
 * decoded before it is asked for.
 */
export class MessageBytes extends Uint8Array<ArrayBuffer> {
  /** A copy. */
  static copyOf(bytes: ArrayLike<number>): MessageBytes {
    // A typed array of its own length, if it is small, has no ArrayBuffer before one is asked for.
    const OfLength = MessageBytes as unknown as new (length: number) => MessageBytes;
    const copy = new OfLength(bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** The text that the bytes `start` to `end` encode. Like `Buffer`, does not fail on bad UTF-8. */
  override toString(encoding: BufferEncoding = "utf8", start = 0, end = this.length): string {
    const bytes = start === 0 && end === this.length ? this : this.subarray(start, end);
    switch (encoding) {
      case "utf8":
      case "utf-8":
        return utf8.decode(bytes);
      case "hex":
        return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      case "base64":
        return btoa(characters(bytes));
      case "base64url":
        return btoa(characters(bytes)).replace(/[+/=]/g, (c) => ({ "+": "-", "/": "_" })[c] ?? "");
      case "latin1":
      case "binary":
        return characters(bytes);
      case "ascii":
        return characters(Uint8Array.from(bytes, (byte) => byte & 0x7f));
      case "ucs2":
      case "ucs-2":
      case "utf16le":
      case "utf-16le":
        return new TextDecoder("utf-16le", { ignoreBOM: true }).decode(bytes);
      default:
        throw new TypeError(`Unknown encoding: ${String(encoding)}`);
    }
  }

  /** A copy of the bytes `start` to `end`; a part speaks as the whole does. */
  override slice(start?: number, end?: number): MessageBytes {
    return MessageBytes.copyOf(this.subarray(start, end));
  }

  /** A view of the bytes `start` to `end`. */
  override subarray(start?: number, end?: number): MessageBytes {
    const { buffer, byteOffset, length } = super.subarray(start, end);
    return new MessageBytes(buffer, byteOffset, length);
  }

  /** Whether the other has the same bytes. */
  equals(other: Uint8Array): boolean {
    return this.length === other.length && this.every((byte, index) => byte === other[index]);
  }

  /** What `JSON.stringify` makes of it; `Buffer.from` takes it back. */
  toJSON(): { type: "Buffer"; data: number[] } {
    return { type: "Buffer", data: Array.from(this) };
  }
}

/** One character per byte. */
function characters(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHARACTERS_PER_CALL_MAX) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHARACTERS_PER_CALL_MAX));
  }
  return text;
}
