import type { Lease } from "../cluster/lease.js";
import type { KafkaConfig } from "../types/config.js";
import type { Logger } from "../types/logger.js";

/** What a Kafka's clients share. */
export interface Shared {
  config: KafkaConfig;
  lease: Lease;
  logger: Logger;
  /** Clients that are connected. */
  clients: Set<{ disconnect(): Promise<void> }>;
}
