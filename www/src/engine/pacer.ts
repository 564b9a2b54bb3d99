/** After a gap that is longer (a laptop that slept) a stream goes on from where it is. */
export const CATCH_UP_MS_MAX = 60_000;

/**
 * Says how many things are due at a steady rate. It goes by time, not by how often it is asked: a
 * timer comes late in a page that is busy, and once a second or a minute in one that is hidden.
 */
export class Pacer {
  readonly #perSecond: number;
  #startMs: number;
  #taken = 0;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#startMs = nowMs;
  }

  /** How many are due; `max` at most, and the others next time. */
  take(nowMs: number, max: number): number {
    const behind = Math.floor(((nowMs - this.#startMs) * this.#perSecond) / 1000) - this.#taken;
    if (behind > (CATCH_UP_MS_MAX * this.#perSecond) / 1000) {
      this.#startMs = nowMs;
      this.#taken = 0;
      return 0;
    }
    const due = Math.min(Math.max(0, behind), max);
    this.#taken += due;
    return due;
  }
}
