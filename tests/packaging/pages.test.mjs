// Pages without a bundler: import maps, other origins, policies, and files that do not arrive.
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { apps, install, makeApp } from "./apps.mjs";
import { closeBrowser, open } from "./page.mjs";
import { serve } from "./server.mjs";

/** @typedef {Parameters<typeof serve>[1]} ServerOptions */

/** @type {string} the app, with the package's files in tablog/ */
let app;

before(async () => {
  await install();
  app = makeApp("pages");
  cpSync(join(apps, "node_modules/tablog/dist"), join(app, "tablog"), { recursive: true });
});
after(closeBrowser);

/**
 * Opens the page that imports `entry` with these options of `new Kafka()`.
 *
 * @param {import("node:test").TestContext} t
 * @param {object} [given]
 * @param {string} [given.entry]
 * @param {object} [given.options] with the URL of a worker that a function makes as `makes`
 * @param {ServerOptions} [given.server]
 */
async function opened(t, { entry = "/tablog/index.js", options = {}, server } = {}) {
  const { origin } = await served(t, server);
  const parameters = new URLSearchParams({ entry, options: JSON.stringify(options) });
  return { origin, ...(await open(`${origin}/page.html?${parameters.toString()}`)) };
}

/**
 * @param {import("node:test").TestContext} t
 * @param {ServerOptions} [options]
 */
async function served(t, options) {
  const server = await serve(app, options);
  t.after(server.close);
  return server;
}

const anyOrigin = { headers: { "access-control-allow-origin": "*" } };
/** @param {string} policy */
const withPolicy = (policy) => ({ headers: { "content-security-policy": policy } });
const STRICT = "default-src 'none'; connect-src 'self'";

test("an import map names the package's folder", async (t) => {
  const { origin } = await served(t);
  const { text, workers } = await open(`${origin}/`);
  assert.equal(text, "consumed hello");
  assert.deepEqual(new Set(workers), new Set([`${origin}/tablog/worker.js`]));
});

test("the package comes from another origin by its import alone", async (t) => {
  const other = await served(t, anyOrigin);
  const entry = `${other.origin}/tablog/index.js`;
  const { text, workers, requests, origin } = await opened(t, { entry });
  assert.equal(text, "consumed hello");
  assert.ok(
    workers.every((url) => url.startsWith(`blob:${origin}/`)),
    workers.join(),
  );
  assert.ok(requests.includes(`${other.origin}/tablog/worker.js`));
  assert.ok(requests.includes(`${other.origin}/tablog/tablog.wasm`));
});

test("worker and wasm come from where the application says", async (t) => {
  const other = await served(t, anyOrigin);
  for (const from of ["/elsewhere", `${other.origin}/elsewhere`]) {
    cpSync(join(app, "tablog"), join(app, "elsewhere"), { recursive: true });
    const options = { worker: `${from}/worker.js`, wasm: `${from}/tablog.wasm` };
    const { text, requests, origin } = await opened(t, { options });
    assert.equal(text, "consumed hello");
    for (const path of ["worker.js", "tablog.wasm"]) {
      assert.ok(requests.includes(new URL(`${from}/${path}`, origin).href));
      assert.ok(!requests.includes(`${origin}/tablog/${path}`));
    }
  }
  const { text } = await opened(t, { options: { makes: "/elsewhere/worker.js" } });
  assert.equal(text, "consumed hello");
});

test("the strictest Content-Security-Policy names what is needed, and no more", async (t) => {
  const policy = `${STRICT}; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'`;
  assert.equal((await opened(t, { server: withPolicy(policy) })).text, "consumed hello");
});

/** Each: what stands in the way, the type of the error, and what it says. */
const failures =
  /** @type {[string, NonNullable<Parameters<typeof opened>[1]>, string, RegExp][]} */ ([
    [
      "the wasm is not there",
      { server: { missing: [".wasm"] } },
      "WASM_NOT_FOUND",
      /\/tablog\/tablog\.wasm gives 404 .*tablog\/inline/,
    ],
    [
      "the wasm is HTML",
      { server: { missing: [".wasm"], fallback: "index.html" } },
      "WASM_NOT_FOUND",
      /gives 200 text\/html/,
    ],
    [
      "the wasm is another file",
      { options: { wasm: "/tablog/worker.js" } },
      "WASM_REFUSED",
      /\/tablog\/worker\.js cannot be compiled/,
    ],
    [
      "the worker is not there",
      { server: { missing: ["worker.js"] } },
      "WORKER_NOT_FOUND",
      /\/tablog\/worker\.js gives 404 .*tablog\/inline/,
    ],
    [
      "the worker is HTML",
      { server: { missing: ["worker.js"], fallback: "index.html" } },
      "WORKER_NOT_FOUND",
      /\/tablog\/worker\.js gives 200 text\/html/,
    ],
    [
      "the worker is an app's own, and not there",
      { options: { makes: "/nowhere.js" } },
      "WORKER_NOT_FOUND",
      /that the option "worker" makes/,
    ],
    [
      "the policy allows no wasm",
      { server: withPolicy(`${STRICT}; script-src 'self'; worker-src 'self'`) },
      "WASM_REFUSED",
      /script-src 'wasm-unsafe-eval'/,
    ],
    [
      "the policy allows no worker",
      { server: withPolicy(`${STRICT}; script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'`) },
      "WORKER_REFUSED",
      /worker-src 'self'/,
    ],
    [
      "the policy allows no blob",
      {
        entry: "/tablog/inline.js",
        server: withPolicy(`${STRICT}; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'`),
      },
      "WORKER_REFUSED",
      /worker-src blob:/,
    ],
  ]);

for (const [what, given, type, message] of failures) {
  test(`connect() says what to do when ${what}`, async (t) => {
    const { text } = await opened(t, given);
    assert.equal(text.slice(0, text.indexOf(":")), type, text);
    assert.match(text, message);
  });
}

test("another origin that does not allow it is told", async (t) => {
  const { origin: other } = await served(t);
  for (const [option, file] of /** @type {const} */ ([
    ["wasm", "tablog.wasm"],
    ["worker", "worker.js"],
  ])) {
    const { text } = await opened(t, { options: { [option]: `${other}/tablog/${file}` } });
    assert.match(text, new RegExp(`^${option.toUpperCase()}_NOT_FOUND: .*${file} .*CORS`));
  }
});
