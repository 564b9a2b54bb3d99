// A consumer's messages for `for await`.
import type { Abortable } from "../types/abortable.js";
import type { ConsumerRunConfig, EachMessagePayload } from "../types/consumer.js";
import type { Run } from "./run.js";

/**
 * How long a stop waits for the loop to ask for its next message, by which the one that it has would
 * count as processed. It may be the loop itself that awaits the stop.
 */
const LOOP_MS_MAX = 1_000;

export type MessagesOptions = Abortable & Omit<ConsumerRunConfig, "eachBatch" | "eachMessage">;

/** Begins a run of the consumer, which calls `onHalt` when handlers are to end. */
type Begin = (config: ConsumerRunConfig, onHalt: (run: Run) => void) => Run;
type Result = IteratorResult<EachMessagePayload, undefined>;

/** A message that waits for its loop, and the loop's word on it. */
interface Offer {
  payload: EachMessagePayload;
  taken: () => void;
  refused: (reason: Error) => void;
}

/** A `next()` that waits for a message. */
interface Asker {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Runs the consumer and gives its messages. The handler of each resolves when the next one is asked
 * for, so what a loop breaks off at is not committed and comes again.
 *
 * No generator function: that would let a `return()` wait behind a `next()`, and that for a message.
 */
export class MessageStream implements AsyncGenerator<EachMessagePayload, undefined, undefined> {
  readonly #begin: Begin;
  readonly #config: ConsumerRunConfig;
  readonly #signal: Abortable["signal"];
  readonly #offers: Offer[] = [];
  readonly #askers: Asker[] = [];
  /** What the loop works on. */
  #current: Offer | undefined;
  #run: Run | undefined;
  /** Why there is nothing more; an error is told once. */
  #end: { error?: unknown } | undefined;

  constructor(begin: Begin, { signal, ...config }: MessagesOptions) {
    this.#begin = begin;
    this.#config = config;
    this.#signal = signal;
  }

  next(): Promise<Result> {
    const result = new Promise<Result>((resolve, reject) => {
      this.#askers.push({ resolve, reject });
    });
    if (this.#run === undefined && this.#end === undefined) this.#start();
    this.#serve();
    return result;
  }

  /** What the loop has in hand was broken off at: it comes again. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#ended({});
    this.#refuse(this.#current);
    await this.#run?.done;
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #start(): void {
    try {
      this.#signal?.throwIfAborted();
      const eachMessage = (payload: EachMessagePayload): Promise<void> =>
        new Promise((taken, refused) => {
          this.#offers.push({ payload, taken, refused });
          this.#serve();
        });
      this.#run = this.#begin({ ...this.#config, eachMessage }, (run) => {
        if (run.isStopping) this.#ended({});
        else for (const offer of this.#offers.splice(0)) this.#refuse(offer);
      });
    } catch (error) {
      this.#ended({ error });
      return;
    }
    const abort = (): void => {
      this.#ended({ error: this.#signal?.reason });
    };
    this.#signal?.addEventListener("abort", abort);
    void this.#run.done.then((error) => {
      this.#signal?.removeEventListener("abort", abort);
      this.#ended(error === undefined ? {} : { error });
    });
  }

  /** Nothing more comes. The first reason is the one that counts. */
  #ended(end: { error?: unknown }): void {
    if (this.#end === undefined) {
      this.#end = end;
      for (const offer of this.#offers.splice(0)) this.#refuse(offer);
      const current = this.#current;
      const timer = setTimeout(() => {
        this.#refuse(current);
      }, LOOP_MS_MAX);
      const done = this.#run?.stop() ?? Promise.resolve();
      void done.then(() => {
        clearTimeout(timer);
      });
    }
    this.#serve();
  }

  #serve(): void {
    while (0 < this.#askers.length) {
      this.#current?.taken();
      this.#current = this.#offers.shift();
      if (this.#current === undefined) break;
      this.#askers.shift()?.resolve({ done: false, value: this.#current.payload });
    }
    if (this.#end === undefined) return;
    const done = this.#run?.done ?? Promise.resolve();
    for (const asker of this.#askers.splice(0)) {
      const end = this.#end;
      this.#end = {};
      void done.then(() => {
        if ("error" in end) asker.reject(end.error);
        else asker.resolve({ done: true, value: undefined });
      });
    }
  }

  #refuse(offer: Offer | undefined): void {
    offer?.refused(new Error("the loop has ended"));
  }
}
