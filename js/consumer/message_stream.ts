// A consumer's messages for `for await`.
import type { Abortable } from "../types/abortable.js";
import type { ConsumerRunConfig, EachMessagePayload } from "../types/consumer.js";
import type { ConsumerCrashEvent } from "../types/events.js";

/** What it needs of a consumer. */
interface Runnable {
  run(config: ConsumerRunConfig): Promise<void>;
  stop(): Promise<void>;
  on(event: "consumer.crash", listener: (event: ConsumerCrashEvent) => void): () => void;
  on(event: "consumer.disconnect", listener: () => void): () => void;
}

/** A message that waits for its loop, and the loop's word on it. */
interface Offer {
  payload: EachMessagePayload;
  taken: () => void;
  refused: (reason: Error) => void;
}

/**
 * Runs the consumer and yields its messages. The handler of each resolves when the next one is
 * asked for, so what a loop breaks off at is not committed and comes again.
 */
export async function* messageStream(
  consumer: Runnable,
  { signal, ...config }: Abortable & Omit<ConsumerRunConfig, "eachBatch" | "eachMessage">,
): AsyncGenerator<EachMessagePayload, void, undefined> {
  signal?.throwIfAborted();
  const offers: Offer[] = [];
  let ended: { error: Error } | "stopped" | undefined;
  let wake = (): void => undefined;
  const end = (how: { error: Error } | "stopped"): void => {
    ended ??= how;
    wake();
  };
  const abort = (): void => {
    end({ error: signal?.reason as Error });
  };
  signal?.addEventListener("abort", abort);
  const removers = [
    consumer.on("consumer.crash", ({ payload: { error, restart } }) => {
      if (!restart) end({ error });
    }),
    consumer.on("consumer.disconnect", () => {
      // A crash says why, right after this.
      queueMicrotask(() => {
        end("stopped");
      });
    }),
  ];
  let current: Offer | undefined;
  try {
    consumer
      .run({
        ...config,
        eachMessage: (payload) =>
          new Promise<void>((taken, refused) => {
            offers.push({ payload, taken, refused });
            wake();
          }),
      })
      .catch((error: unknown) => {
        end({ error: error as Error });
      });
    for (;;) {
      current?.taken();
      current = undefined;
      while (offers.length === 0 && ended === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (ended === "stopped") return;
      if (ended !== undefined) throw ended.error;
      current = offers.shift();
      if (current !== undefined) yield current.payload;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    for (const remove of removers) remove();
    // Handlers are let go first: stopping waits for them, and forgets what a stop refuses.
    const stopped = consumer.stop();
    const reason = new Error("the loop has ended");
    for (const offer of [current, ...offers]) offer?.refused(reason);
    await stopped;
  }
}
