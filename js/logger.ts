// What the package says to whoever watches a console.

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

/** The logger of a `Kafka`. */
export function createLogger(level = logLevel.INFO, creator: logCreator = consoleCreator): Logger {
  const write = creator(level);
  let rootLevel = level;
  const logger = (namespace: string, ownLevel?: logLevel): Logger => {
    const at =
      (lineLevel: logLevel) =>
      (message: string, extra: object = {}) => {
        if ((ownLevel ?? rootLevel) < lineLevel) return;
        const timestamp = new Date().toISOString();
        const log = { timestamp, logger: "tablog", message, ...extra };
        write({ namespace, level: lineLevel, label: logLevel[lineLevel], log });
      };
    return {
      info: at(logLevel.INFO),
      error: at(logLevel.ERROR),
      warn: at(logLevel.WARN),
      debug: at(logLevel.DEBUG),
      namespace: logger,
      setLogLevel: (newLevel) => {
        rootLevel = newLevel;
      },
    };
  };
  return logger("");
}

const consoleCreator: logCreator =
  () =>
  ({ namespace, level, label, log }) => {
    const message = namespace === "" ? log.message : `[${namespace}] ${log.message}`;
    const line = JSON.stringify({ level: label, ...log, message });
    switch (level) {
      case logLevel.ERROR:
        console.error(line);
        break;
      case logLevel.WARN:
        console.warn(line);
        break;
      case logLevel.INFO:
        console.info(line);
        break;
      default:
        console.debug(line);
    }
  };
