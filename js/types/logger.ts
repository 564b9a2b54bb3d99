// What programs see of logging.

/** How much is logged. */
export enum logLevel {
  NOTHING = 0,
  ERROR = 1,
  WARN = 2,
  INFO = 4,
  DEBUG = 5,
}

/** A line of the log. */
export interface LogEntry {
  namespace: string;
  level: logLevel;
  /** The level's name. */
  label: string;
  log: LoggerEntryContent;
}

export interface LoggerEntryContent {
  /** ISO 8601. */
  readonly timestamp: string;
  readonly message: string;
  // Whatever the caller adds, as in KafkaJS.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [key: string]: any;
}

/** Makes what writes the lines. Called once per `Kafka`. */
export type logCreator = (level: logLevel) => (entry: LogEntry) => void;

export interface Logger {
  info(message: string, extra?: object): void;
  error(message: string, extra?: object): void;
  warn(message: string, extra?: object): void;
  debug(message: string, extra?: object): void;
  /** A logger whose lines carry this name, with a level of its own if one is given. */
  namespace(namespace: string, level?: logLevel): Logger;
  setLogLevel(level: logLevel): void;
}
