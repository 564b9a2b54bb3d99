// A Kafka's hold on its cluster: opened by its first client, listened to before and after.
import type { KafkaJSError } from "../errors/errors.js";
import { isError } from "../errors/realm.js";
import type { ClusterOptions } from "../options/cluster.js";
import { Listeners } from "../platform/listeners.js";
import type { ClusterStatus, TraceEvent } from "../types/cluster.js";
import type { Logger } from "../types/logger.js";
import type { Cluster } from "./cluster.js";
import { acquire, release } from "./registry.js";

export class Lease {
  readonly #options: ClusterOptions;
  readonly #logger: Logger;
  readonly #statusListeners: Listeners<ClusterStatus>;
  readonly #traceListeners: Listeners<TraceEvent[]>;
  #cluster: Cluster | undefined;
  /** Why the cluster is gone, with what it kept. */
  #lost: KafkaJSError | undefined;
  #users = 0;
  #stopListening: () => void = () => undefined;
  #stopTracing: () => void = () => undefined;

  constructor(options: ClusterOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
    this.#statusListeners = this.#listeners("status");
    this.#traceListeners = this.#listeners("trace");
  }

  get status(): ClusterStatus {
    return this.#cluster?.status ?? (this.#lost === undefined ? "closed" : "failed");
  }

  /**
   * The cluster, opened if it is not. Every user releases it once. `anew`: where it was lost, another
   * is begun, as only the application may want; otherwise this throws why it was lost.
   */
  acquire(anew: boolean): Cluster {
    // One that has failed is not coming back; its name is free for another.
    if (this.#cluster?.status === "failed") this.#end();
    if (this.#lost !== undefined && !anew) throw this.#lost;
    this.#lost = undefined;
    if (this.#cluster === undefined) {
      const cluster = acquire(this.#options);
      this.#cluster = cluster;
      this.#stopListening = cluster.onStatus((status) => {
        if (status === "failed") this.#failed(cluster);
        this.#statusListeners.tell(status);
      });
      this.#trace();
    }
    this.#users += 1;
    return this.#cluster;
  }

  /** A memory cluster outlives its users, as a broker does: its records are nowhere else. */
  release(cluster: Cluster): void {
    if (this.#cluster !== cluster) return;
    this.#users -= 1;
    if (this.#users === 0 && this.#options.storage !== "memory") this.#end();
  }

  /** Gives the cluster up, whoever uses it. */
  close(): void {
    this.#end();
    this.#lost = undefined;
  }

  onStatus(listener: (status: ClusterStatus) => unknown): () => void {
    return this.#statusListeners.add(listener);
  }

  onTrace(listener: (events: TraceEvent[]) => unknown): () => void {
    const remove = this.#traceListeners.add(listener);
    this.#trace();
    return () => {
      remove();
      this.#trace();
    };
  }

  #listeners<Event>(eventName: string): Listeners<Event> {
    return new Listeners((error) => {
      const message = isError(error) ? error.message : String(error);
      this.#logger.error(`Failed to execute listener: ${message}`, { eventName });
    });
  }

  #failed({ failure }: Cluster): void {
    if (failure === undefined) return;
    const { message, type, retriable } = failure;
    this.#logger.error(`The cluster failed: ${message}`, { type });
    // What never ran, or may run later, is tried again by whoever needs it.
    if (!retriable) this.#lost = failure;
  }

  /** The tap costs what it shows, so it is open only while somebody listens. */
  #trace(): void {
    this.#stopTracing();
    this.#stopTracing = () => undefined;
    if (this.#cluster === undefined || this.#traceListeners.size === 0) return;
    this.#stopTracing = this.#cluster.onTrace((events) => {
      this.#traceListeners.tell(events);
    });
  }

  #end(): void {
    this.#stopTracing();
    const cluster = this.#cluster;
    if (cluster !== undefined) release(cluster);
    this.#stopListening();
    this.#cluster = undefined;
    this.#users = 0;
  }
}
