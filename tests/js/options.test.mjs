// What options may be, and what is said of those that may not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "tablog";

let clusters = 0;

/**
 * @param {import("node:test").TestContext} t
 * @param {import("tablog").KafkaConfig} [config]
 */
function memory(t, config) {
  const kafka = new Kafka({
    cluster: `options-${clusters++}`,
    storage: "memory",
    logLevel: logLevel.NOTHING,
    ...config,
  });
  t.after(() => kafka.close());
  return kafka;
}

test("who names an open cluster must want it as it is", async (t) => {
  const brokerConfig = { "num.partitions": "3", "log.retention.ms": "1000" };
  await memory(t, { cluster: "shared", worker: false, brokerConfig }).admin().connect();
  const again = (/** @type {import("tablog").KafkaConfig} */ config) =>
    memory(t, { cluster: "shared", ...config })
      .admin()
      .connect();
  await again({});
  await again({ worker: false });
  await again({ brokerConfig: { "log.retention.ms": "1000", "num.partitions": "3" } });
  for (const [config, name] of /** @type {const} */ ([
    [{ brokerConfig: { "num.partitions": "3" } }, "brokerConfig"],
    [{ brokerConfig: { ...brokerConfig, "num.partitions": "4" } }, "brokerConfig"],
    [{ worker: true }, "worker"],
    [{ storage: "indexeddb" }, "storage"],
  ])) {
    await assert.rejects(again(config), {
      name: "TablogError",
      type: "INVALID_CONFIG",
      retriable: false,
      message: new RegExp(`^cluster "shared" is open with ${name} `),
    });
  }
});
