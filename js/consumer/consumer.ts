// Reads messages as a member of a group.
import { bindMethods } from "../client/bound.js";
import { Connector } from "../client/connection.js";
import { Instrumentation } from "../client/instrumentation.js";
import { describeGroups } from "../client/operations.js";
import type { Shared } from "../client/shared.js";
import { KafkaJSError } from "../errors/errors.js";
import { invalid } from "../errors/refusals.js";
import {
  checkOptions,
  CONSUMER_KINDS,
  MESSAGES_KINDS,
  objectGiven,
  signalGiven,
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
import { Calls } from "../platform/calls.js";
import { macrotask } from "../platform/timing.js";
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
import { type MessagesOptions, MessageStream } from "./message_stream.js";
import { checkPausedTopics, type PausedTopic, Pauses } from "./pauses.js";
import { Run } from "./run.js";
import type { Runner } from "./runner.js";
import { Subscriptions } from "./subscriptions.js";

export class Consumer {
  readonly events = CONSUMER_EVENTS;
  readonly #shared: Shared;
  readonly #config: ConsumerConfig;
  readonly #logger: Logger;
  readonly #assigners: Assigners;
  readonly #instrumentation: Instrumentation<ConsumerPayloads>;
  readonly #subscriptions = new Subscriptions();
  #assigned: readonly TopicPartitionOffset[] = [];
  readonly #pauses = new Pauses();
  readonly #calls = new Calls();
  readonly #connector: Connector;
  /** The last one that was begun, until it is over; those before it end. */
  #run: Run | undefined;
  /** What the last run has crashed of, until there is another. */
  #crash: Error | undefined;

  /** @internal Made by a `Kafka`, whose insides it takes. Throws for impossible options. */
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
  async connect(options: Abortable = {}): Promise<void> {
    const signal = signalGiven(options, "connect()");
    await this.#connector.connect(signal);
    this.#instrumentation.emit("consumer.connect", null);
  }

  /** Stops, and gives up the connection. From inside of a handler as `stop` does. */
  async disconnect(): Promise<void> {
    await this.#unlessInside(this.#disconnect());
  }

  /** Adds topics, before `run`. Patterns are looked up when it runs, and every `metadataMaxAge`. */
  // Async for KafkaJS's sake: its errors are rejections.
  async subscribe(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): Promise<void> {
    if (this.#run !== undefined) {
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
    if (this.#run !== undefined) throw invalid("Cannot assign while consumer is running");
    if (!Array.isArray(partitions)) throw invalid("assign() takes an array of partitions");
    this.#assigned = partitions.map((one) => {
      const { topic, partition, offset } = objectGiven(one, "assign()");
      checkPartition({ topic, partition });
      return { topic, partition, offset: plainOffset(offset) };
    });
  }

  /**
   * Joins the group and calls the handler from then on; resolves when it has joined. Takes the place
   * of a run that waits for its restart, or that is being stopped.
   */
  async run(config: ConsumerRunConfig = {}): Promise<void> {
    const { groupId } = this.#config;
    if (this.#run?.isReplaceable === false) {
      this.#logger.warn("consumer#run was called, but the consumer is already running", {
        groupId,
      });
      return;
    }
    checkOptions(config, "run()", RUN_KINDS);
    tellUnused(this.#shared.logger, "run()", config, RUN_KINDS);
    await this.#begin(config).begun;
  }

  /**
   * Resolves with what this member has been assigned when it has joined the group. Rejects when
   * nothing runs, and when the run ends without having joined.
   */
  async ready(options: Abortable = {}): Promise<Assignment> {
    const signal = signalGiven(options, "ready()");
    signal?.throwIfAborted();
    // Who asks right before they run has said so, too.
    if (this.#run === undefined) await macrotask();
    if (this.#run === undefined || this.#run.isStopping) throw this.#notRunning();
    return this.#run.ready(signal);
  }

  /**
   * Runs, and gives message after message. One counts as processed when the next is asked for. The
   * consumer stops when the loop ends; aborting throws the signal's reason. A stop from elsewhere
   * ends the loop, which has a second to ask for the next; else its message comes again.
   */
  messages(options: MessagesOptions = {}): AsyncGenerator<EachMessagePayload, void, undefined> {
    checkOptions(options, "messages()", MESSAGES_KINDS);
    tellUnused(this.#shared.logger, "messages()", options, MESSAGES_KINDS);
    return new MessageStream((config, onHalt) => {
      if (this.#run?.isReplaceable === false) {
        throw invalid("Cannot read messages() while consumer is running: stop() it before");
      }
      return this.#begin(config, onHalt);
    }, options);
  }

  /**
   * Lets handlers finish their message, for 30 s at most, commits, and leaves the group. From inside
   * of a handler it resolves at once, and all that is done when the handler has returned; a browser
   * knows where it comes from before the handler's first `await` only.
   */
  async stop(): Promise<void> {
    await this.#unlessInside(this.#run?.stop());
  }

  async commitOffsets(offsets: TopicPartitionOffsetAndMetadata[] = []): Promise<void> {
    if (!Array.isArray(offsets)) throw invalid("commitOffsets() takes an array of offsets");
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

  /** Until they are resumed, over restarts and further runs. */
  pause(topics: PausedTopic[] = []): void {
    checkPausedTopics(topics, "pause");
    this.#running();
    this.#pauses.pause(topics);
  }

  /** Those that are assigned and paused. */
  paused(): TopicPartitions[] {
    return this.#run?.runner.paused() ?? [];
  }

  resume(topics: PausedTopic[] = []): void {
    checkPausedTopics(topics, "resume");
    this.#running();
    this.#pauses.resume(topics);
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

  #begin(config: ConsumerRunConfig, onHalt: (run: Run) => void = () => undefined): Run {
    const { groupId, retry } = this.#config;
    const { eachMessage, eachBatch } = config;
    if ((eachMessage ?? eachBatch) === undefined) {
      throw invalid("run needs eachMessage or eachBatch");
    }
    if (eachMessage !== undefined && eachBatch !== undefined) {
      this.#logger.warn("eachBatch is not called: there is eachMessage as well", { groupId });
    }
    if (this.#assigned.length === 0 && this.#subscriptions.isEmpty) {
      this.#logger.warn("There is nothing to read: subscribe() was not called", { groupId });
    }
    const { config: kafka } = this.#shared;
    const run = new Run({
      runner: {
        groupId,
        options: consumerOptions(kafka, this.#config, config, this.#assigners),
        assigners: this.#assigners,
        run: config,
        retry: consumerRetry(kafka, this.#config),
        subscriptions: this.#subscriptions,
        assigned: this.#assigned,
        patternRefreshMs: patternRefreshMs(this.#config),
        logger: this.#logger,
        instrumentation: this.#instrumentation,
        pauses: this.#pauses,
        calls: this.#calls,
      },
      connector: this.#connector,
      restartOnFailure: { ...kafka.retry, ...retry }.restartOnFailure,
      after: this.#run?.stop() ?? Promise.resolve(),
      onHalt,
      onDone: (done, crash) => {
        if (this.#run !== done) return;
        this.#run = undefined;
        this.#crash = crash;
      },
    });
    this.#run = run;
    return run;
  }

  async #disconnect(): Promise<void> {
    // In this order: a run that is not stopping would take the end of its connecting for a crash.
    const stopped = this.#run?.stop();
    this.#connector.cancel();
    await stopped;
    await this.#connector.disconnect();
    this.#instrumentation.emit("consumer.disconnect", null);
  }

  /** Waits, unless it is a handler of this consumer that asks: the promise waits for its end. */
  async #unlessInside(ending: Promise<unknown> | undefined): Promise<void> {
    if (!this.#calls.isInside()) {
      await ending;
      return;
    }
    ending?.catch((error: unknown) => {
      const { groupId } = this.#config;
      this.#logger.warn(`Could not disconnect: ${String(error)}`, { groupId });
    });
  }

  #running(): Runner {
    if (this.#run === undefined) throw this.#notRunning();
    return this.#run.runner;
  }

  #notRunning(): Error {
    const cause = this.#crash;
    if (this.#run !== undefined || cause === undefined) {
      return invalid("Consumer group was not initialized, consumer#run must be called first");
    }
    const message = `The consumer has crashed (${cause.message}): consumer#run must be called again`;
    return invalid(message, { groupId: this.#config.groupId, cause });
  }
}

function checkPartition({ topic, partition }: TopicPartition): void {
  if (typeof topic !== "string" || topic === "") throw invalid("Invalid topic");
  if (!Number.isInteger(partition)) {
    throw invalid(`Invalid partition, expected a number received ${partition}`);
  }
}
