// What programs without types may pass: every call takes it, or fails with an error of the package.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaJSError } from "tablog";
import { memory } from "./memory.mjs";

const GIVEN = [null, 5, "x", true, [], [null], {}, { topics: null }, { topics: [null] }, () => 1];
/** They wait for topics that are not there, or end what the others need. */
const LEFT_OUT = ["disconnect", "stop", "fetchTopicOffsets", "fetchTopicOffsetsByTimestamp"];
const DEADLINE_MS = 20_000;

for (const kind of /** @type {const} */ (["producer", "consumer", "admin"])) {
  test(`no method of a ${kind} fails with an error of JavaScript's own`, async (t) => {
    const kafka = memory(t, { retry: { retries: 0 } });
    const client = {
      producer: () => kafka.producer(),
      consumer: () => kafka.consumer({ groupId: "g" }),
      admin: () => kafka.admin(),
    }[kind]();
    await client.connect();
    /** @type {string[]} */
    const wrong = [];
    for (const [name, method] of Object.entries(client)) {
      if (typeof method !== "function" || LEFT_OUT.includes(name)) continue;
      for (const given of GIVEN) {
        const call = `${name}(${typeof given === "function" ? "() => 1" : JSON.stringify(given)})`;
        const late = new AbortController();
        try {
          const untyped = /** @type {(given: unknown) => unknown} */ (method);
          const called = Promise.resolve(untyped(given));
          await Promise.race([
            called,
            new Promise((_, reject) => {
              const timer = setTimeout(reject, DEADLINE_MS, new Error("it does not settle"));
              late.signal.onabort = () => {
                clearTimeout(timer);
              };
            }),
          ]);
        } catch (error) {
          if (!(error instanceof KafkaJSError)) wrong.push(`${call}: ${String(error)}`);
        } finally {
          late.abort();
        }
      }
    }
    assert.deepEqual(wrong, []);
  });
}
