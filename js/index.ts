// The package's entry. Importing it runs nothing.
import { beside } from "./beside.js";
import { BaseKafka } from "./kafka.js";
import type { KafkaConfig } from "./types/config.js";

export * from "./exports.js";

export class Kafka extends BaseKafka {
  constructor(config: KafkaConfig = {}) {
    super(config, beside);
  }
}
