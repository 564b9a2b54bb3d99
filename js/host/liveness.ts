// How a worker lets the page notice its death.
import { hold, isHeld } from "../platform/locks.js";
import type { Liveness } from "./messages.js";

/**
 * Holds the worker's lock for as long as this context lives: its release tells the page that it
 * died. False when the page does not see it, or there is nobody to watch.
 */
export async function beWatched(liveness: Liveness | null): Promise<boolean> {
  if (liveness === null) return false;
  await hold(liveness.lock);
  return isHeld(liveness.pageLock);
}
