// The options of KafkaJS, checked and made into what the wasm takes; see `src/bindings/config.rs`.
import { invalid } from "../errors/refusals.js";
import type { ConsumerConfig, KafkaConfig, ProducerConfig, RetryOptions } from "../types/config.js";
import type { ConsumerRunConfig } from "../types/consumer.js";
import {
  checkOptions,
  CONSUMER_KINDS,
  PRODUCER_KINDS,
  refuseUnserved,
  RETRY_KINDS,
} from "./checks.js";

/** Both are KafkaJS's. */
const METADATA_MAX_AGE_MS = 300_000;
const RETRY = {
  initialRetryTime: 300,
  maxRetryTime: 30_000,
  factor: 0.2,
  multiplier: 2,
  retries: 5,
};
/** The wasm counts retries in 32 bits; KafkaJS's programs pass `Number.MAX_SAFE_INTEGER`. */
const RETRIES_MAX = 2 ** 32 - 1;

/** What the wasm knows of retrying. */
export type Retry = Required<Omit<RetryOptions, "restartOnFailure">>;

/** All of the options, the later ones winning. */
export function retryOptions(...given: (RetryOptions | undefined)[]): Retry {
  const merged: RetryOptions = { ...RETRY };
  for (const options of given) {
    if (options === undefined) continue;
    checkOptions(options, "retry", RETRY_KINDS, "retry.");
    Object.assign(merged, present(options));
  }
  const { initialRetryTime, maxRetryTime, factor, multiplier, retries } = merged as Retry;
  return {
    initialRetryTime: Math.round(initialRetryTime),
    maxRetryTime: Math.round(maxRetryTime),
    factor,
    multiplier,
    retries: Math.min(retries, RETRIES_MAX),
  };
}

interface ClientConfig {
  metadataMaxAge?: number;
  allowAutoTopicCreation?: boolean;
  retry?: RetryOptions;
}

/** The part that producers, consumers and admins share. */
export function clientOptions(kafka: KafkaConfig, client: ClientConfig): object {
  return present({
    clientId: kafka.clientId,
    connectionTimeout: kafka.connectionTimeout,
    requestTimeout: kafka.requestTimeout,
    metadataMaxAge: client.metadataMaxAge ?? METADATA_MAX_AGE_MS,
    allowAutoTopicCreation: client.allowAutoTopicCreation ?? true,
    retry: retryOptions(kafka.retry, client.retry),
  });
}

export function producerOptions(kafka: KafkaConfig, config: ProducerConfig): object {
  checkOptions(config, "producer()", PRODUCER_KINDS);
  refuseUnserved(config);
  const { idempotent } = config;
  if (idempotent === true && (config.retry?.retries ?? 1) < 1) {
    throw invalid("Idempotent producer must allow retries to protect against transient errors");
  }
  return present({
    client: clientOptions(kafka, config),
    lingerMs: config.lingerMs,
    batchSize: config.batchSize,
    maxRequestSize: config.maxRequestSize,
    bufferMemory: config.bufferMemory,
    deliveryTimeout: config.deliveryTimeout,
    idempotent,
  });
}

/** A consumer's: the retries of the `Kafka` are not its own, as in KafkaJS. */
export function consumerRetry(kafka: KafkaConfig, { retry }: ConsumerConfig): Retry {
  return retryOptions(kafka.retry, retry ?? { retries: RETRY.retries });
}

/** Throws for a configuration that no consumer can have. */
export function checkConsumer(given: ConsumerConfig | undefined): void {
  const config: Partial<ConsumerConfig> = given ?? {};
  if (typeof config.groupId !== "string" || config.groupId === "") {
    throw invalid("Consumer groupId must be a non-empty string.");
  }
  checkOptions(config, "consumer()", CONSUMER_KINDS);
  const { heartbeatInterval = 3_000, sessionTimeout = 30_000 } = config;
  if (sessionTimeout <= heartbeatInterval) {
    throw invalid(
      `Consumer heartbeatInterval (${heartbeatInterval}) must be lower than sessionTimeout ` +
        `(${sessionTimeout}); a third of it is usual`,
    );
  }
}

export function consumerOptions(
  kafka: KafkaConfig,
  config: ConsumerConfig,
  run: ConsumerRunConfig,
  assigners: { offered: object[] },
): object {
  return present({
    client: clientOptions(kafka, { ...config, retry: consumerRetry(kafka, config) }),
    groupId: config.groupId,
    groupInstanceId: config.groupInstanceId,
    partitionAssigners: assigners.offered,
    sessionTimeout: config.sessionTimeout,
    rebalanceTimeout: config.rebalanceTimeout,
    heartbeatInterval: config.heartbeatInterval,
    autoCommit: run.autoCommit ?? true,
    autoCommitInterval: run.autoCommitInterval ?? undefined,
    autoCommitThreshold: run.autoCommitThreshold ?? undefined,
    maxBytesPerPartition: config.maxBytesPerPartition,
    minBytes: config.minBytes,
    maxBytes: config.maxBytes,
    maxWaitTimeInMs: config.maxWaitTimeInMs,
    readUncommitted: config.readUncommitted,
  });
}

/** How often topics are looked up for subscriptions by pattern. */
export function patternRefreshMs(config: ConsumerConfig): number {
  return config.metadataMaxAge ?? METADATA_MAX_AGE_MS;
}

/** Without the properties that are undefined: they would hide the defaults of the wasm. */
function present<Options extends object>(options: Options): Options {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Options;
}
