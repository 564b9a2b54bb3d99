// Hands batches to the application's eachMessage or eachBatch, and deals with what it throws.
import type { Command } from "../client/command_port.js";
import { asError } from "../errors/error_object.js";
import { KafkaJSError, KafkaJSProtocolError } from "../errors/errors.js";
import type { Retry } from "../options/client.js";
import { plainOffset } from "../options/offsets.js";
import type { Calls } from "../platform/calls.js";
import { Breather, sleep } from "../platform/timing.js";
import type { ConsumerRunConfig, EachBatchHandler, EachMessageHandler } from "../types/consumer.js";
import type { Logger } from "../types/logger.js";
import type { Offsets } from "../types/partition.js";
import type { Pauses } from "./pauses.js";
import type { Progress } from "./progress.js";
import { Retries } from "./retries.js";
import { partitionKey, type Work } from "./work.js";

const ILLEGAL_GENERATION = 22;
const REBALANCE_IN_PROGRESS = 27;

interface HandlerOptions {
  run: ConsumerRunConfig;
  retry: Retry;
  logger: Logger;
  progress: Progress;
  pauses: Pauses;
  calls: Calls;
  /** Aborts when the run is to end. */
  stop: AbortSignal;
  tell: (command: Command) => void;
  request: (command: Command) => Promise<void>;
}

export class Handler {
  readonly #options: HandlerOptions;
  readonly #retries: Retries;
  readonly #breather = new Breather();

  constructor(options: HandlerOptions) {
    this.#options = options;
    this.#retries = new Retries(options.retry);
  }

  /**
   * Works on a batch as far as it goes; `work.nextOffset` tells how far that was. False when the
   * application threw, after the wait before it is to be called again. Throws when it is not.
   */
  async handle(work: Work): Promise<boolean> {
    const { eachMessage, eachBatch } = this.#options.run;
    try {
      if (eachMessage !== undefined) await this.#eachMessage(work, eachMessage);
      else if (eachBatch !== undefined) await this.#eachBatch(work, eachBatch);
      return true;
    } catch (error) {
      // What was interrupted is not wanted any more, with or without an error.
      if (this.#isStopped() || work.interrupted.aborted) return false;
      await this.#failed(work, error);
      return false;
    }
  }

  async #eachMessage(work: Work, eachMessage: EachMessageHandler): Promise<void> {
    const { topic, partition, messages } = work.batch;
    const { calls, pauses } = this.#options;
    for (const message of messages) {
      const paused = pauses.isPaused({ topic, partition });
      if (this.#isStopped() || work.interrupted.aborted || paused) return;
      const payload = {
        topic,
        partition,
        message,
        heartbeat: () => this.#heartbeat(work),
        pause: () => this.#pause(work),
      };
      await calls.run(() => eachMessage(payload));
      this.#resolve(work, message.offset);
      if (this.#breather.isDue()) {
        this.#tellResolved(work);
        await this.#breather.breathe();
      }
    }
  }

  async #eachBatch(work: Work, eachBatch: EachBatchHandler): Promise<void> {
    const { calls, progress, run } = this.#options;
    // Who was told to stop may not have come to the end.
    let toldToStop = false;
    const tellToStop = (stop: boolean): boolean => {
      toldToStop ||= stop;
      return stop;
    };
    const payload = {
      batch: work.batch,
      resolveOffset: (offset: string) => {
        this.#resolve(work, plainOffset(offset));
      },
      heartbeat: async () => {
        tellToStop(work.interrupted.aborted);
        await this.#heartbeat(work);
      },
      pause: () => this.#pause(work),
      commitOffsetsIfNecessary: (offsets?: Offsets) => this.#commitIfNecessary(work, offsets),
      uncommittedOffsets: () => progress.uncommittedOffsets(),
      isRunning: () => !tellToStop(this.#isStopped()),
      isStale: () => tellToStop(work.interrupted.aborted),
    };
    await calls.run(() => eachBatch(payload));
    const autoResolve = run.eachBatchAutoResolve !== false && !toldToStop;
    if (autoResolve) this.#resolve(work, work.batch.lastOffset());
    if (this.#breather.isDue()) await this.#breather.breathe();
  }

  #resolve(work: Work, offset: string): void {
    if (work.isStale) return;
    const from = work.nextOffset;
    work.resolve(offset);
    this.#options.progress.resolve(work.partition, from, work.nextOffset);
    const { autoCommitInterval, autoCommitThreshold } = this.#options.run;
    // The limits are kept by who commits, so it must know at once.
    if (typeof (autoCommitInterval ?? autoCommitThreshold) === "number") this.#tellResolved(work);
  }

  #tellResolved(work: Work): void {
    this.#options.tell({ type: "resolve", ...work.partition, nextOffset: work.nextOffset });
  }

  /** Heartbeats are sent by the worker whatever happens here; this tells when they were in vain. */
  async #heartbeat(work: Work): Promise<void> {
    if (this.#breather.isDue()) await this.#breather.breathe();
    if (!work.interrupted.aborted) return;
    const { topic, partition } = work.batch;
    throw new KafkaJSProtocolError("The partition is taken away or was sought elsewhere", {
      type: "REBALANCE_IN_PROGRESS",
      code: REBALANCE_IN_PROGRESS,
      retriable: true,
      topic,
      partition,
    });
  }

  #pause(work: Work): () => void {
    const { topic, partition } = work.batch;
    const topics = [{ topic, partitions: [partition] }];
    this.#options.pauses.pause(topics);
    return () => {
      this.#options.pauses.resume(topics);
    };
  }

  async #commitIfNecessary(work: Work, offsets: Offsets | undefined): Promise<void> {
    const { progress, request, run } = this.#options;
    if (work.isLost) {
      const { topic, partition } = work.batch;
      throw new KafkaJSProtocolError("The records are of a generation that is over", {
        type: "ILLEGAL_GENERATION",
        code: ILLEGAL_GENERATION,
        retriable: false,
        topic,
        partition,
      });
    }
    if (offsets !== undefined) {
      const flat = offsets.topics.flatMap(({ topic, partitions }) =>
        partitions.map((one) => ({ topic, ...one, offset: plainOffset(one.offset) })),
      );
      await request({ type: "commit", offsets: flat });
    } else if (progress.isDue(run.autoCommitInterval, run.autoCommitThreshold)) {
      this.#tellResolved(work);
      await request({ type: "commit" });
    }
  }

  async #failed(work: Work, thrown: unknown): Promise<void> {
    const { logger, request, run, stop } = this.#options;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
    const { topic, partition } = work.batch;
    if (!(error instanceof KafkaJSError)) {
      const handler = run.eachMessage === undefined ? "eachBatch" : "eachMessage";
      const { stack, message } = error;
      logger.error(`Error when calling ${handler}: ${message}`, {
        topic,
        partition,
        offset: work.nextOffset,
        stack,
      });
    }
    this.#tellResolved(work);
    if (run.autoCommit !== false) {
      await request({ type: "commit" }).catch((failure: unknown) => {
        logger.warn(`Could not commit after an error: ${asError(failure).message}`, { topic });
      });
    }
    const wait = this.#retries.failed(partitionKey(work.batch), work.nextOffset, error);
    await sleep(wait, stop, work.interrupted);
  }

  #isStopped(): boolean {
    return this.#options.stop.aborted;
  }
}
