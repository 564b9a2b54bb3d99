// What the package says to whoever watches a console.
import { Listeners } from "../platform/listeners.js";
import { type logCreator, type LogEntry, type Logger, logLevel } from "../types/logger.js";

/** The logger of a `Kafka`. */
export function createLogger(level = logLevel.INFO, creator: logCreator = consoleCreator): Logger {
  // The application's own way of writing must not stop what is logged about.
  const lines = new Listeners<LogEntry>((error) => {
    console.error(error);
  });
  lines.add(creator(level));
  let rootLevel = level;
  const logger = (namespace: string, ownLevel?: logLevel): Logger => {
    const at =
      (lineLevel: logLevel) =>
      (message: string, extra: object = {}) => {
        if ((ownLevel ?? rootLevel) < lineLevel) return;
        const timestamp = new Date().toISOString();
        const log = { timestamp, logger: "tablog", message, ...extra };
        lines.tell({ namespace, level: lineLevel, label: logLevel[lineLevel], log });
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
