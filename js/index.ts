// The package's entry. Importing it runs nothing.
import { beside } from "./beside.js";
import { BaseKafka } from "./kafka.js";
import type { KafkaConfig } from "./types/config.js";
import type { AnyTopics, TopicMap } from "./types/topics.js";

export * from "./exports.js";

export class Kafka<Topics extends TopicMap<Topics> = AnyTopics> extends BaseKafka<Topics> {
  constructor(config: KafkaConfig = {}) {
    super(config, beside);
  }
}
