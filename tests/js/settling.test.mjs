// Every promise of the package settles, whatever ends what it waits for: a table of who is asked, of
// what is asked (calls.mjs), and of what ends it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, KafkaJSError, logLevel } from "tablog";
import { ABORTABLE, calls, handed } from "./calls.mjs";

/** How long anything may take that has been ended. */
const SETTLE_MS_MAX = 5_000;
/** For how long a stop waits for a handler, and a close for that: told by a clock of the test's. */
const HANDLER_MS_MAX = 31_000;
const ABORTED = new Error("aborted by the test");
/** For calls that nobody aborts. */
const ABORT = new AbortController();
const { setTimeout: setTimeoutOfNode, clearTimeout: clearTimeoutOfNode } = globalThis;

/** @typedef {import("tablog").Consumer} Consumer */
/** @typedef {import("node:test").TestContext} TestContext */
/** @typedef {keyof typeof calls} Kind */
/**
 * Who is asked: one for each call. `enter` is how a call is made, such as from inside of a handler.
 *
 * @typedef {{
 *   client: object,
 *   owner: { disconnect(): Promise<void>, stop?: () => Promise<void> },
 *   enter?: (call: () => unknown) => unknown,
 * }} Asked
 */
/**
 * @typedef {{
 *   kinds: Kind[],
 *   open?: typeof open,
 *   make: (kafka: Kafka, kind: Kind, signal: AbortSignal) => Asked | Promise<Asked>,
 *   handlerNeverReturns?: boolean,
 * }} Situation
 */

let clusters = 0;
let groups = 0;

/** @param {Partial<import("tablog").KafkaConfig>} [config] */
function open(config) {
  const cluster = `settling-${clusters++}`;
  return new Kafka({ cluster, storage: "memory", logLevel: logLevel.NOTHING, ...config });
}

/** A cluster that does not start, as one whose broker another tab has: its wasm never arrives. */
function stuck() {
  const headers = { "content-type": "application/wasm" };
  return open({ wasm: new Response(new ReadableStream(), { headers }) });
}

/** @param {Kafka} kafka @param {Partial<import("tablog").ConsumerConfig>} [config] */
function consumerOf(kafka, config) {
  return kafka.consumer({ groupId: `group-${groups++}`, ...config });
}

/**
 * A client that has only been made.
 *
 * @param {Kafka} kafka @param {Kind} kind @param {AbortSignal} signal
 * @returns {Promise<Asked>}
 */
async function made(kafka, kind, signal) {
  if (kind === "kafka") return { client: kafka, owner: { disconnect: () => kafka.close() } };
  if (kind === "loop") {
    const owner = consumerOf(kafka);
    await owner.subscribe({ topic: "events" });
    return { client: owner.messages({ signal }), owner };
  }
  const owner =
    kind === "consumer"
      ? consumerOf(kafka)
      : // What it sends stays under way.
        kind === "producer"
        ? kafka.producer({ lingerMs: 600_000, deliveryTimeout: 1_200_000 })
        : kafka.admin();
  return { client: owner, owner };
}

/**
 * A consumer whose handler never returns, in which it is.
 *
 * @param {Kafka} kafka
 * @param {"eachMessage" | "eachBatch"} kind
 * @returns {Promise<{ owner: Consumer, payload: object, inside: (call: () => unknown) => unknown }>}
 */
async function inHandler(kafka, kind) {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "events", messages: [{ value: "one" }, { value: "two" }] });
  const owner = consumerOf(kafka);
  await owner.subscribe({ topic: "events", fromBeginning: true });
  return new Promise((resolve, reject) => {
    /** @param {object} payload */
    const handle = async (payload) => {
      /** @type {(call: () => void) => void} */
      let enter = () => undefined;
      const entered = new Promise((/** @type {(call: () => void) => void} */ to) => {
        enter = to;
      });
      /** @param {() => unknown} call */
      const inside = (call) =>
        new Promise((to) => {
          enter(() => {
            to((async () => Promise.resolve(call()))());
          });
        });
      resolve({ owner, payload, inside });
      (await entered)();
      await new Promise(() => undefined);
    };
    owner.run({ [kind]: handle }).catch(reject);
  });
}

/** Hears of everything and throws. @param {Kafka} kafka @param {Asked["owner"]} owner */
function throwAtAll(kafka, owner) {
  const listener = () => {
    throw new Error("of the listener");
  };
  kafka.on("status", listener);
  kafka.onTrace(listener);
  const { events, on } =
    /** @type {{ events: Record<string, string>, on: (type: string, listener: () => never) => void }} */ (
      /** @type {unknown} */ (owner)
    );
  for (const type of Object.values(events)) on(type, listener);
}

/** @type {Record<string, Situation>} */
const situations = {
  "of a cluster that does not start": {
    kinds: ["kafka", "producer", "consumer", "loop", "admin"],
    open: stuck,
    make: made,
  },
  "that is connected": {
    kinds: ["kafka", "producer", "consumer", "loop", "admin"],
    make: async (kafka, kind, signal) => {
      const asked = await made(kafka, kind, signal);
      await /** @type {import("tablog").Admin} */ (
        kind === "kafka" ? kafka.admin() : asked.owner
      ).connect();
      return asked;
    },
  },
  "that runs": {
    kinds: ["consumer"],
    make: async (kafka) => {
      const owner = consumerOf(kafka);
      await owner.subscribe({ topic: "events" });
      await owner.run({ eachMessage: () => Promise.resolve() });
      return { client: owner, owner };
    },
  },
  "whose listeners all throw": {
    kinds: ["producer", "consumer", "loop", "admin"],
    make: async (kafka, kind, signal) => {
      const asked = await made(kafka, kind, signal);
      throwAtAll(kafka, asked.owner);
      await /** @type {import("tablog").Admin} */ (asked.owner).connect();
      if (kind === "consumer") {
        const owner = /** @type {Consumer} */ (asked.owner);
        await owner.subscribe({ topic: "events" });
        await owner.run({ eachMessage: () => Promise.resolve() });
      }
      return asked;
    },
  },
  "whose assigner never answers": {
    kinds: ["consumer", "loop"],
    make: async (kafka, kind, signal) => {
      await kafka.admin().createTopics({ topics: [{ topic: "events" }] });
      /** @type {() => void} */
      let asked = () => undefined;
      const isAsked = new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
        asked = resolve;
      });
      const owner = consumerOf(kafka, {
        partitionAssigners: [
          () => ({
            name: "silent",
            version: 1,
            protocol: () => ({ name: "silent", metadata: Buffer.alloc(0) }),
            assign: () => {
              asked();
              return new Promise(() => undefined);
            },
          }),
        ],
      });
      await owner.subscribe({ topic: "events" });
      if (kind === "loop") {
        const client = owner.messages({ signal });
        client.next().catch(() => undefined);
        await isAsked;
        return { client, owner };
      }
      owner.run({ eachMessage: () => Promise.resolve() }).catch(() => undefined);
      await isAsked;
      return { client: owner, owner };
    },
  },
  "whose loop has a message in hand": {
    kinds: ["loop"],
    make: async (kafka, _, signal) => {
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic: "events", messages: [{ value: "one" }] });
      const owner = consumerOf(kafka);
      await owner.subscribe({ topic: "events", fromBeginning: true });
      const client = owner.messages({ signal });
      assert.equal((await client.next()).done, false);
      return { client, owner };
    },
  },
  "whose handler never returns": {
    kinds: ["consumer"],
    handlerNeverReturns: true,
    make: async (kafka) => {
      const { owner } = await inHandler(kafka, "eachMessage");
      return { client: owner, owner };
    },
  },
  "that a handler which never returns asks": {
    kinds: ["consumer"],
    handlerNeverReturns: true,
    make: async (kafka) => {
      const { owner, inside } = await inHandler(kafka, "eachBatch");
      return { client: owner, owner, enter: inside };
    },
  },
};

/** @type {Record<string, (asked: Asked[], kafka: Kafka, abort: AbortController) => unknown>} */
const endings = {
  stop: (asked) => Promise.all(asked.map(async ({ owner }) => owner.stop?.())),
  disconnect: (asked) => Promise.all(asked.map(({ owner }) => owner.disconnect())),
  close: (_, kafka) => kafka.close(),
  "close twice": (_, kafka) => Promise.all([kafka.close(), kafka.close()]),
  "disconnect and close": (asked, kafka) =>
    Promise.all([...asked.map(({ owner }) => owner.disconnect()), kafka.close()]),
  "disconnect twice": (asked) =>
    Promise.all(asked.flatMap(({ owner }) => [owner.disconnect(), owner.disconnect()])),
  abort: (_asked, _kafka, abort) => {
    abort.abort(ABORTED);
  },
};

/**
 * Resolves when the promise has, or has failed with an error of the package.
 *
 * @param {string} what
 * @param {() => unknown} call
 */
async function settles(what, call) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeoutOfNode(() => {
      reject(new assert.AssertionError({ message: `${what} has not settled` }));
    }, SETTLE_MS_MAX);
  });
  try {
    await Promise.race([call(), late]);
  } catch (error) {
    if (error === ABORTED || error instanceof KafkaJSError) return;
    const { message } = /** @type {Error} */ (error);
    if (message !== "of the loop") throw new Error(`${what}: ${message}`, { cause: error });
  } finally {
    clearTimeoutOfNode(timer);
  }
}

/** Lets the time go by that a stop gives a handler. @param {TestContext} t @param {Promise<unknown>} until */
async function passHandlersTime(t, until) {
  const over = Symbol("over");
  const awaited = until.then(
    () => over,
    () => over,
  );
  for (let ms = 0; ms < HANDLER_MS_MAX; ms += 100) {
    t.mock.timers.tick(100);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    if ((await Promise.race([awaited, Promise.resolve()])) === over) return;
  }
}

/** @param {string} how @param {string} who @param {string} name */
function applies(how, who, name) {
  if (how === "abort") return ABORTABLE.includes(name);
  // A stop ends what runs, and not what connects or sends.
  const runs = !["connect", "describeGroup"].includes(name);
  return how !== "stop" || !who.includes("does not start") || runs;
}

for (const [who, { kinds, make, handlerNeverReturns = false, ...situation }] of Object.entries(
  situations,
)) {
  for (const kind of kinds) {
    for (const [how, end] of Object.entries(endings)) {
      if (how === "stop" && !["consumer", "loop"].includes(kind)) continue;
      const table = /** @type {import("./calls.mjs").Calls<object>} */ (calls[kind]);
      const names = Reflect.ownKeys(table).filter((name) => applies(how, who, String(name)));
      if (names.length === 0) continue;
      test(`what is asked of a ${kind} ${who} settles at ${how}`, async (t) => {
        const kafka = (situation.open ?? open)();
        t.after(() => kafka.close());
        const abort = new AbortController();
        const { signal } = abort;
        const asked = await Promise.all(
          names.map(async (name) => ({ name, ...(await make(kafka, kind, signal)) })),
        );
        if (handlerNeverReturns) t.mock.timers.enable({ apis: ["setTimeout"] });
        const settled = Promise.all(
          asked.map(({ name, client, enter = (call) => call() }) => {
            const what = `${String(name)} of a ${kind}`;
            return settles(what, () => enter(() => table[name]?.(client, signal)));
          }),
        );
        // Whoever fails before somebody waits for it is heard below all the same.
        settled.catch(() => undefined);
        await new Promise(setImmediate);
        const ended = settles(how, () => end(asked, kafka, abort));
        if (handlerNeverReturns) await passHandlersTime(t, Promise.all([ended, settled]));
        await ended;
        await settled;
        if (handlerNeverReturns) await passHandlersTime(t, kafka.close());
      });
    }
  }
}

for (const kind of /** @type {const} */ (["eachMessage", "eachBatch"])) {
  const table = /** @type {import("./calls.mjs").Calls<object>} */ (handed[kind]);
  for (const [how, end] of Object.entries(endings)) {
    if (how === "abort") continue;
    test(`what ${kind} does with what it is given settles at ${how}, and after it`, async (t) => {
      const kafka = open();
      t.after(() => kafka.close());
      const { owner, payload } = await inHandler(kafka, kind);
      const given = Object.entries(payload).filter(([, value]) => typeof value === "function");
      assert.deepEqual(new Set(given.map(([name]) => name)), new Set(Object.keys(table)));
      const all = async (/** @type {string} */ when) => {
        await Promise.all(
          Reflect.ownKeys(table).map((name) =>
            settles(`${String(name)} ${when}`, () => table[name]?.(payload, ABORT.signal)),
          ),
        );
      };
      t.mock.timers.enable({ apis: ["setTimeout"] });
      const during = all("before");
      const ended = settles(how, () => end([{ client: owner, owner }], kafka, ABORT));
      await passHandlersTime(t, Promise.all([during, ended]));
      await Promise.all([during, ended, all("after")]);
      await passHandlersTime(t, kafka.close());
    });
  }
}

test("every method of the package is in the table", (t) => {
  const kafka = open();
  t.after(() => kafka.close());
  const consumer = consumerOf(kafka);
  const loop = consumer.messages();
  const all = { kafka, producer: kafka.producer(), consumer, loop, admin: kafka.admin() };
  for (const [kind, client] of Object.entries(all)) {
    /** @type {Set<string | symbol>} */
    const methods = new Set();
    /** @type {object} */
    let of = client;
    // What is of JavaScript itself is no promise of the package.
    while (of !== Object.prototype) {
      for (const name of Reflect.ownKeys(of)) {
        const value = /** @type {unknown} */ (Reflect.getOwnPropertyDescriptor(of, name)?.value);
        if (typeof value === "function" && name !== "constructor") methods.add(name);
      }
      of = /** @type {object} */ (Object.getPrototypeOf(of));
    }
    const rows = new Set(Reflect.ownKeys(calls[/** @type {Kind} */ (kind)]));
    assert.deepEqual(methods, rows, kind);
  }
});

test("an aborted connect() does not reject the others of the client", async (t) => {
  const kafka = open();
  t.after(() => kafka.close());
  for (const client of [kafka.producer(), kafka.admin(), kafka.consumer({ groupId: "group" })]) {
    const abort = new AbortController();
    const first = client.connect({ signal: abort.signal });
    const second = client.connect();
    abort.abort(ABORTED);
    await assert.rejects(first, ABORTED);
    await second;
  }
});

test("who disconnects while it connects is told so", async () => {
  const kafka = stuck();
  const producer = kafka.producer();
  const connected = producer.connect();
  await producer.disconnect();
  await assert.rejects(connected, { name: "TablogError", type: "CLOSED", retriable: false });
  await kafka.close();
  assert.equal(kafka.status, "closed");
});

test("when all who wait for a connection have aborted, the cluster is given back", async () => {
  const kafka = stuck();
  const producer = kafka.producer();
  const aborts = [new AbortController(), new AbortController()];
  const connects = aborts.map(({ signal }) => producer.connect({ signal }));
  for (const abort of aborts) abort.abort(ABORTED);
  for (const connect of connects) await assert.rejects(connect, ABORTED);
  assert.deepEqual(await Promise.race([kafka.close().then(() => "closed")]), "closed");
  await assert.rejects(producer.send({ topic: "events", messages: [] }), { type: "CLOSED" });
});
