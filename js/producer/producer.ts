// Sends messages.
import { bindMethods } from "../client/bound.js";
import { abortable, type CommandPort } from "../client/command_port.js";
import { type Connection, Connector } from "../client/connection.js";
import { Instrumentation } from "../client/instrumentation.js";
import type { Shared } from "../client/shared.js";
import { KafkaJSError, KafkaJSNonRetriableError } from "../errors/errors.js";
import { invalid, notImplemented } from "../errors/refusals.js";
import {
  MESSAGE_KINDS,
  PRODUCER_KINDS,
  SEND_KINDS,
  checkOptions,
  objectGiven,
  signalGiven,
} from "../options/checks.js";
import { producerOptions } from "../options/client.js";
import { tellMisspelt, tellUnused } from "../options/unused.js";
import { encodeMessages } from "../records/flat.js";
import type { Abortable } from "../types/abortable.js";
import { CompressionTypes } from "../types/compression.js";
import type { ProducerConfig } from "../types/config.js";
import {
  type InstrumentationEvent,
  PRODUCER_EVENTS,
  type ProducerPayloads,
} from "../types/events.js";
import type { Logger } from "../types/logger.js";
import type { Message } from "../types/message.js";
import type { PartitionMetadata } from "../types/partition.js";
import type {
  PartitionerArgs,
  ProducerBatch,
  ProducerRecord,
  RecordMetadata,
  Sender,
  TopicMessages,
} from "../types/producer.js";
import { Partitioners } from "./partitioners.js";

const TIMEOUT_MS = 30_000;
const ACKS_ALL = -1;
const ACKS_NONE = 0;

/** A partition's share of an answer; see `src/bindings/producer_client.rs`. */
interface Sent {
  partitions: (Omit<RecordMetadata, "topicName"> & { topic: string })[];
}

type Partitioner = (args: PartitionerArgs) => number;

export class Producer implements Sender {
  readonly events = PRODUCER_EVENTS;
  readonly #config: ProducerConfig;
  readonly #logger: Logger;
  /** Of the `Kafka`: what it was told once is not told again by another client. */
  readonly #rootLogger: Logger;
  readonly #instrumentation: Instrumentation<ProducerPayloads>;
  /** Only the application's own: Kafka's runs in the wasm. */
  readonly #partitioner: Partitioner | undefined;
  /** Settle when the last send of a topic has left, while an own partitioner is asked. */
  readonly #turns = new Map<string, Promise<void>>();
  readonly #connector: Connector;
  #disconnecting: Promise<void> | undefined;

  /** @internal Made by a `Kafka`, whose insides it takes. */
  constructor(shared: Shared, config: ProducerConfig) {
    bindMethods(this);
    this.#config = config;
    this.#logger = shared.logger.namespace("Producer");
    this.#instrumentation = new Instrumentation("producer", PRODUCER_EVENTS, this.#logger);
    const options = producerOptions(shared.config, config);
    this.#rootLogger = shared.logger;
    tellUnused(shared.logger, "producer()", config, PRODUCER_KINDS);
    this.#connector = new Connector(shared, this, "producer", options, this.#instrumentation);
    const { createPartitioner = Partitioners.DefaultPartitioner } = config;
    if (createPartitioner !== Partitioners.DefaultPartitioner) {
      this.#partitioner = createPartitioner();
      if (typeof this.#partitioner !== "function") {
        throw invalid("createPartitioner must return a function");
      }
    }
  }

  /** Resolves when the broker has been reached; waits as long as another tab has it. */
  async connect(options: Abortable = {}): Promise<void> {
    const signal = signalGiven(options, "connect()");
    if (this.#connector.isConnected) return;
    await this.#connector.connect(signal);
    this.#instrumentation.emit("producer.connect", null);
  }

  /** Resolves when what was sent has been answered. */
  async disconnect(): Promise<void> {
    // Without a pause: what is sent from now on is refused.
    this.#disconnecting ??= this.#disconnect().finally(() => {
      this.#disconnecting = undefined;
    });
    await this.#disconnecting;
  }

  /** Sends messages of one topic; resolves when they are as safe as `acks` says. */
  async send(record: ProducerRecord): Promise<RecordMetadata[]> {
    const { topic, messages, ...options } = objectGiven(record, "send()");
    return this.sendBatch({ ...options, topicMessages: [{ topic, messages }] });
  }

  /** Sends messages of several topics. */
  async sendBatch(batch: ProducerBatch): Promise<RecordMetadata[]> {
    checkOptions(batch, "sendBatch()", SEND_KINDS);
    tellUnused(this.#rootLogger, "send()", batch, SEND_KINDS);
    const {
      acks = ACKS_ALL,
      timeout = TIMEOUT_MS,
      compression = CompressionTypes.None,
      topicMessages = [],
      signal,
    } = batch;
    this.#check(acks, topicMessages);
    const { port } = this.#connected();
    signal?.throwIfAborted();
    const merged = merge(topicMessages);
    if (merged.length === 0) return [];
    const send = (all: TopicMessages[]): Promise<Sent> => {
      const topics = all.map(({ topic, messages }) => ({
        topic,
        records: encodeMessages(topic, messages),
      }));
      const command = { type: "send", acks, timeoutMs: timeout, compression, topics };
      const transfer = topics.map(({ records }) => records.buffer);
      return port.request<Sent>(command, { signal, transfer });
    };
    const partitioner = this.#partitioner;
    // Awaiting where there is nothing to wait for would let a later send overtake.
    const sent =
      partitioner === undefined
        ? send(merged)
        : abortable(this.#inTurn(port, partitioner, merged, send), signal);
    const { partitions } = await sent;
    if (acks === ACKS_NONE) return [];
    return partitions.map(({ topic, ...metadata }) => ({ topicName: topic, ...metadata }));
  }

  /** Resolves when all that was sent before has been answered. */
  async flush(options: Abortable = {}): Promise<void> {
    const signal = signalGiven(options, "flush()");
    const { port } = this.#connected();
    // What was sent before may not have left yet.
    if (0 < this.#turns.size) await abortable(Promise.all(this.#turns.values()), signal);
    await port.request({ type: "flush" }, { signal });
  }

  /** Whether the broker drops what is sent twice: all that is sent with `acks: -1`. */
  isIdempotent(): boolean {
    return this.#config.idempotent ?? true;
  }

  /** Always rejects, and a call does not compile: there are no transactions yet. */
  // KafkaJS's producers have it, and it fails there too without a transactional id.
  transaction(notServed: never): Promise<never>;
  async transaction(): Promise<never> {
    return Promise.reject(notImplemented("transactions"));
  }

  /** Calls the listener with every such event. Returns what ends it. */
  on<Type extends keyof ProducerPayloads>(
    eventName: Type,
    listener: (event: InstrumentationEvent<ProducerPayloads[Type]>) => void,
  ): () => void {
    return this.#instrumentation.on(eventName, listener);
  }

  logger(): Logger {
    return this.#logger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  async #disconnect(): Promise<void> {
    try {
      await Promise.all(this.#turns.values());
      await this.#connector.disconnect();
    } finally {
      this.#instrumentation.emit("producer.disconnect", null);
    }
  }

  #connected(): Connection {
    if (this.#disconnecting !== undefined) {
      throw new KafkaJSNonRetriableError(
        "The producer is disconnecting; therefore, it can't safely accept messages anymore",
        { type: "CLOSED" },
      );
    }
    const { connection } = this.#connector;
    if (connection === undefined) {
      throw new KafkaJSError("The producer is disconnected", { type: "CLOSED" });
    }
    return connection;
  }

  #check(acks: number, topicMessages: readonly TopicMessages[]): void {
    for (const one of topicMessages) {
      const { topic } = objectGiven(one, "topicMessages");
      if (typeof topic !== "string" || topic === "") throw invalid("Invalid topic");
    }
    if (this.#config.idempotent === true && acks !== ACKS_ALL) {
      throw invalid("An idempotent producer needs acks: -1; without it there is no idempotence");
    }
    for (const { topic, messages } of topicMessages) {
      if (!Array.isArray(messages)) {
        throw invalid(`Invalid messages array [${String(messages)}] for topic "${topic}"`, {
          topic,
        });
      }
      const withoutValue = (message: Message | null | undefined): boolean =>
        (message as Partial<Message> | null | undefined)?.value === undefined;
      if (messages.some(withoutValue)) {
        throw invalid(`Invalid message without value for topic "${topic}"`, { topic });
      }
      // Of each send one: what is written wrong is so in all that one place of a program makes.
      const [first] = messages;
      if (first !== undefined) tellMisspelt(this.#rootLogger, "a message", first, MESSAGE_KINDS);
    }
  }

  /**
   * Sends with the partitions that the application's own partitioner chooses. It must be told of the
   * topic's partitions first; the sends of a topic leave in the order of their calls all the same.
   */
  #inTurn(
    port: CommandPort,
    partitioner: Partitioner,
    topicMessages: TopicMessages[],
    send: (all: TopicMessages[]) => Promise<Sent>,
  ): Promise<Sent> {
    const topics = topicMessages.map(({ topic }) => topic);
    const before = Promise.all(topics.map((topic) => this.#turns.get(topic) ?? Promise.resolve()));
    const left = before
      .then(() => partitioned(port, partitioner, topicMessages))
      // It has left when it is posted; its answer is not waited for here.
      .then((all) => ({ answer: send(all) }));
    const settled = (): void => {
      for (const topic of topics) {
        if (this.#turns.get(topic) === turn) this.#turns.delete(topic);
      }
    };
    const turn = left.then(settled, settled);
    for (const topic of topics) this.#turns.set(topic, turn);
    return left.then(({ answer }) => answer);
  }
}

function partitioned(
  port: CommandPort,
  partitioner: Partitioner,
  topicMessages: TopicMessages[],
): Promise<TopicMessages[]> {
  return Promise.all(
    topicMessages.map(async ({ topic, messages }) => {
      const { partitions: partitionMetadata } = await port.request<{
        partitions: PartitionMetadata[];
      }>({ type: "partitionsFor", topic });
      const choose = (message: Message): Message => {
        return { ...message, partition: partitioner({ topic, partitionMetadata, message }) };
      };
      return { topic, messages: messages.map(choose) };
    }),
  );
}

/** One list of messages for each topic that has any. */
function merge(topicMessages: readonly TopicMessages[]): TopicMessages[] {
  const merged = new Map<string, Message[]>();
  for (const { topic, messages } of topicMessages) {
    if (messages.length === 0) continue;
    merged.set(topic, [...(merged.get(topic) ?? []), ...messages]);
  }
  return Array.from(merged, ([topic, messages]) => ({ topic, messages }));
}
