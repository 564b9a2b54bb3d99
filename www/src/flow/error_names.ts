export const KAFKA_STORAGE_ERROR = 56;

// Kafka's names of errors that clients meet in good order or in common trouble.
const NAMES: Record<number, string> = {
  [-1]: "UNKNOWN_SERVER_ERROR",
  1: "OFFSET_OUT_OF_RANGE",
  2: "CORRUPT_MESSAGE",
  3: "UNKNOWN_TOPIC_OR_PARTITION",
  6: "NOT_LEADER_OR_FOLLOWER",
  7: "REQUEST_TIMED_OUT",
  10: "MESSAGE_TOO_LARGE",
  14: "COORDINATOR_LOAD_IN_PROGRESS",
  15: "COORDINATOR_NOT_AVAILABLE",
  16: "NOT_COORDINATOR",
  17: "INVALID_TOPIC_EXCEPTION",
  22: "ILLEGAL_GENERATION",
  25: "UNKNOWN_MEMBER_ID",
  27: "REBALANCE_IN_PROGRESS",
  36: "TOPIC_ALREADY_EXISTS",
  45: "OUT_OF_ORDER_SEQUENCE_NUMBER",
  46: "DUPLICATE_SEQUENCE_NUMBER",
  47: "INVALID_PRODUCER_EPOCH",
  [KAFKA_STORAGE_ERROR]: "KAFKA_STORAGE_ERROR",
  68: "NON_EMPTY_GROUP",
  69: "GROUP_ID_NOT_FOUND",
  79: "MEMBER_ID_REQUIRED",
  100: "UNKNOWN_TOPIC_ID",
};

/** The name of an error code, or the code itself. */
export function errorName(code: number): string {
  return NAMES[code] ?? `error ${code}`;
}
