// The entry: a Kafka is a cluster of this origin and what clients of it share.
import { Admin as AdminClass } from "./admin/admin.js";
import { bindMethods } from "./client/bound.js";
import { createLogger } from "./client/logger.js";
import type { Admin, Consumer, Producer } from "./clients.js";
import type { Shared } from "./client/shared.js";
import { Lease } from "./cluster/lease.js";
import { Consumer as ConsumerClass } from "./consumer/consumer.js";
import { invalid } from "./errors/refusals.js";
import { checkConsumer } from "./options/client.js";
import { checkOptions, KAFKA_KINDS } from "./options/checks.js";
import { clusterOptions } from "./options/cluster.js";
import { tellUnused } from "./options/unused.js";
import type { Arrival } from "./types/arrival.js";
import { settlesWithin } from "./platform/timing.js";
import { Producer as ProducerClass } from "./producer/producer.js";
import type { ClusterStatus, StatusListener, TraceEvent } from "./types/cluster.js";
import type { AdminConfig, ConsumerConfig, KafkaConfig, ProducerConfig } from "./types/config.js";
import type { Logger } from "./types/logger.js";
import type { AnyTopics, TopicMap } from "./types/topics.js";

/** How long `close()` waits for handlers, and for what is under way. */
const CLOSE_MS_MAX = 30_000;

/**
 * Makes clients of one cluster. Nothing runs before the first client connects.
 *
 * The broker runs while a client of this page is connected. With memory storage it runs until
 * `close()`, since its records are nowhere else.
 */
export class BaseKafka<Topics extends TopicMap<Topics> = AnyTopics> {
  readonly #shared: Shared;

  /** Throws for options that cannot be served, such as `ssl`. */
  constructor(config: KafkaConfig, arrival: Arrival) {
    bindMethods(this);
    checkOptions(config, "new Kafka()", KAFKA_KINDS);
    const logger = createLogger(config.logLevel, config.logCreator);
    const options = clusterOptions(config, arrival, logger);
    tellUnused(logger, "new Kafka()", config, KAFKA_KINDS);
    this.#shared = {
      config,
      lease: new Lease(options, logger),
      logger,
      clients: new Set(),
    };
  }

  producer(config: ProducerConfig = {}): Producer<Topics> {
    return new ProducerClass(this.#shared, config);
  }

  consumer(config: ConsumerConfig): Consumer<Topics> {
    checkConsumer(config);
    // Nothing but what the application says makes topics those of its map.
    return new ConsumerClass(this.#shared, config) as Consumer<Topics>;
  }

  admin(config: AdminConfig = {}): Admin<Topics> {
    return new AdminClass(this.#shared, config);
  }

  logger(): Logger {
    return this.#shared.logger;
  }

  /** How the cluster is. `waiting`: another tab has its broker, and this one takes over after it. */
  get status(): ClusterStatus {
    return this.#shared.lease.status;
  }

  /** Calls the listener with every new status. Returns what ends it. */
  on(event: "status", listener: StatusListener): () => void {
    if ((event as string) !== "status") throw invalid('Event name should be "status"');
    return this.#shared.lease.onStatus(listener);
  }

  /** Calls the listener with the frames that pass the broker's door. Returns what ends it. */
  onTrace(listener: (events: TraceEvent[]) => void): () => void {
    return this.#shared.lease.onTrace(listener);
  }

  /**
   * Disconnects all clients and gives up the cluster. A client that is not done after 30 s, such as a
   * consumer whose handler does not return, loses the cluster all the same.
   */
  async close(): Promise<void> {
    const { clients, lease, logger } = this.#shared;
    const disconnecting = [...clients].map((client) => client.disconnect());
    if (!(await settlesWithin(Promise.allSettled(disconnecting), CLOSE_MS_MAX))) {
      logger.warn(`Closed while clients were still disconnecting after ${CLOSE_MS_MAX} ms`);
    }
    lease.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
