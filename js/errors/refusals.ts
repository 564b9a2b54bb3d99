// What is thrown for what cannot be done.
import { type ErrorDetails, KafkaJSNonRetriableError, KafkaJSNotImplemented } from "./errors.js";

/** An error for arguments that make no sense. */
export function invalid(message: string, about: ErrorDetails = {}): KafkaJSNonRetriableError {
  return new KafkaJSNonRetriableError(message, { type: "INVALID_REQUEST", code: 42, ...about });
}

/** An error for what KafkaJS has and tablog does not serve. */
export function notImplemented(what: string): KafkaJSNotImplemented {
  return new KafkaJSNotImplemented(`tablog does not serve ${what}`, {
    type: "UNSUPPORTED_VERSION",
    code: 35,
  });
}
