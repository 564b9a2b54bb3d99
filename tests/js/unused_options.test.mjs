// Options that have no effect: who passes one is told, once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { logLevel } from "tablog";
import { memory } from "./memory.mjs";

/**
 * A cluster, and the warnings of its logger.
 *
 * @param {import("node:test").TestContext} t
 * @param {object} [config]
 */
function warned(t, config = {}) {
  /** @type {string[]} */
  const warnings = [];
  /** @type {import("tablog").logCreator} */
  const logCreator =
    () =>
    ({ level, log }) => {
      if (level === logLevel.WARN) warnings.push(log.message);
    };
  const kafka = memory(t, { ...config, logLevel: logLevel.WARN, logCreator });
  return { kafka, warnings };
}

test("options of KafkaJS that change nothing are told of", (t) => {
  const { kafka, warnings } = warned(t, { brokers: ["a:9092"], enforceRequestTimeout: true });
  kafka.producer({ maxInFlightRequests: 1, transactionTimeout: 1_000 });
  kafka.consumer({ groupId: "g", maxInFlightRequests: 1, rackId: "r" });
  kafka.consumer({ groupId: "h", rackId: "r" });
  assert.deepEqual(
    warnings.map((warning) => warning.split(" has no effect")[0]),
    [
      "brokers of new Kafka()",
      "enforceRequestTimeout of new Kafka()",
      "maxInFlightRequests of producer()",
      "transactionTimeout of producer()",
      "maxInFlightRequests of consumer()",
      "rackId of consumer()",
    ],
  );
});

test("a misspelt option is told of with the name that was meant, once", async (t) => {
  const { kafka, warnings } = warned(t, { retry: { retires: 3 }, clientID: "c" });
  const consumer = kafka.consumer(
    /** @type {any} */ ({ groupId: "g", sessionTimeOut: 1_000, somethingElse: 1 }),
  );
  kafka.consumer(/** @type {any} */ ({ groupId: "g", sessionTimeOut: 1_000 }));
  const producer = kafka.producer();
  await producer.connect();
  const record = { topic: "t", messages: [{ value: "v" }], ack: 1 };
  await producer.send(record);
  await producer.send(record);
  await consumer.connect();
  await consumer.subscribe(/** @type {any} */ ({ topics: ["t"], frombeginning: true }));
  const run = { eachMessage: () => Promise.resolve(), autocommit: false };
  await consumer.run(run);
  const meant = warnings.map((warning) => {
    const [, name, near] = /^(\S+) of .* did you mean (\S+)\?$/.exec(warning) ?? [];
    return name === undefined ? warning : `${name}: ${near}`;
  });
  assert.deepEqual(meant, [
    "retry.retires: retries",
    "clientID: clientId",
    "sessionTimeOut: sessionTimeout",
    "somethingElse of consumer() has no effect: there is no such option",
    "ack: acks",
    "frombeginning: fromBeginning",
    "autocommit: autoCommit",
  ]);
});

test("options that count are not told of", async (t) => {
  const { kafka, warnings } = warned(t, { clientId: "c", ssl: false, retry: { retries: 3 } });
  const producer = kafka.producer({ idempotent: true, lingerMs: 1, retry: {} });
  await producer.connect();
  const admin = kafka.admin({ retry: { factor: 0 } });
  await admin.connect();
  await producer.send({ topic: "t", messages: [{ value: "v" }], acks: -1, timeout: 1_000 });
  const consumer = kafka.consumer({ groupId: "g", readUncommitted: true });
  await consumer.subscribe({ topic: "t", fromBeginning: true });
  for await (const { message } of consumer.messages({ autoCommit: false })) {
    assert.equal(String(message.value), "v");
    break;
  }
  assert.deepEqual(warnings, []);
});
