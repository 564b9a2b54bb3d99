// The errors that an application sees: KafkaJS's classes, each with `type`, `code` and `retriable`.
import { isError } from "./realm.js";

export interface DeleteGroupsResult {
  groupId: string;
  errorCode?: number;
  error?: KafkaJSError;
}

/** What an error is about, beside its message. */
export interface ErrorDetails {
  /** Kafka's name of the error, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
  type?: string;
  /** Kafka's code. */
  code?: number;
  /** Whether the same may succeed later. */
  retriable?: boolean;
  cause?: unknown;
  topic?: string;
  partition?: number;
  groupId?: string;
  offset?: string;
  helpUrl?: string;
}

// What KafkaJS's programs pass to errors that they make, as its types name it.
export type KafkaJSErrorMetadata = ErrorDetails;
export type KafkaJSOffsetOutOfRangeMetadata = Required<Pick<ErrorDetails, "topic" | "partition">>;
export type KafkaJSTopicMetadataNotLoadedMetadata = Required<Pick<ErrorDetails, "topic">>;
export type KafkaJSDeleteGroupsErrorGroups = DeleteGroupsResult;

export interface KafkaJSNumberOfRetriesExceededMetadata {
  retryCount: number;
  /** Milliseconds that it would wait before the next try. */
  retryTime: number;
}

export interface KafkaJSDeleteTopicRecordsErrorPartition {
  partition: number;
  offset: string;
  error: KafkaJSError;
}

export interface KafkaJSDeleteTopicRecordsErrorTopic {
  topic: string;
  partitions: KafkaJSDeleteTopicRecordsErrorPartition[];
}

/** Kafka's code for what has none. */
const UNKNOWN_SERVER_ERROR = { type: "UNKNOWN_SERVER_ERROR", code: -1 };

/** The base of all errors that this package raises. */
export class KafkaJSError extends Error {
  override name = "KafkaJSError";
  /** Kafka's name of the error, or tablog's own, such as `BROKER_STOPPED`. */
  readonly type: string;
  /** Kafka's code. */
  readonly code: number;
  /** Whether the same may succeed later. */
  readonly retriable: boolean;
  declare readonly helpUrl?: string;
  declare readonly topic?: string;
  declare readonly partition?: number;
  declare readonly groupId?: string;
  declare readonly offset?: string;
  /** What else failed, where a call is about several things. */
  declare readonly others?: KafkaJSError[];
  declare readonly cause?: Error;

  constructor(error: Error | string, details: ErrorDetails = {}) {
    const inherited: ErrorDetails = typeof error === "string" ? {} : detailsOf(error);
    const { cause, type, code, retriable, ...about } = { ...inherited, ...details };
    super(typeof error === "string" ? error : error.message, cause === undefined ? {} : { cause });
    this.type = type ?? UNKNOWN_SERVER_ERROR.type;
    this.code = code ?? UNKNOWN_SERVER_ERROR.code;
    this.retriable = retriable ?? true;
    Object.assign(this, about);
  }
}

/** Trying again does not help. */
export class KafkaJSNonRetriableError extends KafkaJSError {
  override name = "KafkaJSNonRetriableError";

  constructor(error: Error | string, details: ErrorDetails = {}) {
    super(error, { ...details, retriable: false });
  }
}

/** A broker answered with an error code. */
export class KafkaJSProtocolError extends KafkaJSError {
  override name = "KafkaJSProtocolError";
}

/** There is no such offset (any more). */
export class KafkaJSOffsetOutOfRange extends KafkaJSProtocolError {
  override name = "KafkaJSOffsetOutOfRange";
}

/** The group's coordinator wants the member to join with the id that it has given. */
export class KafkaJSMemberIdRequired extends KafkaJSProtocolError {
  override name = "KafkaJSMemberIdRequired";
  declare readonly memberId?: string;

  constructor(error: Error | string, details: ErrorDetails & { memberId?: string } = {}) {
    super(error, details);
  }
}

/** A topic could not be created. */
export class KafkaJSCreateTopicError extends KafkaJSProtocolError {
  override name = "KafkaJSCreateTopicError";

  constructor(error: Error | string, topic: string) {
    super(error, { topic });
  }
}

/** Partitions could not be moved. */
export class KafkaJSAlterPartitionReassignmentsError extends KafkaJSProtocolError {
  override name = "KafkaJSAlterPartitionReassignmentsError";

  constructor(error: Error | string, topic?: string, partition?: number) {
    super(error, {
      ...(topic === undefined ? {} : { topic }),
      ...(partition === undefined ? {} : { partition }),
    });
  }
}

/** The retries of an operation are used up; `cause` is the last failure. */
export class KafkaJSNumberOfRetriesExceeded extends KafkaJSNonRetriableError {
  override name = "KafkaJSNumberOfRetriesExceeded";
  readonly retryCount: number;
  /** Milliseconds that it would wait before the next try. */
  readonly retryTime: number;

  constructor(
    error: Error | string,
    { retryCount = 0, retryTime = 0 }: Partial<KafkaJSNumberOfRetriesExceededMetadata> = {},
  ) {
    super(error, { cause: error });
    this.retryCount = retryCount;
    this.retryTime = retryTime;
  }
}

/** No broker could be reached, or the connection to it broke. */
export class KafkaJSConnectionError extends KafkaJSError {
  override name = "KafkaJSConnectionError";
  declare readonly broker?: string;

  constructor(error: Error | string, details: ErrorDetails & { broker?: string } = {}) {
    super(error, details);
  }
}

/** The connection to a broker was closed before the answer. */
export class KafkaJSConnectionClosedError extends KafkaJSConnectionError {
  override name = "KafkaJSConnectionClosedError";
}

/** A broker did not answer in time. */
export class KafkaJSRequestTimeoutError extends KafkaJSError {
  override name = "KafkaJSRequestTimeoutError";
}

/** Nothing is known of the cluster yet. */
export class KafkaJSMetadataNotLoaded extends KafkaJSError {
  override name = "KafkaJSMetadataNotLoaded";
}

/** Nothing is known of the topic yet. */
export class KafkaJSTopicMetadataNotLoaded extends KafkaJSMetadataNotLoaded {
  override name = "KafkaJSTopicMetadataNotLoaded";
}

/** A member was assigned partitions that it does not know. */
export class KafkaJSStaleTopicMetadataAssignment extends KafkaJSError {
  override name = "KafkaJSStaleTopicMetadataAssignment";
}

/** Groups could not be deleted; `groups` says which. */
export class KafkaJSDeleteGroupsError extends KafkaJSError {
  override name = "KafkaJSDeleteGroupsError";
  readonly groups: DeleteGroupsResult[];

  constructor(error: Error | string, groups: DeleteGroupsResult[] = []) {
    super(error, groups[0]?.error === undefined ? {} : detailsOf(groups[0].error));
    this.groups = groups;
  }
}

/** Records of these partitions could not be deleted. */
export class KafkaJSDeleteTopicRecordsError extends KafkaJSError {
  override name = "KafkaJSDeleteTopicRecordsError";
  readonly partitions: KafkaJSDeleteTopicRecordsErrorPartition[];

  constructor(failed: KafkaJSDeleteTopicRecordsErrorTopic) {
    const first = failed.partitions[0];
    const reasons = failed.partitions.map(
      ({ partition, error }) => `partition ${partition}: ${error.message}`,
    );
    super(`Error while deleting records of topic "${failed.topic}": ${reasons.join("; ")}`, {
      ...(first === undefined ? {} : detailsOf(first.error)),
      topic: failed.topic,
      retriable: failed.partitions.every(({ error }) => error.retriable),
    });
    this.partitions = failed.partitions;
  }
}

/** Several things failed at once. */
export class KafkaJSAggregateError extends KafkaJSError {
  override name = "KafkaJSAggregateError";
  readonly errors: (Error | string)[];

  constructor(message: Error | string, errors: (Error | string)[]) {
    const first = errors[0];
    super(message, isError(first) ? detailsOf(first) : {});
    this.errors = errors;
  }
}

/** Client and broker have no version of the API in common. */
export class KafkaJSServerDoesNotSupportApiKey extends KafkaJSNonRetriableError {
  override name = "KafkaJSServerDoesNotSupportApiKey";
}

/** The cluster has no such broker. */
export class KafkaJSBrokerNotFound extends KafkaJSError {
  override name = "KafkaJSBrokerNotFound";
}

/** No broker can be reached. */
export class KafkaJSNoBrokerAvailableError extends KafkaJSError {
  override name = "KafkaJSNoBrokerAvailableError";
}

/** A message ends too early. */
export class KafkaJSPartialMessageError extends KafkaJSNonRetriableError {
  override name = "KafkaJSPartialMessageError";
}

/** There is no SASL here; only code that catches this names it. */
export class KafkaJSSASLAuthenticationError extends KafkaJSNonRetriableError {
  override name = "KafkaJSSASLAuthenticationError";
}

/** No broker coordinates the group. */
export class KafkaJSGroupCoordinatorNotFound extends KafkaJSNonRetriableError {
  override name = "KafkaJSGroupCoordinatorNotFound";
}

/** tablog does not serve this (yet). */
export class KafkaJSNotImplemented extends KafkaJSNonRetriableError {
  override name = "KafkaJSNotImplemented";
}

/** It took too long. */
export class KafkaJSTimeout extends KafkaJSNonRetriableError {
  override name = "KafkaJSTimeout";
}

/** Waiting for a lock took too long. */
export class KafkaJSLockTimeout extends KafkaJSTimeout {
  override name = "KafkaJSLockTimeout";
}

/** The records have a format that is not supported. */
export class KafkaJSUnsupportedMagicByteInMessageSet extends KafkaJSNonRetriableError {
  override name = "KafkaJSUnsupportedMagicByteInMessageSet";
}

/** A bug. */
export class KafkaJSInvariantViolation extends KafkaJSNonRetriableError {
  override name = "KafkaJSInvariantViolation";
}

/**
 * What Kafka has no word for: the engine, its storage and its surroundings.
 *
 * `type` is one of `WASM_NOT_FOUND`, `WASM_REFUSED`, `WORKER_NOT_FOUND`, `WORKER_REFUSED`,
 * `UNSUPPORTED_ENVIRONMENT`,
 * `BROKER_STOPPED`, `CLIENT_STOPPED`, `CLOSED`, `BUFFER_FULL`, `INVALID_CONFIG`; or, from the
 * storage, `FENCED`, `QUOTA`, `BLOCKED`, `DELETED`, `STORAGE_TOO_NEW`, `CORRUPT`, `STORAGE`, `PLATFORM`.
 */
export class TablogError extends KafkaJSError {
  override name = "TablogError";

  constructor(message: string, details: ErrorDetails & { type: string }) {
    super(message, { retriable: false, ...details });
  }
}

function detailsOf(error: Error): ErrorDetails {
  if (!(error instanceof KafkaJSError)) return {};
  const { type, code, retriable, helpUrl, topic, partition, groupId, offset } = error;
  const details = { type, code, retriable, helpUrl, topic, partition, groupId, offset };
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
}
