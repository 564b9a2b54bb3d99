import { entry } from "../flow/picture.ts";

/** Headers of `name=value, …`; a name that comes again has several values. */
export function parseHeaders(text: string): Record<string, string[]> {
  const headers = new Map<string, string[]>();
  for (const pair of text.split(",")) {
    // A value may have equals signs of its own, as base64 does.
    const [, name = "", value = ""] = /^\s*([^=]*?)\s*(?:=(.*))?$/su.exec(pair) ?? [];
    if (name !== "") entry(headers, name, () => []).push(value.trim());
  }
  return Object.fromEntries(headers);
}
