// What close() does with clients that do not finish.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "tablog";

const CLOSE_MS_MAX = 30_000;

test("close() gives up a handler that never returns", async (t) => {
  const options = /** @type {const} */ ({
    cluster: "close",
    storage: "memory",
    logLevel: logLevel.NOTHING,
  });
  const kafka = new Kafka(options);
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "events", messages: [{ value: "one" }] });
  const consumer = kafka.consumer({ groupId: "group" });
  await consumer.subscribe({ topics: ["events"], fromBeginning: true });
  /** @type {Promise<void>} */
  const handling = new Promise((resolve) => {
    void consumer.run({
      eachMessage: () => {
        resolve();
        return new Promise(() => undefined);
      },
    });
  });
  await handling;

  t.mock.timers.enable({ apis: ["setTimeout"] });
  let closed = false;
  const closing = kafka.close().then(() => {
    closed = true;
  });
  t.mock.timers.tick(CLOSE_MS_MAX - 1);
  await new Promise(setImmediate);
  assert.equal(closed, false);
  t.mock.timers.tick(1);
  await closing;
  assert.equal(kafka.status, "closed");
  t.mock.timers.reset();

  // The name is free: a new cluster, without what the first one kept in memory.
  const next = new Kafka(options);
  const admin = next.admin();
  await admin.connect();
  assert.deepEqual(await admin.listTopics(), []);
  await next.close();
});
