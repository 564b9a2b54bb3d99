// One run of a consumer at a time, whatever starts, ends and restarts it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "./memory.mjs";

/** How long anything may take that has been ended. */
const SETTLE_MS_MAX = 5_000;
const INVALID = { name: "KafkaJSNonRetriableError", type: "INVALID_REQUEST" };
const CLOSED = { name: "TablogError", type: "CLOSED" };

/** @typedef {import("tablog").Consumer} Consumer */
/** @typedef {import("tablog").Kafka} Kafka */

/**
 * The value, or a failure when it is late.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {string} [what]
 * @returns {Promise<T>}
 */
async function settled(promise, what = "the promise") {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new assert.AssertionError({ message: `${what} has not settled` }));
    }, SETTLE_MS_MAX);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A promise, and what resolves it. */
function deferred() {
  /** @type {(value?: unknown) => void} */
  let resolve = () => undefined;
  const promise = new Promise((to) => {
    resolve = to;
  });
  return { promise, resolve };
}

/**
 * A topic with messages of these values, and a consumer that is subscribed to it.
 *
 * @param {Kafka} kafka
 * @param {string[]} values
 * @param {Partial<import("tablog").ConsumerConfig>} [config]
 */
async function consumerOf(kafka, values, config) {
  const producer = kafka.producer();
  await producer.connect();
  const messages = values.map((value) => ({ value }));
  await producer.send({ topic: "events", messages });
  const consumer = kafka.consumer({ groupId: "group", ...config });
  await consumer.connect();
  await consumer.subscribe({ topic: "events", fromBeginning: true });
  return consumer;
}

/** @param {Kafka} kafka */
async function members(kafka) {
  const { groups } = await kafka.admin().describeGroups(["group"]);
  return groups[0]?.members.length;
}

/**
 * What the consumer's next event of the type tells.
 *
 * @param {Consumer} consumer
 * @param {"consumer.crash" | "consumer.group_join"} type
 * @returns {Promise<object>}
 */
function next(consumer, type) {
  return new Promise((resolve) => {
    const end = consumer.on(type, ({ payload }) => {
      end();
      resolve(payload);
    });
  });
}

/** @param {Promise<object>} crashed @param {boolean} restart */
async function assertRestart(crashed, restart) {
  assert.equal(/** @type {{ restart: boolean }} */ (await crashed).restart, restart);
}

/** Runs, until a message has been handled. @param {Consumer} consumer */
function untilHandled(consumer) {
  const { promise, resolve } = deferred();
  const eachMessage = () => {
    resolve();
    return Promise.resolve();
  };
  void consumer.run({ eachMessage });
  return promise;
}

const nothing = () => Promise.resolve();
const fail = () => Promise.reject(new Error("of the handler"));
const retry = { retries: 0, initialRetryTime: 50, factor: 0 };

test("run() takes the place of a pending restart", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"], { retry });
  const crashed = next(consumer, "consumer.crash");
  await consumer.run({ eachMessage: fail });
  await assertRestart(crashed, true);
  let joins = 0;
  consumer.on("consumer.group_join", () => {
    joins += 1;
  });
  await settled(untilHandled(consumer));
  // Longer than the restart would have waited.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(joins, 1);
  assert.equal(await members(kafka), 1);
  await settled(consumer.disconnect());
  assert.equal(await members(kafka), 0);
});

test("run() while a crash asks restartOnFailure takes its place, too", async (t) => {
  const kafka = memory(t);
  const asked = deferred();
  const restartOnFailure = () => {
    asked.resolve();
    return new Promise(() => undefined);
  };
  const consumer = await consumerOf(kafka, ["a"], { retry: { ...retry, restartOnFailure } });
  await consumer.run({ eachMessage: fail });
  await asked.promise;
  await settled(untilHandled(consumer));
  assert.equal(await members(kafka), 1);
  await settled(consumer.disconnect());
});

test("stop() does not wait for what restartOnFailure answers", async (t) => {
  const kafka = memory(t);
  const asked = deferred();
  const restartOnFailure = () => {
    asked.resolve();
    return new Promise(() => undefined);
  };
  const consumer = await consumerOf(kafka, ["a"], { retry: { ...retry, restartOnFailure } });
  await consumer.run({ eachMessage: fail });
  await asked.promise;
  await settled(consumer.stop());
  assert.equal(await members(kafka), 0);
});

test("who runs while the last run ends comes after it", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a", "b"]);
  /** @type {string[]} */
  const handled = [];
  const first = new Promise((resolve) => {
    void consumer.run({
      eachMessage: async ({ message }) => {
        resolve(undefined);
        await new Promise((wake) => setTimeout(wake, 100));
        handled.push(`first ${String(message.value)}`);
      },
    });
  });
  await first;
  const stopped = consumer.stop();
  const second = new Promise((resolve) => {
    void consumer.run({
      eachMessage: ({ message }) => {
        handled.push(`second ${String(message.value)}`);
        resolve(undefined);
        return Promise.resolve();
      },
    });
  });
  await settled(stopped);
  await settled(second);
  assert.deepEqual(handled, ["first a", "second b"]);
  assert.equal(await members(kafka), 1);
});

test("stop() waits for the handler and commits what it has done", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a", "b"]);
  let done = false;
  const started = new Promise((resolve) => {
    void consumer.run({
      eachMessage: async () => {
        resolve(undefined);
        await new Promise((wake) => setTimeout(wake, 100));
        done = true;
      },
    });
  });
  await started;
  await settled(consumer.stop());
  assert.equal(done, true);
  const [events] = await kafka.admin().fetchOffsets({ groupId: "group", topics: ["events"] });
  assert.equal(events?.partitions[0]?.offset, "1");
});

/** @type {Record<string, (consumer: Consumer, kafka: Kafka) => Promise<void>>} */
const endings = {
  "stop()": (consumer) => consumer.stop(),
  "disconnect()": (consumer) => consumer.disconnect(),
  "close()": (_, kafka) => kafka.close(),
};

for (const [how, end] of Object.entries(endings)) {
  for (const kind of /** @type {const} */ (["eachMessage", "eachBatch"])) {
    for (const late of [false, true]) {
      test(`${how} inside of ${kind}${late ? ", after a pause," : ""} settles`, async (t) => {
        const kafka = memory(t);
        const consumer = await consumerOf(kafka, ["a", "b"]);
        let calls = 0;
        const ended = new Promise((resolve, reject) => {
          const handle = async () => {
            calls += 1;
            if (late) await new Promise((wake) => setTimeout(wake, 10));
            await end(consumer, kafka).then(resolve, reject);
          };
          void consumer.run({ [kind]: handle });
        });
        await settled(ended, how);
        await settled(consumer.disconnect());
        assert.equal(calls, 1);
      });
    }
  }

  test(`${how} inside of a loop over messages() ends it`, async (t) => {
    const kafka = memory(t);
    const consumer = await consumerOf(kafka, ["a", "b"]);
    let count = 0;
    const loop = async () => {
      for await (const { message } of consumer.messages()) {
        assert.equal(message.value?.toString(), "a");
        count += 1;
        await end(consumer, kafka);
      }
    };
    await settled(loop(), "the loop");
    assert.equal(count, 1);
  });

  test(`${how} beside a loop over messages() that waits ends it`, async (t) => {
    const kafka = memory(t);
    const consumer = await consumerOf(kafka, ["a"]);
    const seen = new Promise((resolve) => {
      consumer.on("consumer.commit_offsets", resolve);
    });
    const loop = async () => {
      let count = 0;
      for await (const { message } of consumer.messages()) count += message.offset === "0" ? 1 : 0;
      return count;
    };
    const looping = loop();
    await settled(seen, "the commit");
    await settled(end(consumer, kafka), how);
    assert.equal(await settled(looping, "the loop"), 1);
  });
}

test("a loop's message counts when the loop asks for the next within a stop", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a", "b"]);
  const stopping = [];
  for await (const { message } of consumer.messages()) {
    assert.equal(message.offset, "0");
    stopping.push(consumer.stop());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(stopping.length, 1);
  await settled(Promise.all(stopping));
  const [events] = await kafka.admin().fetchOffsets({ groupId: "group", topics: ["events"] });
  assert.equal(events?.partitions[0]?.offset, "1");
});

test("return() ends a next() that waits", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"]);
  const messages = consumer.messages();
  assert.equal((await messages.next()).done, false);
  const waiting = [messages.next(), messages.next()];
  await settled(messages.return(), "return()");
  assert.deepEqual(await settled(Promise.all(waiting)), [
    { done: true, value: undefined },
    { done: true, value: undefined },
  ]);
  assert.equal(await members(kafka), 0);
});

test("return() before the first next() starts nothing", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"]);
  const messages = consumer.messages();
  await settled(messages.return());
  assert.deepEqual(await settled(messages.next()), { done: true, value: undefined });
});

test("several next() at once get a message each, in order", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a", "b", "c"]);
  const messages = consumer.messages();
  const results = await settled(Promise.all([messages.next(), messages.next(), messages.next()]));
  assert.deepEqual(
    results.map(({ value }) => value?.message.value?.toString()),
    ["a", "b", "c"],
  );
  await settled(messages.return());
});

test("a loop that throws ends the run and keeps its error", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"]);
  const error = new Error("of the loop");
  const loop = async () => {
    for await (const { message } of consumer.messages()) {
      assert.equal(message.offset, "0");
      throw error;
    }
  };
  await assert.rejects(settled(loop()), error);
  assert.equal(await members(kafka), 0);
});

test("messages() of a consumer that runs is refused and leaves the run alone", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"]);
  await settled(untilHandled(consumer));
  const messages = consumer.messages();
  await assert.rejects(settled(messages.next()), INVALID);
  await settled(messages.return());
  assert.equal(await members(kafka), 1);
  await settled(consumer.disconnect());
});

test("a loop may begin again after one has ended", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a", "b"]);
  const values = [];
  for (let loops = 0; loops < 2; loops++) {
    for await (const { message } of consumer.messages()) {
      values.push(String(message.value));
      break;
    }
  }
  assert.deepEqual(values, ["a", "a"]);
});

test("pauses hold over a restart", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"], { retry: { ...retry, initialRetryTime: 1 } });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "paused", messages: [{ value: "p" }] });
  await producer.send({ topic: "whole", messages: [{ value: "w" }] });
  await consumer.subscribe({ topics: ["paused", "whole"], fromBeginning: true });
  /** @type {string[]} */
  const handled = [];
  let calls = 0;
  const restarted = next(consumer, "consumer.crash").then(() =>
    next(consumer, "consumer.group_join"),
  );
  const running = consumer.run({
    eachMessage: ({ topic }) => {
      if (topic === "events" && ++calls === 1) throw new Error("once");
      handled.push(topic);
      return Promise.resolve();
    },
  });
  const pause = [{ topic: "paused", partitions: [0] }, { topic: "whole" }];
  consumer.pause(pause);
  await running;
  await settled(restarted);
  assert.deepEqual(
    consumer.paused().sort((a, b) => (a.topic < b.topic ? -1 : 1)),
    [
      { topic: "paused", partitions: [0] },
      { topic: "whole", partitions: [0] },
    ],
  );
  await producer.send({ topic: "events", messages: [{ value: "b" }] });
  while (handled.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(handled, ["events", "events"]);
  consumer.resume([{ topic: "paused" }, { topic: "whole" }]);
  while (handled.length < 4) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(handled.slice(2).sort(), ["paused", "whole"]);
});

test("what a handler's pause() gave resumes after a restart, too", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"], { retry: { ...retry, initialRetryTime: 1 } });
  const restarted = next(consumer, "consumer.crash").then(() =>
    next(consumer, "consumer.group_join"),
  );
  /** @type {() => void} */
  let resume = () => undefined;
  let calls = 0;
  const handled = new Promise((resolve) => {
    void consumer.run({
      eachMessage: ({ pause }) => {
        if (++calls === 2) resolve(undefined);
        else {
          resume = pause();
          throw new Error("once");
        }
        return Promise.resolve();
      },
    });
  });
  await settled(restarted);
  assert.deepEqual(consumer.paused(), [{ topic: "events", partitions: [0] }]);
  resume();
  await settled(handled);
});

test("a seek while a restart is pending holds for it", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a", "b", "c"], { retry });
  const crashed = next(consumer, "consumer.crash");
  let fails = true;
  const handled = new Promise((resolve) => {
    void consumer.run({
      eachMessage: ({ message }) => {
        if (fails) throw new Error("once");
        resolve(String(message.value));
        return Promise.resolve();
      },
    });
  });
  await crashed;
  fails = false;
  consumer.seek({ topic: "events", partition: 0, offset: "2" });
  assert.equal(await settled(handled), "c");
});

test("ready() settles before, in and after a run", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"]);
  await assert.rejects(settled(consumer.ready()), INVALID);
  void consumer.run({ eachMessage: nothing });
  assert.deepEqual(await settled(consumer.ready()), { events: [0] });
  await consumer.stop();
  await assert.rejects(settled(consumer.ready()), INVALID);
  void consumer.run({ eachMessage: nothing });
  const waiting = consumer.ready();
  const stopping = consumer.stop();
  await assert.rejects(settled(waiting), CLOSED);
  await assert.rejects(settled(consumer.ready()), INVALID);
  await stopping;
});

test("ready() tells what assign() has taken", async (t) => {
  const kafka = memory(t);
  await consumerOf(kafka, ["a"]);
  const consumer = kafka.consumer({ groupId: "other" });
  consumer.assign([{ topic: "events", partition: 0, offset: "0" }]);
  await consumer.run({ eachMessage: nothing });
  assert.deepEqual(await settled(consumer.ready()), { events: [0] });
  await consumer.stop();
});

test("ready() of a consumer that crashes for good rejects with why", async (t) => {
  const kafka = memory(t);
  const restartOnFailure = () => Promise.resolve(false);
  const consumer = await consumerOf(kafka, ["a"], { retry: { ...retry, restartOnFailure } });
  const crashed = next(consumer, "consumer.crash");
  await consumer.run({ eachMessage: fail });
  await assertRestart(crashed, false);
  await assert.rejects(settled(consumer.ready()), { name: "KafkaJSNumberOfRetriesExceeded" });
  await assert.rejects(settled(consumer.ready()), INVALID);
});

test("a restart is not begun by a consumer that was disconnected meanwhile", async (t) => {
  const kafka = memory(t);
  const consumer = await consumerOf(kafka, ["a"], { retry });
  consumer.on("consumer.crash", () => {
    void consumer.disconnect();
  });
  const crashed = next(consumer, "consumer.crash");
  await consumer.run({ eachMessage: fail });
  await crashed;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(await members(kafka), 0);
});

test("who asks after a crash hears what it was", async (t) => {
  const kafka = memory(t);
  const consumer = kafka.consumer({
    groupId: "g",
    retry: { retries: 0, restartOnFailure: () => Promise.resolve(false) },
  });
  await consumer.connect();
  await consumer.subscribe({ topic: "t", fromBeginning: true });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "t", messages: [{ value: "v" }] });
  const crashed = new Promise((resolve) => consumer.on("consumer.crash", resolve));
  await consumer.run({ eachMessage: () => Promise.reject(new Error("out of paper")) });
  await crashed;
  // The run is not over before its crash has been told.
  await assert.rejects(consumer.ready(), /out of paper/);
  await assert.rejects(consumer.ready(), (/** @type {Error} */ error) => {
    assert.match(error.message, /^The consumer has crashed \(.*out of paper.*\)/);
    assert.equal(
      error.cause instanceof Error && error.cause.name,
      "KafkaJSNumberOfRetriesExceeded",
    );
    return true;
  });
  assert.throws(() => {
    consumer.pause();
  }, /out of paper/);
  await consumer.run({ eachMessage: () => Promise.resolve() });
  await consumer.ready();
});

test("a handler that has the thread for longer than a session stays a member", async (t) => {
  const kafka = memory(t, { brokerConfig: { "group.min.session.timeout.ms": "100" } });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "t", messages: [{ value: "a" }, { value: "b" }] });
  const consumer = kafka.consumer({ groupId: "g", sessionTimeout: 600, heartbeatInterval: 100 });
  let joins = 0;
  consumer.on("consumer.group_join", () => {
    joins += 1;
  });
  await consumer.connect();
  await consumer.subscribe({ topic: "t", fromBeginning: true });
  /** @type {string[]} */
  const offsets = [];
  /** @type {(value?: unknown) => void} */
  let finish = () => undefined;
  const finished = new Promise((resolve) => (finish = resolve));
  await consumer.run({
    eachMessage: ({ message }) => {
      offsets.push(message.offset);
      const until = performance.now() + 900;
      while (performance.now() < until);
      if (message.offset === "1") finish();
      return Promise.resolve();
    },
  });
  await finished;
  await consumer.commitOffsets([{ topic: "t", partition: 0, offset: "2" }]);
  assert.deepEqual([offsets, joins], [["0", "1"], 1]);
});
