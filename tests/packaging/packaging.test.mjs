// The package as its users get it: packed, installed in an app elsewhere, bundled, opened.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium as browserType } from "@playwright/test";
import { mustRun, npmBin } from "../../scripts/run.mjs";
import { chromium } from "../chromium.mjs";
import { makeApp, pack, temporaryFolder } from "./package.mjs";

const { folder, remove } = temporaryFolder();
/** @type {import("./package.mjs").Packed} */
let packed;

before(async () => {
  packed = await pack(folder);
});
after(remove);

test("the tarball holds the build and no sources", () => {
  assert.deepEqual(
    packed.files.filter((path) => !/^dist\/.*\.(js|d\.ts|js\.map)$/.test(path)).sort(),
    ["CHANGELOG.md", "LICENSE", "README.md", "dist/tablog.wasm", "package.json"],
  );
});

test("publint finds nothing", async () => {
  await mustRun(npmBin("publint"), ["run", "--strict", packed.tarball]);
});

test("Are the types wrong? No", async () => {
  // Nobody imports from these two.
  const flags = ["--profile", "esm-only", "--exclude-entrypoints", "tablog.wasm", "worker.js"];
  await mustRun(npmBin("attw"), [packed.tarball, ...flags]);
});

test("a Node app with memory storage", async () => {
  const app = join(folder, "node");
  mkdirSync(app);
  await makeApp(app, "node", packed);
  const printed = await mustRun(process.execPath, ["node.js"], { cwd: app });
  // Before it come the lines of the log.
  assert.equal(printed.trim().split("\n").at(-1), "consumed hello");
});

test("a Vite app, in development and built", async () => {
  const app = join(folder, "vite");
  mkdirSync(app);
  await makeApp(app, "vite", packed);
  const vite = join(app, "node_modules/.bin/vite");
  assert.equal(await textOfPage(vite, [], app), "consumed hello");

  await mustRun(vite, ["build"], { cwd: app });
  assertOneWasm(join(app, "dist"));
  assert.equal(await textOfPage(vite, ["preview"], app), "consumed hello");
});

test("a webpack app", async () => {
  const app = join(folder, "webpack");
  mkdirSync(app);
  await makeApp(app, "webpack", packed);
  const flags = ["--mode", "production", "--entry", "./main.js"];
  await mustRun(join(app, "node_modules/.bin/webpack"), flags, { cwd: app });
  assertOneWasm(join(app, "dist"));
  // The page loads ./main.js, which is also what webpack calls its output.
  cpSync(join(app, "index.html"), join(app, "dist/index.html"));
  assert.equal(await textOfPage(npmBin("vite"), ["preview"], app), "consumed hello");
});

/** @param {string} dist */
function assertOneWasm(dist) {
  const files = readdirSync(dist, { recursive: true, encoding: "utf8" });
  const wasm = files.filter((path) => path.endsWith(".wasm"));
  assert.equal(wasm.length, 1, `emitted: ${files.join(", ")}`);
}

/**
 * Opens the page that a server serves.
 *
 * @param {string} command the server; Vite's options choose its port
 * @param {string[]} args
 * @param {string} cwd
 * @returns {Promise<string>} what the app wrote into it
 */
async function textOfPage(command, args, cwd) {
  const flags = ["--host", "127.0.0.1", "--port", "4175", "--strictPort"];
  const server = spawn(command, [...args, ...flags], { cwd, stdio: "inherit" });
  const browser = await browserType.launch(chromium);
  try {
    const page = await browser.newPage();
    page.on("console", (message) => {
      console.log(`page: ${message.text()}`);
    });
    await openWhenServed(page, "http://127.0.0.1:4175/");
    const output = page.locator("output:not(:empty)");
    return (await output.textContent({ timeout: 60_000 })) ?? "";
  } finally {
    await browser.close();
    server.kill();
  }
}

/**
 * @param {import("@playwright/test").Page} page
 * @param {string} url
 */
async function openWhenServed(page, url) {
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      await page.goto(url);
      return;
    } catch (error) {
      if (deadline < performance.now()) throw error;
    }
    await page.waitForTimeout(200);
  }
}
