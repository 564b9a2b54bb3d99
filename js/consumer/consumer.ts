// Reads messages as a member of a group.
import { bindMethods } from "../client/bound.js";
import { abortable } from "../client/command_port.js";
import { Connector } from "../client/connection.js";
import { Instrumentation } from "../client/instrumentation.js";
import { describeGroups } from "../client/operations.js";
import type { Shared } from "../client/shared.js";
import { KafkaJSError, TablogError } from "../errors/errors.js";
import { invalid } from "../errors/refusals.js";
import {
  checkOptions,
  CONSUMER_KINDS,
  objectGiven,
  RUN_KINDS,
  SUBSCRIBE_KINDS,
} from "../options/checks.js";
import {
  clientOptions,
  consumerOptions,
  consumerRetry,
  patternRefreshMs,
} from "../options/client.js";
import { tellUnused } from "../options/unused.js";
import { offsetOrSpecial, plainOffset } from "../options/offsets.js";
import type { Abortable } from "../types/abortable.js";
import type { GroupDescription } from "../types/admin.js";
import type { ConsumerConfig } from "../types/config.js";
import type {
  ConsumerRunConfig,
  ConsumerSubscribeTopic,
  ConsumerSubscribeTopics,
  EachMessagePayload,
} from "../types/consumer.js";
import {
  CONSUMER_EVENTS,
  type ConsumerPayloads,
  type InstrumentationEvent,
} from "../types/events.js";
import type { Logger } from "../types/logger.js";
import type {
  Assignment,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionOffsetAndMetadata,
  TopicPartitions,
} from "../types/partition.js";
import { Assigners } from "./assigners.js";
import { messageStream } from "./message_stream.js";
import { checkPausedTopics, type PausedTopic } from "./pauses.js";
import { Runner } from "./runner.js";
import { Subscriptions } from "./subscriptions.js";

/** Somebody who waits until the group has been joined. */
interface Joining {
  resolve(assignment: Assignment): void;
  reject(error: Error): void;
}

export class Consumer {
  readonly events = CONSUMER_EVENTS;
  readonly #shared: Shared;
  readonly #config: ConsumerConfig;
  readonly #logger: Logger;
  readonly #assigners: Assigners;
  readonly #instrumentation: Instrumentation<ConsumerPayloads>;
  readonly #subscriptions = new Subscriptions();
  #assigned: readonly TopicPartitionOffset[] = [];
  readonly #joining = new Set<Joining>();
  readonly #connector: Connector;
  #runner: Runner | undefined;
  /** Between run and stop; a crash in between may start a new runner. */
  #wanted = false;
  #restart: ReturnType<typeof setTimeout> | undefined;

  /** Throws for options that no consumer can have. */
  constructor(shared: Shared, config: ConsumerConfig) {
    bindMethods(this);
    this.#shared = shared;
    this.#config = config;
    this.#logger = shared.logger.namespace("Consumer");
    tellUnused(shared.logger, "consumer()", config, CONSUMER_KINDS);
    this.#assigners = new Assigners(config.partitionAssigners ?? [], {
      groupId: config.groupId,
      logger: this.#logger,
    });
    this.#instrumentation = new Instrumentation("consumer", CONSUMER_EVENTS, this.#logger);
    // An admin reaches the broker without being a member of the group yet.
    const options = clientOptions(shared.config, { ...config, allowAutoTopicCreation: false });
    this.#connector = new Connector(shared, this, "admin", options, this.#instrumentation);
  }

  /** Resolves when the broker has been reached; waits as long as another tab has it. */
  async connect({ signal }: Abortable = {}): Promise<void> {
    await this.#connector.connect(signal);
    this.#instrumentation.emit("consumer.connect", null);
  }

  /** Stops, and gives up the connection. */
  async disconnect(): Promise<void> {
    this.#connector.cancel();
    await this.stop();
    await this.#connector.disconnect();
    this.#instrumentation.emit("consumer.disconnect", null);
  }

  /** Adds topics, before `run`. Patterns are looked up when it runs, and every `metadataMaxAge`. */
  // Async for KafkaJS's sake: its errors are rejections.
  async subscribe(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): Promise<void> {
    if (this.#runner !== undefined) {
      return Promise.reject(invalid("Cannot subscribe to topic while consumer is running"));
    }
    this.#subscriptions.add(subscription);
    tellUnused(this.#shared.logger, "subscribe()", subscription, SUBSCRIBE_KINDS);
    return Promise.resolve();
  }

  /**
   * Takes partitions to read from an offset on, before `run` and in place of `subscribe`: without
   * joining the group, whoever else reads them. Not in KafkaJS; as `assign` of Kafka's own consumer.
   */
  assign(partitions: TopicPartitionOffset[]): void {
    if (this.#runner !== undefined) throw invalid("Cannot assign while consumer is running");
    this.#assigned = partitions.map((one) => {
      const { topic, partition, offset } = objectGiven(one, "assign()");
      checkPartition({ topic, partition });
      return { topic, partition, offset: plainOffset(offset) };
    });
  }

  /** Joins the group and calls the handler from then on; resolves when it has joined. */
  async run(config: ConsumerRunConfig = {}): Promise<void> {
    const { groupId } = this.#config;
    if (this.#runner !== undefined) {
      this.#logger.warn("consumer#run was called, but the consumer is already running", {
        groupId,
      });
      return;
    }
    checkOptions(config, "run()", RUN_KINDS);
    tellUnused(this.#shared.logger, "run()", config, RUN_KINDS);
    const { eachMessage, eachBatch } = config;
    if ((eachMessage ?? eachBatch) === undefined) {
      throw invalid("run needs eachMessage or eachBatch");
    }
    if (eachMessage !== undefined && eachBatch !== undefined) {
      this.#logger.warn("eachBatch is not called: there is eachMessage as well", { groupId });
    }
    this.#wanted = true;
    await this.#start(config);
  }

  /** Resolves with what this member has been assigned when it has joined the group. */
  ready({ signal }: Abortable = {}): Promise<Assignment> {
    const assignment = this.#runner?.assignment;
    if (assignment !== undefined) return Promise.resolve(assignment);
    let joining: Joining;
    const joined = new Promise<Assignment>((resolve, reject) => {
      joining = { resolve, reject };
      this.#joining.add(joining);
    });
    return abortable(joined, signal, () => this.#joining.delete(joining));
  }

  /**
   * Runs, and gives message after message. One counts as processed when the next is asked for. The
   * consumer stops when the loop ends; aborting throws the signal's reason.
   */
  messages(
    options: Abortable & Omit<ConsumerRunConfig, "eachBatch" | "eachMessage"> = {},
  ): AsyncGenerator<EachMessagePayload, void, undefined> {
    return messageStream(this, options);
  }

  /** Lets handlers finish their message, commits, and leaves the group. Not from a handler. */
  async stop(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#restart);
    const runner = this.#runner;
    if (runner !== undefined) {
      await runner.stop();
      if (this.#runner === runner) {
        this.#runner = undefined;
        this.#instrumentation.emit("consumer.stop", null);
        this.#logger.info("Stopped", { groupId: this.#config.groupId });
      }
    }
    this.#notJoined(new TablogError("the consumer was stopped", { type: "CLOSED" }));
  }

  async commitOffsets(offsets: TopicPartitionOffsetAndMetadata[] = []): Promise<void> {
    const checked = offsets.map((one) => {
      const { topic, partition, offset, metadata = null } = objectGiven(one, "commitOffsets()");
      checkPartition({ topic, partition });
      if (metadata !== null && typeof metadata !== "string") {
        throw invalid("Invalid offset metadata, expected string or null");
      }
      return { topic, partition, offset: plainOffset(offset), metadata };
    });
    await this.#running().commit(checked);
  }

  /** Goes on at another offset; -1 is the end, -2 the beginning. */
  seek(target: TopicPartitionOffset): void {
    const { topic, partition, offset } = objectGiven(target, "seek()");
    checkPartition({ topic, partition });
    this.#running().seek({ topic, partition, offset: offsetOrSpecial(offset) });
  }

  pause(topics: PausedTopic[] = []): void {
    checkPausedTopics(topics, "pause");
    this.#running().pause(topics);
  }

  /** Those that are assigned and paused. */
  paused(): TopicPartitions[] {
    return this.#runner?.paused() ?? [];
  }

  resume(topics: PausedTopic[] = []): void {
    checkPausedTopics(topics, "resume");
    this.#running().resume(topics);
  }

  async describeGroup(): Promise<GroupDescription> {
    const { port } = await this.#connector.use();
    const { groups } = await describeGroups(port, [this.#config.groupId]);
    const [group] = groups;
    if (group === undefined) throw new KafkaJSError("the broker did not describe the group");
    return group;
  }

  /** Calls the listener with every such event. Returns what ends it. */
  on<Type extends keyof ConsumerPayloads>(
    eventName: Type,
    listener: (event: InstrumentationEvent<ConsumerPayloads[Type]>) => void,
  ): () => void {
    return this.#instrumentation.on(eventName, listener);
  }

  logger(): Logger {
    return this.#logger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  /** The runner exists at once, so that a seek may follow a run that nobody awaits. */
  async #start(run: ConsumerRunConfig): Promise<void> {
    const { groupId } = this.#config;
    this.#logger.info("Starting", { groupId });
    const runner = new Runner({
      groupId,
      options: consumerOptions(this.#shared.config, this.#config, run, this.#assigners),
      assigners: this.#assigners,
      run,
      retry: consumerRetry(this.#shared.config, this.#config),
      subscriptions: this.#subscriptions,
      assigned: this.#assigned,
      patternRefreshMs: patternRefreshMs(this.#config),
      logger: this.#logger,
      instrumentation: this.#instrumentation,
      onJoined: (assignment) => {
        for (const joining of this.#joining) joining.resolve(assignment);
        this.#joining.clear();
      },
      onCrash: (error) => {
        void this.#crashed(runner, error, run);
      },
    });
    this.#runner = runner;
    try {
      const connection = await this.#connector.use();
      this.#instrumentation.emit("consumer.connect", null);
      await runner.start(connection);
    } catch (error) {
      await this.#crashed(runner, error as Error, run);
    }
  }

  async #crashed(runner: Runner, error: Error, run: ConsumerRunConfig): Promise<void> {
    if (this.#runner !== runner) return;
    const { groupId } = this.#config;
    this.#logger.error(`Crash: ${error.name}: ${error.message}`, { groupId, stack: error.stack });
    await runner.stop();
    this.#runner = undefined;
    this.#instrumentation.emit("consumer.stop", null);
    const restart = (await this.#shallRestart(error)) && this.#wanted;
    // Who starts again needs the cluster that it has.
    if (!restart) {
      await this.#connector.disconnect().catch((failure: unknown) => {
        this.#logger.warn(`Could not disconnect: ${String(failure)}`, { groupId });
      });
      this.#instrumentation.emit("consumer.disconnect", null);
      this.#notJoined(error);
    }
    this.#instrumentation.emit("consumer.crash", { error, groupId, restart });
    if (!restart) return;
    const { initialRetryTime } = consumerRetry(this.#shared.config, this.#config);
    const { retryTime = initialRetryTime } = error as { retryTime?: number };
    this.#logger.error(`Restarting the consumer in ${retryTime}ms`, { retryTime, groupId });
    this.#restart = setTimeout(() => {
      void this.#start(run);
    }, retryTime);
  }

  async #shallRestart(error: Error): Promise<boolean> {
    let cause = error;
    while (cause.cause instanceof Error) cause = cause.cause;
    const retriable =
      error.name === "KafkaJSNumberOfRetriesExceeded" ||
      (cause as { retriable?: boolean }).retriable === true;
    const { restartOnFailure } = { ...this.#shared.config.retry, ...this.#config.retry };
    if (!retriable || restartOnFailure === undefined) return retriable;
    try {
      return await restartOnFailure(error);
    } catch (failure) {
      const message = failure instanceof Error ? failure.message : String(failure);
      this.#logger.error(`restartOnFailure failed, so the consumer restarts: ${message}`);
      return true;
    }
  }

  #notJoined(error: Error): void {
    for (const joining of this.#joining) joining.reject(error);
    this.#joining.clear();
  }

  #running(): Runner {
    if (this.#runner === undefined) {
      throw invalid("Consumer group was not initialized, consumer#run must be called first");
    }
    return this.#runner;
  }
}

function checkPartition({ topic, partition }: TopicPartition): void {
  if (typeof topic !== "string" || topic === "") throw invalid("Invalid topic");
  if (!Number.isInteger(partition)) {
    throw invalid(`Invalid partition, expected a number received ${partition}`);
  }
}
