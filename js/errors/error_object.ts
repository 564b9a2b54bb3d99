// Errors as they cross from the workers, made into the classes that an application sees.
import {
  type ErrorDetails,
  KafkaJSBrokerNotFound,
  KafkaJSConnectionError,
  KafkaJSError,
  KafkaJSMemberIdRequired,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSOffsetOutOfRange,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSServerDoesNotSupportApiKey,
  TablogError,
} from "./errors.js";
import { isError } from "./realm.js";
import { invalid } from "./refusals.js";

/** An error as it crosses; see `src/bindings/error.rs`. */
export interface ErrorObject {
  type: string;
  code: number;
  kind: string;
  message: string;
  retriable: boolean;
  topic?: string;
  partition?: number;
  group?: string;
  offset?: string;
  /** How often it was tried again. */
  retries?: number;
  /** What else failed, where a call is about several things. */
  others?: ErrorObject[];
}

const OFFSET_OUT_OF_RANGE = 1;
const BROKER_NOT_AVAILABLE = 8;
const MEMBER_ID_REQUIRED = 79;

/** The error of what was thrown, here or in a worker. */
export function asError(thrown: unknown): KafkaJSError {
  if (thrown instanceof KafkaJSError) return thrown;
  if (isErrorObject(thrown)) return fromObject(thrown);
  const message = isError(thrown) ? thrown.message : String(thrown);
  return new TablogError(message, { type: "PLATFORM", cause: thrown });
}

function fromObject(object: ErrorObject): KafkaJSError {
  const error = ofKind(object);
  const others = (object.others ?? []).map(fromObject);
  return 0 < others.length ? Object.assign(error, { others }) : error;
}

function ofKind(object: ErrorObject): KafkaJSError {
  const { type, code, retriable, topic, partition, group, offset } = object;
  const details: ErrorDetails = {
    type,
    code,
    retriable,
    ...(topic === undefined ? {} : { topic }),
    ...(partition === undefined ? {} : { partition }),
    ...(group === undefined ? {} : { groupId: group }),
    ...(offset === undefined ? {} : { offset }),
  };
  // Who reads only the message should know what it is about, too.
  const where = [
    topic === undefined ? [] : [partition === undefined ? topic : `${topic}-${partition}`],
    group === undefined ? [] : [`group ${group}`],
    offset === undefined ? [] : [`offset ${offset}`],
  ].flat();
  const message = where.length === 0 ? object.message : `${object.message} (${where.join(", ")})`;
  switch (object.kind) {
    case "protocol":
      return protocolError(message, details);
    case "connection":
      return new KafkaJSConnectionError(message, details);
    case "requestTimeout":
      return new KafkaJSRequestTimeoutError(message, details);
    case "retriesExceeded":
      return new KafkaJSNumberOfRetriesExceeded(protocolError(message, details), {
        retryCount: object.retries ?? 0,
      });
    case "invalidArgument":
      return invalid(message, details);
    case "unsupported":
      return new KafkaJSServerDoesNotSupportApiKey(message, details);
    case "malformed":
    case "tooLarge":
      return new KafkaJSNonRetriableError(message, details);
    case "noOffset":
      return new KafkaJSOffsetOutOfRange(message, details);
    case "bufferFull":
      return new TablogError(message, { ...details, type: "BUFFER_FULL" });
    case "closed":
      return new TablogError(message, { ...details, type: "CLOSED" });
    default:
      return new TablogError(message, { ...details, type });
  }
}

function protocolError(message: string, details: ErrorDetails): KafkaJSError {
  switch (details.code) {
    case BROKER_NOT_AVAILABLE:
      return new KafkaJSBrokerNotFound(message, details);
    case OFFSET_OUT_OF_RANGE:
      return new KafkaJSOffsetOutOfRange(message, details);
    case MEMBER_ID_REQUIRED:
      return new KafkaJSMemberIdRequired(message, details);
    default:
      return new KafkaJSProtocolError(message, details);
  }
}

function isErrorObject(thrown: unknown): thrown is ErrorObject {
  return (
    typeof thrown === "object" &&
    thrown !== null &&
    !isError(thrown) &&
    "type" in thrown &&
    "code" in thrown &&
    "message" in thrown
  );
}
