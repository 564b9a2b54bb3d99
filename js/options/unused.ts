// Options that change nothing: those that are not served, and those that are misspelt.
import type { Logger } from "../types/logger.js";
import { type Kind, RETRY_KINDS } from "./checks.js";

/** How many letters a misspelt name may be away from the one that was meant. */
const TYPOS_MAX = 2;

/** What each logger was told, so that it is told once. */
const told = new WeakMap<Logger, Set<string>>();

/** Warns of every option that has no effect; `to` says what they are given to. */
export function tellUnused(
  logger: Logger,
  to: string,
  given: object,
  kinds: Readonly<Record<string, Kind>>,
  path = "",
): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const why = Object.hasOwn(kinds, name) ? kinds[name]?.[2] : unknown(name, Object.keys(kinds));
    if (why !== undefined) warnOnce(logger, `${path}${name} of ${to} has no effect: ${why}`);
    if (name === "retry" && kinds !== RETRY_KINDS) {
      tellUnused(logger, to, value as object, RETRY_KINDS, "retry.");
    }
  }
}

function unknown(name: string, known: readonly string[]): string {
  const near = known
    .map((other) => ({ other, typos: distance(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ typos }) => typos <= TYPOS_MAX)
    .sort((a, b) => a.typos - b.typos)[0];
  return near === undefined
    ? "there is no such option"
    : `there is no such option; did you mean ${near.other}?`;
}

function warnOnce(logger: Logger, message: string): void {
  const before = told.get(logger) ?? new Set<string>();
  told.set(logger, before);
  if (before.has(message)) return;
  before.add(message);
  logger.warn(message);
}

/** How many letters must be put in, left out or changed to make one word of the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of Array.from(from).entries()) {
    const next = [index + 1];
    for (let at = 0; at < to.length; at += 1) {
      const changed = (row[at] ?? 0) + Number(letter !== to[at]);
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
