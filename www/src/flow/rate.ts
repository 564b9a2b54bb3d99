const BUCKET_MS = 250;
const BUCKETS = 8;

/** Counts things per second over the last two seconds. */
export class Rate {
  readonly #counts = new Array<number>(BUCKETS).fill(0);
  #bucket = 0;

  add(count: number, nowMs: number): void {
    this.#forget(nowMs);
    const index = this.#bucket % BUCKETS;
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
  }

  perSecond(nowMs: number): number {
    this.#forget(nowMs);
    const sum = this.#counts.reduce((total, count) => total + count, 0);
    return Math.round((sum * 1000) / (BUCKETS * BUCKET_MS));
  }

  #forget(nowMs: number): void {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    const passed = Math.min(bucket - this.#bucket, BUCKETS);
    for (let i = 0; i < passed; i += 1) this.#counts[(bucket - i) % BUCKETS] = 0;
    this.#bucket = Math.max(bucket, this.#bucket);
  }
}
