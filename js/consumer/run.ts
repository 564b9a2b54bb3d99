// One run of a consumer: from run() until it is stopped, or has crashed for good. What crashes in
// between is started again.
import { abortable } from "../client/command_port.js";
import type { Connector } from "../client/connection.js";
import { TablogError } from "../errors/errors.js";
import { sleep } from "../platform/timing.js";
import type { AbortSignalLike } from "../types/abortable.js";
import type { RetryOptions } from "../types/config.js";
import type { Assignment } from "../types/partition.js";
import { Runner, type RunnerOptions } from "./runner.js";

export interface RunOptions {
  runner: Omit<RunnerOptions, "onJoined">;
  connector: Connector;
  restartOnFailure: RetryOptions["restartOnFailure"];
  /** The end of the run before: a consumer is one member at a time. */
  after: Promise<unknown>;
  /** Called when handlers are to come to an end: at a stop, which may follow a crash, and at that. */
  onHalt: (run: Run) => void;
  /** Called when the run is over, before anybody who waits for that goes on. */
  onDone: (run: Run, crash: Error | undefined) => void;
}

/** Somebody who waits until the group has been joined. */
interface Joining {
  resolve(assignment: Assignment): void;
  reject(error: Error): void;
}

export class Run {
  /** Resolves when the run is over: with what it has crashed of, or without when it was stopped. */
  readonly done: Promise<Error | undefined>;
  /** Resolves when the group has been joined, or the first crash has been dealt with. */
  readonly begun: Promise<void>;
  readonly #options: RunOptions;
  readonly #stop = new AbortController();
  readonly #joining = new Set<Joining>();
  #begin: () => void = () => undefined;
  /** From a crash until it is tried again. */
  #isCrashed = false;
  /** There at once, so that a seek may follow a run that nobody awaits. */
  #runner: Runner;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#runner = this.#newRunner();
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.done = this.#live().then((error) => {
      this.#notJoined(error ?? stopped());
      this.#begin();
      options.onDone(this, error);
      return error;
    });
  }

  get runner(): Runner {
    return this.#runner;
  }

  get isStopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Whether another run may take its place: it ends, or waits for its restart. */
  get isReplaceable(): boolean {
    return this.isStopping || this.#isCrashed;
  }

  /** Resolves with what this member has been assigned, once it has joined. */
  ready(signal: AbortSignalLike | undefined): Promise<Assignment> {
    const { assignment } = this.#runner;
    if (assignment !== undefined && !this.#isCrashed) return Promise.resolve(assignment);
    let joining: Joining;
    const joined = new Promise<Assignment>((resolve, reject) => {
      joining = { resolve, reject };
      this.#joining.add(joining);
    });
    return abortable(joined, signal, () => this.#joining.delete(joining));
  }

  /** Lets handlers finish their message, commits, and leaves the group. */
  stop(): Promise<Error | undefined> {
    this.#stop.abort();
    this.#notJoined(stopped());
    this.#options.onHalt(this);
    void this.#runner.stop();
    return this.done;
  }

  async #live(): Promise<Error | undefined> {
    const { after, onHalt } = this.#options;
    const { groupId, instrumentation, logger } = this.#options.runner;
    await after;
    while (!this.isStopping) {
      this.#isCrashed = false;
      const runner = this.#runner;
      const error = await this.#play(runner);
      this.#isCrashed = error !== undefined;
      if (error !== undefined) {
        const { name, message, stack } = error;
        logger.error(`Crash: ${name}: ${message}`, { groupId, stack });
      }
      onHalt(this);
      await runner.stop();
      instrumentation.emit("consumer.stop", null);
      if (error === undefined) {
        logger.info("Stopped", { groupId });
        return undefined;
      }
      // What is sought from now on is for the next one.
      this.#runner = this.#newRunner();
      if (!(await this.#shallRestart(error))) return error;
      await this.#beforeRestart(error);
    }
    return undefined;
  }

  /** Reads until the runner is stopped, or crashes: then gives why. */
  async #play(runner: Runner): Promise<Error | undefined> {
    const { connector } = this.#options;
    const { groupId, instrumentation, logger } = this.#options.runner;
    logger.info("Starting", { groupId });
    try {
      const connection = await connector.use(this.#stop.signal);
      instrumentation.emit("consumer.connect", null);
      void runner.start(connection).then(() => {
        if (runner.assignment !== undefined || !runner.isStopped()) this.#begin();
      });
    } catch (error) {
      return this.isStopping ? undefined : (error as Error);
    }
    return runner.ended;
  }

  /** Tells of the crash. Who is not to start again gives up the connection. */
  async #shallRestart(error: Error): Promise<boolean> {
    const { connector } = this.#options;
    const { groupId, instrumentation, logger } = this.#options.runner;
    const restart = (await this.#isWorthRestarting(error)) && !this.isStopping;
    // Who stops it, or has another run, says what becomes of the connection.
    if (!restart && !this.isStopping) {
      await connector.disconnect().catch((failure: unknown) => {
        logger.warn(`Could not disconnect: ${String(failure)}`, { groupId });
      });
      instrumentation.emit("consumer.disconnect", null);
    }
    if (!restart) this.#notJoined(error);
    instrumentation.emit("consumer.crash", { error, groupId, restart });
    return restart;
  }

  async #isWorthRestarting(error: Error): Promise<boolean> {
    let cause = error;
    while (cause.cause instanceof Error) cause = cause.cause;
    const retriable =
      error.name === "KafkaJSNumberOfRetriesExceeded" ||
      (cause as { retriable?: boolean }).retriable === true;
    const { restartOnFailure } = this.#options;
    if (!retriable || restartOnFailure === undefined) return retriable;
    try {
      const answer = (async () => restartOnFailure(error))();
      return await abortable(answer, this.#stop.signal);
    } catch (failure) {
      if (this.isStopping) return false;
      const { logger } = this.#options.runner;
      const message = failure instanceof Error ? failure.message : String(failure);
      logger.error(`restartOnFailure failed, so the consumer restarts: ${message}`);
      return true;
    }
  }

  async #beforeRestart(error: Error): Promise<void> {
    const { groupId, logger, retry } = this.#options.runner;
    this.#begin();
    const { retryTime = retry.initialRetryTime } = error as { retryTime?: number };
    logger.error(`Restarting the consumer in ${retryTime}ms`, { retryTime, groupId });
    await sleep(retryTime, this.#stop.signal);
  }

  #newRunner(): Runner {
    return new Runner({
      ...this.#options.runner,
      onJoined: (assignment) => {
        for (const joining of this.#joining) joining.resolve(assignment);
        this.#joining.clear();
      },
    });
  }

  #notJoined(error: Error): void {
    for (const joining of this.#joining) joining.reject(error);
    this.#joining.clear();
  }
}

function stopped(): TablogError {
  return new TablogError("the consumer was stopped", { type: "CLOSED" });
}
