const assert = require("node:assert/strict");
const { test } = require("node:test");
const { Kafka } = require("tablog");

test("a CommonJS program requires the package", async () => {
  const kafka = new Kafka({ storage: "memory", logLevel: 0 });
  const producer = kafka.producer();
  await producer.connect();
  const [{ baseOffset }] = await producer.send({ topic: "t", messages: [{ value: "v" }] });
  assert.equal(baseOffset, "0");
  await kafka.close();
});
