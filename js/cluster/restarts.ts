// Whether and when a worker that is gone is followed by another.
import { sleep } from "../platform/timing.js";

/** Workers that died in a row, without one that ran for a while, before the cluster is given up. */
export const RESTARTS_MAX = 5;
const RUN_MS_MIN = 1_000;
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

  /** Waits until a script that could not be loaded may be there: the network may be back. */
  async beforeLoad(signal: AbortSignal): Promise<void> {
    const pauseMs = this.#loadPauseMs;
    this.#loadPauseMs = Math.min(2 * pauseMs, LOAD_PAUSE_MS_MAX);
    const online = new AbortController();
    const wake = (): void => {
      online.abort();
    };
    addEventListener("online", wake);
    await sleep(pauseMs, signal, online.signal);
    removeEventListener("online", wake);
  }
}
