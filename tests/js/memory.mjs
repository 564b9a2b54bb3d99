// A cluster of a test's own, in memory.
import { Kafka, logLevel } from "tablog";

let clusters = 0;

/**
 * Closed with all its clients when the test ends.
 *
 * @param {import("node:test").TestContext} t
 * @param {Partial<import("tablog").KafkaConfig>} [config]
 */
export function memory(t, config) {
  const kafka = new Kafka({
    cluster: `memory-${clusters++}`,
    storage: "memory",
    logLevel: logLevel.NOTHING,
    ...config,
  });
  t.after(() => kafka.close());
  return kafka;
}
