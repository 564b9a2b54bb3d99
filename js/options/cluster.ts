// How the cluster of a configuration is set up.
import { TablogError } from "../errors/errors.js";
import { invalid } from "../errors/refusals.js";
import { canHold } from "../platform/locks.js";
import type { Arrival } from "../types/arrival.js";
import type { KafkaConfig } from "../types/config.js";
import type { Logger } from "../types/logger.js";
import { checkOptions, refuseUnserved, RETRY_KINDS } from "./checks.js";

/** A cluster has one broker, which is its controller, too. */
const NODE_IDS = [1];

/** How a cluster of this page is set up. The first who names it decides; others must agree. */
export interface ClusterOptions {
  /** Instances of one page with the same name share one broker. */
  cluster: string;
  /** Of its brokers. */
  nodeIds: number[];
  /** Where they keep their bytes. */
  storage: "indexeddb" | "memory";
  /** False runs everything in the page's own thread; memory storage only. */
  worker: boolean;
  /** Where the workers' script and the wasm come from. */
  arrival: Arrival;
  /** Broker configs under Kafka's names, such as `num.partitions`. */
  brokerConfig: Record<string, string>;
  /** Of the first who names the cluster. */
  logger: Logger;
  /** What must be so where the cluster is open already: what was chosen, not what is a default. */
  chosen: Chosen;
}

export interface Chosen {
  storage: "indexeddb" | "memory";
  worker: boolean | undefined;
  brokerConfig: Record<string, string> | undefined;
}

/** How the cluster of a configuration is set up. */
export function clusterOptions(
  config: KafkaConfig,
  arrival: Arrival,
  logger: Logger,
): ClusterOptions {
  refuseUnserved(config);
  const { cluster = "default", storage = "indexeddb", brokerConfig = {}, retry = {} } = config;
  checkOptions(retry, "retry", RETRY_KINDS, "retry.");
  for (const [name, value] of Object.entries<unknown>(brokerConfig)) {
    if (name === "node.id") throw invalid('brokerConfig "node.id" is given by the cluster');
    if (typeof value === "string") continue;
    throw invalid(`brokerConfig "${name}" must be a string: "${String(value)}"`);
  }
  const byDefault = storage === "indexeddb" || typeof Worker !== "undefined";
  const worker = config.worker === undefined ? byDefault : config.worker !== false;
  if (storage === "indexeddb" && !worker) {
    throw unsupported('worker: false needs storage: "memory"');
  }
  const chosen: Chosen = {
    storage,
    worker: config.worker === undefined ? undefined : worker,
    brokerConfig: config.brokerConfig,
  };
  return {
    cluster,
    nodeIds: NODE_IDS,
    storage,
    worker,
    brokerConfig,
    logger,
    chosen,
    arrival: chosenArrival(config, arrival),
  };
}

/** What the application says, or else the entry of the package. */
function chosenArrival({ worker, wasm }: KafkaConfig, arrival: Arrival): Arrival {
  return {
    worker: () => (worker === undefined || typeof worker === "boolean" ? arrival.worker() : worker),
    wasm: () => wasm ?? arrival.wasm(),
  };
}

/** Throws when this is no place for such a cluster. */
export function checkEnvironment({ storage, worker }: ClusterOptions): void {
  if (storage === "indexeddb" && typeof indexedDB === "undefined") {
    throw unsupported('there is no IndexedDB here; pass storage: "memory" to new Kafka()');
  }
  if (worker && typeof Worker === "undefined") {
    throw unsupported('there are no workers here; pass storage: "memory", worker: false');
  }
  if (storage === "indexeddb" && !canHold()) {
    throw unsupported("there are no Web Locks here: IndexedDB storage needs a secure context");
  }
}

function unsupported(message: string): TablogError {
  return new TablogError(message, { type: "UNSUPPORTED_ENVIRONMENT" });
}
