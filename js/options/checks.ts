// What the options of applications may be: a table for each kind of client and call.
import { invalid, notImplemented } from "../errors/refusals.js";
import type { Abortable } from "../types/abortable.js";
import { CompressionTypes } from "../types/compression.js";
import type { ConsumerConfig, KafkaConfig, ProducerConfig, RetryOptions } from "../types/config.js";
import type {
  ConsumerRunConfig,
  ConsumerSubscribeTopic,
  ConsumerSubscribeTopics,
} from "../types/consumer.js";
import type { Message } from "../types/message.js";
import { logLevel } from "../types/logger.js";
import type { ProducerBatch } from "../types/producer.js";

/** What an option may be: in words, and whether a value is that; and why it has no effect. */
export type Kind = readonly [words: string, fits: (value: unknown) => boolean, unused?: string];
/** Of every option: one without a kind does not compile. */
export type Kinds<Options> = Readonly<Record<keyof Options, Kind>>;

const ofType = (type: string, words = `a ${type}`): Kind => [
  words,
  (value) => typeof value === type,
];
export const wholeFrom = (min: number, max = Number.MAX_SAFE_INTEGER): Kind => [
  `a whole number of at least ${min}${max < Number.MAX_SAFE_INTEGER ? ` and at most ${max}` : ""}`,
  (value) => Number.isSafeInteger(value) && min <= (value as number) && (value as number) <= max,
];
const oneOf = (words: string, values: readonly unknown[]): Kind => [
  words,
  (value) => values.includes(value),
];
export const orNull = ([words, fits]: Kind): Kind => [
  `${words} or null`,
  (value) => value === null || fits(value),
];

/** KafkaJS's programs pass it, and it changes nothing here. */
const unused = ([words, fits]: Kind, why: string): Kind => [words, fits, why];

const text = ofType("string");
export const flag = ofType("boolean");
const callback = ofType("function");
const object: Kind = ["an object", isObject];
const whole = wholeFrom(0);
const positive = wholeFrom(1);
/** What the protocol, or the wasm's memory, counts in 32 bits. */
const INT32_MAX = 2 ** 31 - 1;
export const whole32 = wholeFrom(0, INT32_MAX);
const positive32 = wholeFrom(1, INT32_MAX);
const notNegative: Kind = [
  "a number of at least 0",
  (value) => typeof value === "number" && 0 <= value,
];
const finite: Kind = [
  "a finite number of at least 0",
  (value) => Number.isFinite(value) && 0 <= (value as number),
];
export const any: Kind = ["", () => true];
const callbacks: Kind = [
  "an array of at least one function",
  (value) =>
    Array.isArray(value) && 0 < value.length && value.every((one) => typeof one === "function"),
];

export const RETRY_KINDS: Kinds<RetryOptions> = {
  initialRetryTime: finite,
  maxRetryTime: finite,
  factor: finite,
  multiplier: finite,
  retries: notNegative,
  restartOnFailure: callback,
};

export const KAFKA_KINDS: Kinds<KafkaConfig> = {
  cluster: ["a non-empty string", (value) => typeof value === "string" && value !== ""],
  storage: oneOf('"indexeddb" or "memory"', ["indexeddb", "memory"]),
  worker: [
    "a boolean, a URL or a function that makes a Worker",
    (value) => ["boolean", "function"].includes(typeof value) || isUrl(value),
  ],
  wasm: [
    "a URL, a Response, bytes or a WebAssembly.Module",
    (value) => isUrl(value) || (typeof value === "object" && value !== null),
  ],
  brokerConfig: object,
  clientId: text,
  connectionTimeout: positive,
  requestTimeout: positive,
  retry: object,
  logLevel: oneOf("one of logLevel", Object.values(logLevel).filter(Number.isInteger)),
  logCreator: callback,
  brokers: unused(any, "there is nothing to dial: the broker is in this origin"),
  enforceRequestTimeout: unused(flag, "a request always has its timeout"),
  ssl: any,
  sasl: any,
  socketFactory: any,
};

export const PRODUCER_KINDS: Kinds<ProducerConfig> = {
  createPartitioner: callback,
  retry: object,
  metadataMaxAge: whole,
  allowAutoTopicCreation: flag,
  idempotent: flag,
  transactionalId: any,
  transactionTimeout: unused(positive, "there are no transactions"),
  maxInFlightRequests: unused(orNull(positive), "order and idempotence hold with any number"),
  lingerMs: whole,
  batchSize: whole32,
  maxRequestSize: positive32,
  bufferMemory: positive32,
  deliveryTimeout: positive,
};

export const CONSUMER_KINDS: Kinds<ConsumerConfig> = {
  groupId: any,
  groupInstanceId: text,
  partitionAssigners: callbacks,
  metadataMaxAge: whole,
  sessionTimeout: positive32,
  rebalanceTimeout: positive32,
  heartbeatInterval: positive,
  maxBytesPerPartition: positive32,
  minBytes: whole32,
  maxBytes: positive32,
  maxWaitTimeInMs: whole32,
  retry: object,
  allowAutoTopicCreation: flag,
  maxInFlightRequests: unused(orNull(positive), "fetches wait side by side, a few at a time"),
  readUncommitted: flag,
  rackId: unused(text, "all brokers are in this origin"),
};

export const ADMIN_KINDS: Kinds<{ retry?: RetryOptions }> = { retry: object };

export const RUN_KINDS: Kinds<ConsumerRunConfig & { signal?: never }> = {
  autoCommit: flag,
  autoCommitInterval: orNull(whole),
  autoCommitThreshold: orNull(whole),
  eachBatchAutoResolve: flag,
  partitionsConsumedConcurrently: positive,
  eachBatch: callback,
  eachMessage: callback,
  signal: ["left out: consumer.stop() ends a run", () => false],
};

/** Of `messages()`, which stands for a run with a handler of its own. */
export const MESSAGES_KINDS: Kinds<
  Omit<ConsumerRunConfig, "eachBatch" | "eachMessage"> & Abortable
> = {
  autoCommit: flag,
  autoCommitInterval: RUN_KINDS.autoCommitInterval,
  autoCommitThreshold: RUN_KINDS.autoCommitThreshold,
  eachBatchAutoResolve: flag,
  partitionsConsumedConcurrently: positive,
  signal: ["an AbortSignal", (value) => isObject(value) && "throwIfAborted" in (value as object)],
};

export const SUBSCRIBE_KINDS: Kinds<ConsumerSubscribeTopics & ConsumerSubscribeTopic> = {
  topics: any,
  topic: any,
  fromBeginning: flag,
};

/** With what KafkaJS's consumers give, which programs send on. */
export const MESSAGE_KINDS: Kinds<Message> = {
  key: any,
  value: any,
  partition: any,
  headers: any,
  timestamp: any,
};

export const SEND_KINDS: Kinds<ProducerBatch> = {
  acks: oneOf("0, 1 or -1", [0, 1, -1]),
  timeout: whole32,
  compression: oneOf(
    "one of CompressionTypes",
    Object.values(CompressionTypes).filter(Number.isInteger),
  ),
  topicMessages: ["an array", Array.isArray],
  signal: ["an AbortSignal", (value) => isObject(value) && "throwIfAborted" in (value as object)],
};

/** The signal of a call that may be aborted. */
export function signalGiven(given: Abortable, to: string): Abortable["signal"] {
  checkOptions(given, to, { signal: SEND_KINDS.signal });
  return given.signal;
}

/**
 * Throws for what is no object, or has an option that is not what it may be. What is undefined is
 * left out, and what is in no table is not looked at, as in KafkaJS. The names begin with `path`.
 */
export function checkOptions(
  given: object,
  to: string,
  kinds: Readonly<Record<string, Kind>>,
  path = "",
): void {
  const options = objectGiven(given, to) as Record<string, unknown>;
  for (const [name, [words, fits]] of Object.entries(kinds)) {
    const value = options[name];
    if (value === undefined || fits(value)) continue;
    throw invalid(`${path}${name} must be ${words}, not ${shown(value)}`);
  }
}

/** What is given, if it is an object; `to` says what it was given to. */
export function objectGiven<Given extends object>(given: Given, to: string): Given {
  if (isObject(given)) return given;
  throw invalid(`${to} takes an object, not ${shown(given)}`);
}

function isUrl(value: unknown): boolean {
  return typeof value === "string" || (isObject(value) && "href" in (value as object));
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value, short enough for a message. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return 0 < value.length ? "an array" : "[]";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

/** Throws for what KafkaJS has, and programs without types may pass. */
export function refuseUnserved(
  given: Partial<Record<"sasl" | "ssl" | "socketFactory" | "transactionalId", unknown>>,
): void {
  const { sasl, ssl, socketFactory, transactionalId } = given;
  if (sasl !== undefined) throw notImplemented("sasl: nobody logs in to a broker in a tab");
  if (ssl !== undefined && ssl !== false) throw notImplemented("ssl: nothing leaves the origin");
  if (socketFactory !== undefined) throw notImplemented("a socketFactory");
  if (transactionalId !== undefined) throw notImplemented("transactions");
}
