// What happens to workers that do not live: they are followed by others, and given up in the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "tablog";

/** Of a module with nothing in it: these workers are no workers. */
const WASM = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);

const NO_PLACE = new Error("there is no place for it");

/** @typedef {(worker: FakeWorker) => void} Life what it does when it is started */

class FakeWorker {
  /** @type {((event: object) => void) | null} */
  onmessage = null;
  /** @type {((event: object) => void) | null} */
  onerror = null;
  #life;

  /** @param {Life} life */
  constructor(life) {
    this.#life = life;
  }

  /** @param {object} message */
  postMessage(message) {
    if ("type" in message && message.type === "start") {
      queueMicrotask(() => {
        this.#life(this);
      });
    }
  }

  terminate() {
    this.onmessage = null;
    this.onerror = null;
  }

  say(/** @type {object} */ data) {
    this.onmessage?.({ data });
  }

  die() {
    this.onerror?.({ message: "it fell over" });
  }
}

/** @type {Life} */
const alive = (worker) => {
  worker.say({ type: "alive", watched: false });
};

/**
 * @type {Record<string, { broker: Life, clients: Life, made: number, error: object }>}
 */
const cases = {
  "a broker that dies at once": {
    broker: (worker) => {
      worker.die();
    },
    clients: alive,
    made: 6,
    error: { type: "BROKER_STOPPED", retriable: false },
  },
  "a broker that lives for long and dies before it serves": {
    broker: (worker) => {
      alive(worker);
      setTimeout(() => {
        worker.die();
      }, 10_000);
    },
    clients: alive,
    made: 6,
    error: { type: "BROKER_STOPPED", retriable: false },
  },
  "a broker that never says a word": {
    broker: () => undefined,
    clients: alive,
    made: 2,
    error: { type: "WORKER_NOT_FOUND", message: /did not start within 30000 ms.*worker\.js/ },
  },
  "clients that never say a word": {
    broker: alive,
    clients: () => undefined,
    made: 1,
    error: { type: "WORKER_NOT_FOUND", message: /did not start within 30000 ms.*worker\.js/ },
  },
  "a broker that lives once, and whose successors never say a word": {
    broker: (() => {
      let made = 0;
      return (/** @type {FakeWorker} */ worker) => {
        made += 1;
        if (made > 1) return;
        alive(worker);
        worker.die();
      };
    })(),
    clients: alive,
    made: 6,
    error: { type: "BROKER_STOPPED", retriable: false },
  },
  "a broker that cannot start": {
    broker: (worker) => {
      alive(worker);
      const error = { type: "QUOTA", code: 56, kind: "storage", message: "full", retriable: true };
      worker.say({ type: "failed", error });
    },
    clients: alive,
    made: 1,
    error: { type: "QUOTA" },
  },
  "clients that die at once": {
    broker: alive,
    clients: (worker) => {
      worker.die();
    },
    made: 1,
    error: { type: "CLIENT_STOPPED" },
  },
  "a worker that cannot be made": {
    broker: () => undefined,
    clients: () => {
      throw new Error("the case below makes none");
    },
    made: 0,
    error: { type: "WORKER_NOT_FOUND", cause: NO_PLACE },
  },
};

for (const [what, { broker, clients, made, error }] of Object.entries(cases)) {
  test(`connect() tells of ${what}`, async (t) => {
    if (typeof Worker === "undefined") {
      Object.assign(globalThis, { Worker: FakeWorker });
      t.after(() => Reflect.deleteProperty(globalThis, "Worker"));
    }
    let nowMs = 0;
    t.mock.timers.enable({ apis: ["setTimeout"] });
    t.mock.method(performance, "now", () => nowMs);
    let brokers = 0;
    const kafka = new Kafka({
      cluster: `supervised-${what}`,
      storage: "memory",
      logLevel: logLevel.NOTHING,
      wasm: WASM,
      worker: (name) => {
        if (made === 0) throw NO_PLACE;
        if (name === "tablog-broker") brokers += 1;
        return new FakeWorker(name === "tablog-broker" ? broker : clients);
      },
    });
    const settled = new AbortController();
    const connecting = assert.rejects(kafka.producer().connect(), error).finally(() => {
      settled.abort();
    });
    for (let turn = 0; !settled.signal.aborted; turn += 1) {
      assert.ok(turn < 5_000, "it has not settled");
      await new Promise(setImmediate);
      nowMs += 1_000;
      t.mock.timers.tick(1_000);
    }
    await connecting;
    assert.equal(brokers, made);
    await kafka.close();
  });
}

test("a worker function that makes none, or one that keeps silent, is told of at once", async (t) => {
  if (typeof Worker === "undefined") {
    Object.assign(globalThis, { Worker: FakeWorker });
    t.after(() => Reflect.deleteProperty(globalThis, "Worker"));
  }
  /** @type {string[]} */
  const warnings = [];
  /** @param {string} cluster @param {any} worker */
  const open = (cluster, worker) =>
    new Kafka({
      cluster,
      storage: "memory",
      wasm: WASM,
      worker,
      logLevel: logLevel.WARN,
      logCreator:
        () =>
        ({ level, log }) => {
          if (level === logLevel.WARN) warnings.push(log.message);
        },
    });
  const none = open("makes-none", () => null);
  await assert.rejects(none.producer().connect(), {
    type: "WORKER_NOT_FOUND",
    message: /must make a Worker, not null/,
  });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const silent = open("keeps-silent", () => new FakeWorker(() => undefined));
  const connecting = silent.producer().connect();
  connecting.catch(() => undefined);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.deepEqual(warnings, []);
  t.mock.timers.tick(15_000);
  const warning = "Another worker is tried: its worker did not start within 15000 ms";
  assert.deepEqual(new Set(warnings), new Set([warning]));
  await silent.close();
  await assert.rejects(connecting);
});
