// The package as a bundler's app has it: built, served as static files, opened.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { mustRun } from "../../scripts/run.mjs";
import { appBin, apps, install, makeApp } from "./apps.mjs";
import { closeBrowser, open } from "./page.mjs";
import { serve } from "./server.mjs";

before(install);
after(closeBrowser);

/**
 * Each with the command that builds, the folder that it fills, and what the app's author copies
 * into that.
 *
 * @type {Record<string, { kind: string, command: string[], folder?: string, copied?: string[] }>}
 */
const bundlers = {
  "Vite 8": { kind: "vite", command: [appBin("vite"), "build"] },
  "Vite 7": { kind: "vite-7", command: [...node("vite-7/bin/vite.js"), "build"] },
  webpack: {
    kind: "webpack",
    command: [appBin("webpack"), "--mode", "production", "--entry", "./main.js"],
    copied: ["index.html"],
  },
  esbuild: {
    kind: "esbuild",
    command: [appBin("esbuild"), "main.js", "--bundle", "--format=esm", "--outdir=dist"],
    copied: [
      "index.html",
      "../node_modules/tablog/dist/worker.js",
      "../node_modules/tablog/dist/tablog.wasm",
    ],
  },
  Rollup: { kind: "rollup", command: [appBin("rollup"), "-c"], copied: ["index.html"] },
  Parcel: {
    kind: "parcel",
    command: [appBin("parcel"), "build", "index.html", "--no-cache", "--dist-dir", "dist"],
  },
  "Next with Turbopack": { kind: "next", command: [appBin("next"), "build"], folder: "out" },
  "Next with webpack": {
    kind: "next",
    command: [appBin("next"), "build", "--webpack"],
    folder: "out",
  },
};

for (const [name, { kind, command, folder = "dist", copied = [] }] of Object.entries(bundlers)) {
  test(`${name}: the broker runs in a worker, and nothing is emitted twice`, async () => {
    const out = await built(kind, command, folder, copied);
    const files = filesOf(out);
    const wasms = files.filter((file) => file.endsWith(".wasm"));
    assert.equal(wasms.length, 1, `emitted: ${files.join(", ")}`);
    const scripts = files.filter((file) => file.endsWith(".js") && isWorker(join(out, file)));
    assert.equal(scripts.length, 1, `emitted: ${files.join(", ")}`);

    const server = await serve(out);
    try {
      const { text, workers } = await open(`${server.origin}/`);
      assert.equal(text, "consumed hello");
      assert.deepEqual(new Set(workers), new Set([`${server.origin}/${scripts[0]}`]));
    } finally {
      server.close();
    }
  });
}

for (const [name, vite] of /** @type {const} */ ([
  ["vite", [appBin("vite")]],
  ["vite-7", node("vite-7/bin/vite.js")],
])) {
  test(`${name}: the development server serves worker and wasm`, async () => {
    const app = makeApp(name);
    const port = await freePort();
    const [command = "", ...args] = vite;
    const flags = ["--host", "127.0.0.1", "--port", String(port), "--strictPort"];
    const server = spawn(command, [...args, ...flags], { cwd: app, stdio: "inherit" });
    try {
      await served(`http://127.0.0.1:${port}/`);
      const { text, workers } = await open(`http://127.0.0.1:${port}/`);
      assert.equal(text, "consumed hello");
      assert.ok(
        workers.every((url) => url.endsWith("/tablog/dist/worker.js")),
        workers.join(),
      );
      assert.notEqual(workers.length, 0);
    } finally {
      server.kill();
    }
  });
}

test("from tablog/inline, a bundle needs no other file", async () => {
  const entry = join(makeApp("inline"), "main-inline.js");
  for (const [name, command] of Object.entries({
    esbuild: [appBin("esbuild"), entry, "--bundle", "--format=iife", "--outfile=dist/main.js"],
    webpack: [appBin("webpack"), "--mode", "production", "--entry", entry],
  })) {
    const out = await built("inline", command, "dist", ["index.html"]);
    const server = await serve(out);
    try {
      const { text, workers, requests } = await open(`${server.origin}/`);
      assert.equal(text, "consumed hello", name);
      assert.notEqual(workers.length, 0);
      assert.ok(
        workers.every((url) => url.startsWith(`blob:${server.origin}/`)),
        workers.join(),
      );
      const fetched = requests.filter((url) => !url.startsWith("blob:"));
      assert.deepEqual(fetched, [`${server.origin}/`, `${server.origin}/main.js`], name);
    } finally {
      server.close();
    }
  }
});

test("a bundle that is no ES module is told what it needs", async () => {
  const command = [appBin("esbuild"), "main.js", "--bundle", "--format=iife", "--outdir=dist"];
  const server = await serve(await built("iife", command, "dist", ["index.html"]));
  try {
    const { text } = await open(`${server.origin}/`);
    assert.match(text, /^WASM_NOT_FOUND: .*import\.meta\.url.*tablog\/inline/);
  } finally {
    server.close();
  }
});

/**
 * @param {string} kind
 * @param {string[]} command
 * @param {string} folder
 * @param {string[]} copied
 * @returns {Promise<string>} the folder with what was built
 */
async function built(kind, [command = "", ...args], folder, copied) {
  const app = makeApp(kind);
  await mustRun(command, args, { cwd: app, quiet: true, env: { NEXT_TELEMETRY_DISABLED: "1" } });
  for (const file of copied) {
    copyFileSync(join(app, file), join(app, folder, file.split("/").at(-1) ?? ""));
  }
  return join(app, folder);
}

/**
 * @param {string} script of a dependency
 * @returns {string[]} the command that runs it
 */
function node(script) {
  return [process.execPath, join(apps, "node_modules", script)];
}

/** Resolves when a server answers. @param {string} url */
async function served(url) {
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (deadline < performance.now()) throw error;
    }
    await setTimeout(100);
  }
}

/** @param {string} folder */
function filesOf(folder) {
  return readdirSync(folder, { recursive: true, encoding: "utf8" });
}

/** By what only the workers' script asks of its first message. @param {string} path */
function isWorker(path) {
  return /["'`]options["'`] ?in\b/.test(readFileSync(path, "utf8"));
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  });
}
