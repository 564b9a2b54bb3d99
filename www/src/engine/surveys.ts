/** Groups change without a frame when a session times out, so they are asked for again. */
const INTERVAL_MS = 3_000;

/** Runs surveys, one after the other, again and again once one has been asked for. */
export class Surveys {
  readonly #run: () => Promise<void>;
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Infinity;

  /** @param run never rejects */
  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  /** Resolves after a survey that has begun after this call. */
  now(): Promise<void> {
    // One that waits for its turn begins late enough for this call as well.
    if (this.#next === undefined) {
      this.#next = this.#last.then(async () => {
        this.#next = undefined;
        await this.#run();
        this.soon(INTERVAL_MS);
      });
      this.#last = this.#next;
    }
    return this.#next;
  }

  /** Makes a survey within `delayMs`, unless one is due before. */
  soon(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (this.#dueMs <= dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => {
      this.#dueMs = Infinity;
      void this.now();
    }, delayMs);
  }
}
