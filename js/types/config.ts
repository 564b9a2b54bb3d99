// How clusters and clients are configured: KafkaJS's options under KafkaJS's names.
import type { WasmSource, WorkerSource } from "./arrival.js";
import type { PartitionAssigner } from "./assigner.js";
import type { logCreator, logLevel } from "./logger.js";
import type { ICustomPartitioner } from "./producer.js";

/** When what failed is tried again. */
export interface RetryOptions {
  /** Milliseconds between two tries, at most. Default 30,000. */
  maxRetryTime?: number;
  /** Milliseconds before the second try. Default 300. */
  initialRetryTime?: number;
  /** How far a wait strays at random. Default 0.2. */
  factor?: number;
  /** How fast waits grow. Default 2. */
  multiplier?: number;
  /** Default 5. Those of a `Kafka` are not its consumers'. */
  retries?: number;
  /** Whether a consumer that crashed is started again. Default: if its error is retriable. */
  restartOnFailure?: (error: Error) => Promise<boolean>;
}

export type BrokersFunction = () => string[] | Promise<string[]>;

/** How to reach a cluster, which is one of this origin. */
export type KafkaConfig = KafkaOptions & (StoredKafkaOptions | MemoryKafkaOptions);

/** A cluster whose broker keeps its records in IndexedDB, the default. It needs workers. */
export interface StoredKafkaOptions {
  storage?: "indexeddb";
  /** The workers' script, when not from beside the package. */
  worker?: true | WorkerSource;
}

/** A cluster that lives as long as its page. */
export interface MemoryKafkaOptions {
  storage: "memory";
  /**
   * False runs all in this thread; true, the default where there are workers, in two workers, whose
   * script may be given.
   */
  worker?: boolean | WorkerSource;
}

export interface KafkaOptions {
  /** The cluster's name. Everything of this origin with the same name shares it. Default "default". */
  cluster?: string;
  /** Where the wasm comes from, when not from beside the package. */
  wasm?: WasmSource;
  /** Broker configs under Kafka's names, such as `num.partitions`. The first who connects decides; others must agree. */
  brokerConfig?: Record<string, string>;
  clientId?: string;
  /** Milliseconds. Default 1,000. */
  connectionTimeout?: number;
  /** Milliseconds. Default 30,000. */
  requestTimeout?: number;
  retry?: RetryOptions;
  /** Default `logLevel.INFO`. */
  logLevel?: logLevel;
  logCreator?: logCreator;
  /** Not used: there is nothing to dial. Accepted so that a KafkaJS configuration is, too. */
  brokers?: string[] | BrokersFunction;
  /** Not used: timeouts always count. */
  enforceRequestTimeout?: boolean;
  /** Nothing leaves the origin. */
  ssl?: false | undefined;
  /** Refused: nobody logs in. */
  sasl?: undefined;
  /** Refused: there are no sockets. */
  socketFactory?: undefined;
}

export interface ProducerConfig {
  /** Chooses a partition where a message does not. Default `Partitioners.DefaultPartitioner`. */
  createPartitioner?: ICustomPartitioner;
  retry?: RetryOptions;
  /** Milliseconds. Default 300,000. */
  metadataMaxAge?: number;
  /** Whether sending to an unknown topic creates it. Default true. */
  allowAutoTopicCreation?: boolean;
  /** Default: for sends with `acks: -1`. True refuses others. */
  idempotent?: boolean;
  /** Refused: there are no transactions yet. */
  transactionalId?: undefined;
  transactionTimeout?: number;
  /** Not used: order and idempotence hold with any number. */
  maxInFlightRequests?: number;
  /** Milliseconds that a batch waits for more records. Default 0. */
  lingerMs?: number;
  /** Bytes. Default 16,384. */
  batchSize?: number;
  /** Bytes of a request, and of a record. Default 1 MiB, and what the topic takes. */
  maxRequestSize?: number;
  /** Bytes of records that wait for their answers; further sends wait for room. Default 32 MiB. */
  bufferMemory?: number;
  /** Milliseconds after which a record that was not acknowledged fails. Default 120,000. */
  deliveryTimeout?: number;
}

export interface ConsumerConfig {
  groupId: string;
  /** Makes the member static (KIP-345). */
  groupInstanceId?: string;
  partitionAssigners?: PartitionAssigner[];
  metadataMaxAge?: number;
  /** Milliseconds. Default 30,000. */
  sessionTimeout?: number;
  /** Milliseconds. Default 60,000. */
  rebalanceTimeout?: number;
  /** Milliseconds. Default 3,000. */
  heartbeatInterval?: number;
  /** Default 1 MiB. */
  maxBytesPerPartition?: number;
  /** Default 1. */
  minBytes?: number;
  /** Default 10 MiB. */
  maxBytes?: number;
  /** Default 5,000. */
  maxWaitTimeInMs?: number;
  retry?: RetryOptions;
  allowAutoTopicCreation?: boolean;
  /** Not used: fetches wait side by side, a few at a time. */
  maxInFlightRequests?: number;
  readUncommitted?: boolean;
  /** Not used: all is here. */
  rackId?: string;
}

export interface AdminConfig {
  retry?: RetryOptions;
}
