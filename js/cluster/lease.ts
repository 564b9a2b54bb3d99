// A Kafka's hold on its cluster: opened by its first client, listened to before and after.
import type { ClusterOptions } from "../options/cluster.js";
import type { ClusterStatus, TraceEvent } from "../types/cluster.js";
import { Cluster } from "./cluster.js";

export class Lease {
  readonly #options: ClusterOptions;
  readonly #statusListeners = new Set<(status: ClusterStatus) => void>();
  readonly #traceListeners = new Set<(events: TraceEvent[]) => void>();
  #cluster: Cluster | undefined;
  #users = 0;
  #stopListening: () => void = () => undefined;
  #stopTracing: () => void = () => undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  get status(): ClusterStatus {
    return this.#cluster?.status ?? "closed";
  }

  /** The cluster, opened if it is not. Every user releases it once. */
  acquire(): Cluster {
    // One that has failed is not coming back; its name is free for another.
    if (this.#cluster?.status === "failed") this.#end();
    if (this.#cluster === undefined) {
      const cluster = Cluster.acquire(this.#options);
      this.#cluster = cluster;
      this.#stopListening = cluster.onStatus((status) => {
        for (const listener of [...this.#statusListeners]) listener(status);
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
  }

  onStatus(listener: (status: ClusterStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => {
      this.#statusListeners.delete(listener);
    };
  }

  onTrace(listener: (events: TraceEvent[]) => void): () => void {
    this.#traceListeners.add(listener);
    this.#trace();
    return () => {
      this.#traceListeners.delete(listener);
      this.#trace();
    };
  }

  /** The tap costs what it shows, so it is open only while somebody listens. */
  #trace(): void {
    this.#stopTracing();
    this.#stopTracing = () => undefined;
    if (this.#cluster === undefined || this.#traceListeners.size === 0) return;
    this.#stopTracing = this.#cluster.onTrace((events) => {
      for (const listener of [...this.#traceListeners]) listener(events);
    });
  }

  #end(): void {
    this.#stopTracing();
    this.#cluster?.release();
    this.#stopListening();
    this.#cluster = undefined;
    this.#users = 0;
  }
}
