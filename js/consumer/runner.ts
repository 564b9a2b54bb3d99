// One run of a consumer: from joining its group to leaving it.
import { type ClientEvent, type Command, CommandPort } from "../client/command_port.js";
import type { Connection } from "../client/connection.js";
import type { Instrumentation } from "../client/instrumentation.js";
import { asError } from "../errors/error_object.js";
import { KafkaJSError } from "../errors/errors.js";
import type { Retry } from "../options/client.js";
import type { Calls } from "../platform/calls.js";
import { settlesWithin, sleep } from "../platform/timing.js";
import type { ConsumerRunConfig } from "../types/consumer.js";
import type { ConsumerPayloads } from "../types/events.js";
import type { Logger } from "../types/logger.js";
import type {
  Assignment,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionOffsetAndMetadata,
  TopicPartitions,
} from "../types/partition.js";
import type { Assigners, AssignorQuestion } from "./assigners.js";
import type { PolledBatch } from "./batch.js";
import { Handler } from "./handler.js";
import type { Pauses } from "./pauses.js";
import { Progress } from "./progress.js";
import type { Subscriptions } from "./subscriptions.js";
import { partitionKey, Work } from "./work.js";

/** As Kafka's consumers wait when they are closed. */
const HANDLERS_MS_MAX = 30_000;
/** Messages that a handler gets at once, at most. */
const BATCH_MESSAGES_MAX = 10_000;

const COORDINATOR_NOT_AVAILABLE = 15;

export interface RunnerOptions {
  groupId: string;
  /** For the wasm. */
  options: object;
  assigners: Assigners;
  run: ConsumerRunConfig;
  retry: Retry;
  subscriptions: Subscriptions;
  /** Read without a group, in place of subscriptions. */
  assigned: readonly TopicPartitionOffset[];
  /** Milliseconds between two looks at the topics, for subscriptions by pattern. */
  patternRefreshMs: number;
  logger: Logger;
  instrumentation: Instrumentation<ConsumerPayloads>;
  /** The consumer's: they outlive its runs. */
  pauses: Pauses;
  calls: Calls;
  onJoined(assignment: Assignment): void;
}

export class Runner {
  /** Resolves when it cannot go on, with why; without when it is stopped. A stop is due then, too. */
  readonly ended: Promise<Error | undefined>;
  #end: (error: Error | undefined) => void = () => undefined;
  readonly #options: RunnerOptions;
  readonly #handler: Handler;
  readonly #progress = new Progress();
  readonly #inHand = new Map<string, Work>();
  readonly #polls = new Set<number>();
  readonly #stop = new AbortController();
  /** What was asked before there was a port. */
  #early: Command[] | undefined = [];
  #port: CommandPort | undefined;
  #workers: Promise<void>[] = [];
  #stopped: Promise<void> | undefined;
  #memberId = "";
  #assignment: Assignment | undefined;
  #subscribed = "";
  #joined: (() => void) | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#handler = new Handler({
      run: options.run,
      retry: options.retry,
      logger: options.logger,
      progress: this.#progress,
      pauses: options.pauses,
      calls: options.calls,
      stop: this.#stop.signal,
      tell: (command) => this.#port?.tell(command),
      request: (command) => this.#request(command),
    });
    options.pauses.tellOf((command) => {
      this.#ask(command);
    });
  }

  /** What this member has, once it has joined. */
  get assignment(): Assignment | undefined {
    return this.#assignment;
  }

  isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Resolves when the group has been joined, or will not be: then the crash tells why. */
  async start({ cluster }: Connection): Promise<void> {
    if (this.isStopped()) return;
    try {
      const { options, instrumentation } = this.#options;
      const port = new CommandPort(cluster, "consumer", options, instrumentation, (event) => {
        this.#happened(event);
      });
      this.#port = port;
      await port.request({ type: "connect" });
      for (const command of this.#early ?? []) this.#say(port, command);
      this.#early = undefined;
      const joined = new Promise<void>((resolve) => {
        this.#joined = resolve;
        this.#stop.signal.addEventListener("abort", () => {
          resolve();
        });
      });
      const { assigned } = this.#options;
      const groupless = 0 < assigned.length;
      if (groupless) {
        await port.request({ type: "assign", partitions: assigned });
        this.#takeAssignment(assignmentOf(assigned));
      }
      const topics = groupless ? 0 : await this.#subscribe(port);
      if (this.isStopped()) return;
      const { partitionsConsumedConcurrently: workers = 1 } = this.#options.run;
      this.#workers = Array.from({ length: workers }, () => this.#work(port));
      if (this.#options.subscriptions.hasPatterns) this.#workers.push(this.#watchTopics(port));
      // Without a topic there is nothing to join for, until a pattern finds one.
      if (0 < topics) await joined;
    } catch (error) {
      this.#crash(error);
    }
  }

  /** Lets handlers finish their message, commits, and leaves the group. */
  stop(): Promise<void> {
    this.#stop.abort();
    this.#end(undefined);
    this.#stopped ??= this.#leave();
    return this.#stopped;
  }

  seek({ topic, partition, offset }: TopicPartitionOffset): void {
    this.#inHand.get(partitionKey({ topic, partition }))?.abandon();
    this.#progress.forget({ topic, partition });
    this.#ask({ type: "seek", topic, partition, offset });
  }

  paused(): TopicPartitions[] {
    return this.#options.pauses.among(this.#assignment ?? {});
  }

  async commit(offsets: readonly TopicPartitionOffsetAndMetadata[]): Promise<void> {
    await this.#request({ type: "commit", offsets });
  }

  async #leave(): Promise<void> {
    const port = this.#port;
    if (port === undefined) return;
    for (const poll of this.#polls) this.#say(port, { type: "cancelPoll", poll });
    const { groupId, logger } = this.#options;
    if (!(await settlesWithin(Promise.allSettled(this.#workers), HANDLERS_MS_MAX))) {
      const message = `Leaves the group without handlers that have not returned in ${HANDLERS_MS_MAX} ms`;
      logger.warn(message, { groupId });
      for (const work of this.#inHand.values()) work.abandon();
    }
    try {
      await port.request({ type: "close" });
    } catch (error) {
      // Who leaves a broker that is gone has left; the session timeout says it to the group.
      logger.warn(`Could not leave the group: ${asError(error).message}`, { groupId });
    }
    port.close();
  }

  /** Polls and works on one batch after the other. */
  async #work(port: CommandPort): Promise<void> {
    try {
      while (!this.isStopped()) {
        const { id, answer } = port.requestById<{ batch?: PolledBatch | null }>({
          type: "poll",
          recordsMax: BATCH_MESSAGES_MAX,
        });
        this.#polls.add(id);
        const { batch } = await answer.finally(() => this.#polls.delete(id));
        if (batch !== undefined && batch !== null) await this.#process(batch);
      }
    } catch (error) {
      this.#crash(error);
    }
  }

  async #process(batch: PolledBatch): Promise<void> {
    const work = new Work(batch);
    const key = partitionKey(batch);
    this.#inHand.set(key, work);
    try {
      const startedAtMs = Date.now();
      const payload = {
        topic: batch.topic,
        partition: batch.partition,
        highWatermark: batch.highWatermark,
        offsetLag: work.batch.offsetLag(),
        offsetLagLow: work.batch.offsetLagLow(),
        batchSize: work.batch.messages.length,
        firstOffset: work.batch.firstOffset() ?? batch.nextOffset,
        lastOffset: work.batch.lastOffset(),
      };
      const { instrumentation } = this.#options;
      instrumentation.emit("consumer.start_batch_process", payload);
      if (!(await this.#handler.handle(work))) return;
      const duration = Date.now() - startedAtMs;
      instrumentation.emit("consumer.end_batch_process", { ...payload, duration });
    } finally {
      // After a seek another worker may have later records of the partition in hand.
      if (this.#inHand.get(key) === work) this.#inHand.delete(key);
      this.#port?.tell({ type: "processed", ...work.partition, nextOffset: work.nextOffset });
    }
  }

  /** Subscribes to what there is; gives the number of topics. */
  async #subscribe(port: CommandPort): Promise<number> {
    const { subscriptions } = this.#options;
    let all: string[] = [];
    if (subscriptions.hasPatterns) {
      const answer = await port.request<{ topics?: string[] }>({ type: "listTopics" });
      all = answer.topics ?? [];
    }
    const topics = subscriptions.resolve(all);
    const subscribed = JSON.stringify(topics);
    if (0 < topics.length && subscribed !== this.#subscribed) {
      await port.request({ type: "subscribe", topics });
      this.#subscribed = subscribed;
    }
    return topics.length;
  }

  /** Looks again and again for topics that match a pattern. */
  async #watchTopics(port: CommandPort): Promise<void> {
    try {
      for (;;) {
        await sleep(this.#options.patternRefreshMs, this.#stop.signal);
        if (this.isStopped()) return;
        await this.#subscribe(port);
      }
    } catch (error) {
      this.#crash(error);
    }
  }

  #crash(thrown: unknown): void {
    // Who stops closes what others wait for.
    if (this.isStopped()) return;
    this.#stop.abort();
    this.#end(thrown instanceof Error ? thrown : asError(thrown));
  }

  /** Asks for what has an answer that nobody waits for. */
  #ask(command: Command): void {
    if (this.#port === undefined || this.#early !== undefined) this.#early?.push(command);
    else this.#say(this.#port, command);
  }

  #say(port: CommandPort, command: Command): void {
    port.request(command).catch((error: unknown) => {
      this.#crash(error);
    });
  }

  async #request(command: Command): Promise<void> {
    if (this.#port === undefined) {
      throw new KafkaJSError("The consumer has not reached its group yet", {
        type: "COORDINATOR_NOT_AVAILABLE",
        code: COORDINATOR_NOT_AVAILABLE,
      });
    }
    await this.#port.request(command);
  }

  #happened({ name, payload }: ClientEvent): void {
    const { groupId, instrumentation, logger } = this.#options;
    switch (name) {
      case "groupJoin": {
        const join = payload as ConsumerPayloads["consumer.group_join"];
        this.#memberId = join.memberId;
        logger.info("Consumer has joined the group", join);
        instrumentation.emit("consumer.group_join", join);
        this.#takeAssignment(join.memberAssignment);
        break;
      }
      case "rebalancing": {
        const { memberId, revoking } = payload as { memberId: string; revoking: TopicPartition[] };
        for (const partition of revoking) this.#inHand.get(partitionKey(partition))?.interrupt();
        instrumentation.emit("consumer.rebalancing", { groupId, memberId });
        break;
      }
      case "revoked":
      case "lost":
        for (const partition of (payload as { partitions: TopicPartition[] }).partitions) {
          this.#inHand.get(partitionKey(partition))?.lose();
          this.#progress.forget(partition);
        }
        break;
      case "heartbeat":
        instrumentation.emit(
          "consumer.heartbeat",
          payload as ConsumerPayloads["consumer.heartbeat"],
        );
        break;
      case "commitOffsets":
        this.#committed(payload as CommitOffsets);
        break;
      case "fetchStart":
        instrumentation.emit("consumer.fetch_start", payload as { nodeId: number });
        break;
      case "fetch":
        instrumentation.emit("consumer.fetch", payload as ConsumerPayloads["consumer.fetch"]);
        break;
      case "receivedUnsubscribedTopics": {
        const event = payload as Omit<
          ConsumerPayloads["consumer.received_unsubscribed_topics"],
          "memberId" | "topicsNotSubscribed"
        >;
        instrumentation.emit("consumer.received_unsubscribed_topics", {
          ...event,
          memberId: this.#memberId,
          topicsNotSubscribed: event.assignedTopics.filter(
            (topic) => !event.topicsSubscribed.includes(topic),
          ),
        });
        break;
      }
      case "assignorAsked":
        void this.#answerAssignor(payload as AssignorQuestion);
        break;
      case "crash":
        this.#crash(asError((payload as { error: unknown }).error));
    }
  }

  #takeAssignment(assignment: Assignment): void {
    this.#assignment = assignment;
    this.#joined?.();
    this.#options.onJoined(assignment);
  }

  /** An assigner that fails ends the run, so that the group goes on without this member. */
  async #answerAssignor(asked: AssignorQuestion): Promise<void> {
    try {
      const answers = await this.#options.assigners.answer(asked);
      this.#port?.tell({ type: "answerAssignor", question: asked.question, answers });
    } catch (error) {
      this.#crash(error);
    }
  }

  #committed({ offsets, ...event }: CommitOffsets): void {
    this.#progress.committed(offsets);
    const topics = new Map<string, { partition: number; offset: string }[]>();
    for (const { topic, partition, offset } of offsets) {
      topics.set(topic, [...(topics.get(topic) ?? []), { partition, offset }]);
    }
    this.#options.instrumentation.emit("consumer.commit_offsets", {
      ...event,
      topics: Array.from(topics, ([topic, partitions]) => ({ topic, partitions })),
    });
  }
}

interface CommitOffsets {
  groupId: string;
  memberId: string;
  groupGenerationId: number;
  offsets: TopicPartitionOffset[];
}

function assignmentOf(partitions: readonly TopicPartition[]): Assignment {
  const assignment = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const those = assignment.get(topic);
    if (those === undefined) assignment.set(topic, [partition]);
    else those.push(partition);
  }
  return Object.fromEntries(assignment);
}
