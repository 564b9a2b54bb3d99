// When a consumer's handler that failed is called again, and when it is given up.
import { KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from "../errors/errors.js";
import type { Retry } from "../options/client.js";

/** Bugs in the handler: trying again does not mend them. */
const UNRECOVERABLE = ["RangeError", "ReferenceError", "SyntaxError", "TypeError"];

interface Failures {
  /** Where the partition stood; a handler that gets further starts anew. */
  offset: string;
  count: number;
  /** Milliseconds. */
  nextWait: number;
}

export class Retries {
  readonly #retry: Retry;
  readonly #partitions = new Map<string, Failures>();

  constructor(retry: Retry) {
    this.#retry = retry;
  }

  /**
   * The handler has failed at this offset of the partition: gives the milliseconds to wait before
   * it is called again. Throws when it is not to be.
   */
  failed(partition: string, offset: string, error: Error & { retriable?: boolean }): number {
    if (error.retriable === false || UNRECOVERABLE.includes(error.name)) {
      throw new KafkaJSNonRetriableError(error, { cause: error.cause ?? error });
    }
    const before = this.#partitions.get(partition);
    const { count, nextWait } =
      before?.offset === offset ? before : { count: 0, nextWait: this.#stray(this.#first) };
    if (this.#retry.retries <= count) {
      this.#partitions.delete(partition);
      throw new KafkaJSNumberOfRetriesExceeded(error, { retryCount: count, retryTime: nextWait });
    }
    const { multiplier, maxRetryTime } = this.#retry;
    const wait = Math.min(this.#stray(nextWait) * multiplier, maxRetryTime);
    this.#partitions.set(partition, { offset, count: count + 1, nextWait: wait });
    return nextWait;
  }

  get #first(): number {
    return this.#retry.initialRetryTime;
  }

  #stray(wait: number): number {
    const { factor } = this.#retry;
    return Math.ceil(wait * (1 - factor + 2 * factor * Math.random()));
  }
}
