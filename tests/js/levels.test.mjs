// What is closed leaves nothing behind: levels of memory, measured in a process of their own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const MIB = 1024 * 1024;

/**
 * Bytes that the process holds after each round, once all that can be collected is.
 *
 * @param {string} round the body of an async function
 * @param {number} rounds
 * @returns {Promise<number[]>}
 */
async function levels(round, rounds) {
  const script = `
    import { Kafka, logLevel } from "tablog";
    import { setImmediate } from "node:timers/promises";
    const round = async (index) => { ${round} };
    const levels = [];
    for (let index = 0; index < ${rounds}; index += 1) {
      await round(index);
      // Ports are freed a few turns after they are closed.
      for (let turn = 0; turn < 5; turn += 1) await setImmediate();
      gc();
      const { heapUsed, arrayBuffers, external } = process.memoryUsage();
      levels.push(heapUsed + arrayBuffers + external);
    }
    console.log(JSON.stringify(levels));
    process.exit();`;
  const flags = ["--expose-gc", "--input-type=module", "--eval", script];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { maxBuffer: MIB });
  /** @type {number[]} */
  const measured = JSON.parse(stdout);
  return measured;
}

/** @param {number[]} of @param {number} settled rounds until the level is reached */
function grown(of, settled) {
  return Math.max(...of.slice(-5)) - Math.max(...of.slice(0, settled));
}

test("200 clusters of 5 MB each, opened, filled and closed, leave nothing", async () => {
  const values = await levels(
    `const kafka = new Kafka({ cluster: "level", storage: "memory", logLevel: logLevel.NOTHING });
     const producer = kafka.producer();
     await producer.connect();
     const value = new Uint8Array(500_000).fill(index);
     const messages = Array.from({ length: 10 }, () => ({ value }));
     await producer.send({ topic: "events", messages });
     await kafka.close();`,
    200,
  );
  assert.ok(grown(values, 20) < 10 * MIB, String(values.filter((_, index) => index % 20 === 0)));
});

test("1,000 consumers made and disconnected leave nothing", async () => {
  const values = await levels(
    `globalThis.kafka ??= new Kafka({
       cluster: "level", storage: "memory", logLevel: logLevel.NOTHING,
       brokerConfig: { "group.initial.rebalance.delay.ms": "0" },
     });
     const run = async (_, member) => {
       const consumer = kafka.consumer({ groupId: \`group \${member}\` });
       await consumer.connect();
       await consumer.subscribe({ topics: ["events"] });
       await consumer.run({ eachMessage: () => Promise.resolve() });
       await consumer.disconnect();
     };
     await Promise.all(Array.from({ length: 20 }, run));`,
    50,
  );
  assert.ok(grown(values, 10) < 5 * MIB, String(values.filter((_, index) => index % 5 === 0)));
});
