// Whether and when a worker that is gone is followed by another.
import { sleep } from "../platform/timing.js";

/** Workers that died in a row, without one that ran for a while, before they are given up. */
export const RESTARTS_MAX = 5;
const RUN_MS_MIN = 1_000;
/** Before the second in a row is followed; doubled every time. The first is followed at once. */
const RESTART_PAUSE_MS_MIN = 100;
/** Before a script that could not be loaded is asked for again; doubled every time. */
const LOAD_PAUSE_MS_MIN = 250;
const LOAD_PAUSE_MS_MAX = 30_000;

export class Restarts {
  #restarts = 0;
  /** By `performance.now()`. */
  #runningSinceMs = Infinity;
  #loadPauseMs = LOAD_PAUSE_MS_MIN;

  /** The worker runs. */
  runs(): void {
    this.#runningSinceMs = performance.now();
    this.#loadPauseMs = LOAD_PAUSE_MS_MIN;
  }

  /** The worker died. False when that was too often. */
  mayRestart(): boolean {
    if (this.#runningSinceMs + RUN_MS_MIN < performance.now()) this.#restarts = 0;
    this.#runningSinceMs = Infinity;
    this.#restarts += 1;
    return this.#restarts <= RESTARTS_MAX;
  }

  /** Waits until another may be tried. */
  async beforeRestart(signal: AbortSignal): Promise<void> {
    if (1 < this.#restarts) await sleep(RESTART_PAUSE_MS_MIN * 2 ** (this.#restarts - 2), signal);
  }

  /** Waits until a script that could not be loaded may be there: the network may be back. */
  async beforeLoad(signal: AbortSignal): Promise<void> {
    const pauseMs = this.#loadPauseMs;
    this.#loadPauseMs = Math.min(2 * pauseMs, LOAD_PAUSE_MS_MAX);
    const online = new AbortController();
    const wake = (): void => {
      online.abort();
    };
    // Workers can be had without a window around them.
    const scope: Partial<EventTarget> = globalThis;
    scope.addEventListener?.("online", wake);
    await sleep(pauseMs, signal, online.signal);
    scope.removeEventListener?.("online", wake);
  }
}
