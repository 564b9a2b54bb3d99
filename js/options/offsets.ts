// Offsets as applications pass them: decimal strings, since they are 64-bit. Numbers pass too.
import { invalid } from "../errors/refusals.js";

/** What an offset may say instead of a number: -1 is the end, -2 the beginning. */
const SPECIAL_OFFSETS = ["-1", "-2"];
const INT64_MAX = 2n ** 63n - 1n;

/** An offset, or -1 for the end, or -2 for the beginning. */
export function offsetOrSpecial(given: unknown): string {
  const offset = String(given);
  if (!/^-?\d+$/.test(offset) || INT64_MAX < BigInt(offset)) {
    throw invalid(`Invalid offset, expected a long received ${offset}`);
  }
  if (offset.startsWith("-") && !SPECIAL_OFFSETS.includes(offset)) {
    throw invalid("Offset must not be a negative number");
  }
  return offset;
}

export function plainOffset(given: unknown): string {
  const offset = offsetOrSpecial(given);
  if (offset.startsWith("-")) throw invalid("Offset must not be a negative number");
  return offset;
}
