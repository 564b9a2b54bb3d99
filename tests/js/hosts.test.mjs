// What the hosts of broker and clients do, without a page between them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

/**
 * Only workers have it, and here there are none.
 *
 * @type {{ BrokerHost: new (tell: (message: { type: string }) => void) => Host }}
 */
const { BrokerHost } = await import(new URL("hosts.js", import.meta.resolve("tablog")).href);
/** @typedef {{ handle(message: object): void }} Host */

const wasm = await readFile(new URL(import.meta.resolve("tablog/tablog.wasm")));

test("connections end with the site that dialled them, and with no other", async () => {
  /** @type {(value?: undefined) => void} */
  let onRunning;
  const running = new Promise((resolve) => {
    onRunning = resolve;
  });
  const host = new BrokerHost((message) => {
    if (message.type === "running") onRunning();
  });
  const options = {
    cluster: "hosts",
    storage: /** @type {const} */ ("memory"),
    nodeId: 1,
    config: {},
    incarnations: null,
  };
  host.handle({ type: "start", module: await WebAssembly.compile(wasm), options, liveness: null });
  await running;
  /** @param {number} wire */
  const newWire = (wire) => {
    const { port1, port2 } = new MessageChannel();
    host.handle({ type: "wire", wire, port: port1 });
    return port2;
  };
  /** @param {MessagePort} port */
  const dial = (port) => {
    const { port1, port2 } = new MessageChannel();
    port.postMessage({ port: port2 }, [port2]);
    return port1;
  };
  /** @param {MessagePort} port */
  const nextMessage = (port) =>
    new Promise((resolve) => {
      port.onmessage = ({ data }) => {
        resolve(data);
      };
    });
  // ApiVersions in version 0, with correlation id 7 and without a client id.
  const request = new Uint8Array([0, 18, 0, 0, 0, 0, 0, 7, 255, 255]);

  const answers = async (/** @type {MessagePort} */ connection) => {
    connection.postMessage(request.buffer.slice(0));
    return (await nextMessage(connection)) instanceof ArrayBuffer;
  };

  const first = newWire(1);
  const connection = dial(first);
  assert.ok(await answers(connection));
  const second = newWire(2);
  const another = dial(second);
  assert.ok(await answers(another));
  assert.ok(await answers(connection));

  const ended = nextMessage(connection);
  host.handle({ type: "unwire", wire: 1 });
  assert.equal(await ended, null);
  assert.ok(await answers(another));
  assert.ok(await answers(dial(second)));
  for (const port of [first, second, connection, another]) port.close();
  host.handle({ type: "close" });
});
