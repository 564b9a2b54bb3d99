// A batch that the application is working on.
import type { TopicPartition } from "../types/partition.js";
import { FetchedBatch, type PolledBatch } from "./batch.js";

export class Work {
  readonly batch: FetchedBatch;
  readonly #polled: PolledBatch;
  readonly #interruption = new AbortController();
  #stale = false;
  #lost = false;
  #nextOffset: string;

  constructor(polled: PolledBatch) {
    this.#polled = polled;
    this.batch = new FetchedBatch(polled);
    this.#nextOffset = this.batch.firstOffset() ?? polled.nextOffset;
  }

  /** Of the next record to process. */
  get nextOffset(): string {
    return this.#nextOffset;
  }

  /** Which partition it is about, as commands name it. */
  get partition(): TopicPartition & { fence: number } {
    const { topic, partition, fence } = this.#polled;
    return { topic, partition, fence };
  }

  /** The application has processed the message with this offset, and what is before it. */
  resolve(offset: string): void {
    // Behind the last message there may be what no handler sees, such as transaction markers.
    this.#nextOffset =
      offset === this.batch.lastOffset()
        ? this.#polled.nextOffset
        : (BigInt(offset) + 1n).toString();
  }

  /** The rest is not to be processed: the partition goes. What was processed still counts. */
  interrupt(): void {
    this.#interruption.abort();
  }

  /** The partition went, or was sought elsewhere: what is processed of it counts no more. */
  abandon(): void {
    this.#stale = true;
    this.#interruption.abort();
  }

  /** The partition went: others may have come further with it, or not as far. */
  lose(): void {
    this.#lost = true;
    this.abandon();
  }

  get isLost(): boolean {
    return this.#lost;
  }

  get isStale(): boolean {
    return this.#stale;
  }

  get interrupted(): AbortSignal {
    return this.#interruption.signal;
  }
}

/** A partition's name in maps. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}:${partition}`;
}
