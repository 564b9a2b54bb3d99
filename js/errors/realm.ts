// What a value is, whichever realm made it: an iframe, a context of Node's `vm` and Jest's jsdom have
// a Uint8Array, an Error and a RegExp of their own, which `instanceof` does not know.

export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && tagOf(value) === "Uint8Array";
}

export function isError(value: unknown): value is Error {
  return value instanceof Error || ["Error", "DOMException"].includes(tagOf(value));
}

export function isRegExp(value: unknown): value is RegExp {
  return tagOf(value) === "RegExp";
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
