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

/**
 * Warns of names that are known but for their spelling. Others are the application's own: messages
 * are passed on with what it has put into them.
 */
export function tellMisspelt(
  logger: Logger,
  to: string,
  given: object,
  kinds: Readonly<Record<string, Kind>>,
): void {
  for (const name in given) {
    if (Object.hasOwn(kinds, name)) continue;
    const near = meant(name, Object.keys(kinds));
    if (near === undefined) continue;
    warnOnce(logger, `${name} of ${to} has no effect: ${didYouMean(near)}`);
  }
}

function unknown(name: string, known: readonly string[]): string {
  const near = meant(name, known);
  return near === undefined ? "there is no such option" : didYouMean(near);
}

function didYouMean(near: string): string {
  return `there is no such option; did you mean ${near}?`;
}

function meant(name: string, known: readonly string[]): string | undefined {
  return known
    .map((other) => ({ other, typos: distance(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ typos }) => typos <= TYPOS_MAX)
    .sort((a, b) => a.typos - b.typos)[0]?.other;
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
