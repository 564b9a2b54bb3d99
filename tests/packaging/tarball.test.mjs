// What would be published.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { mustRun, npmBin } from "../../scripts/run.mjs";
import { pack } from "./apps.mjs";

/** @type {Awaited<ReturnType<typeof pack>>} */
let packed;

before(async () => {
  packed = await pack();
});

test("the tarball holds the build and no sources", () => {
  // What entries have in common is in chunks, which are named by the bundler.
  const entry = /^dist\/(index|inline|hosts|worker)\.js$/;
  const isChunk = (/** @type {string} */ path) => path.endsWith(".js") && !entry.test(path);
  const files = packed.files.filter((path) => !path.endsWith(".map") && !isChunk(path));
  assert.deepEqual(files.sort(), [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "dist/hosts.js",
    "dist/index.d.ts",
    "dist/index.js",
    "dist/inline.js",
    "dist/tablog.wasm",
    "dist/worker.js",
    "package.json",
  ]);
});

test("publint finds nothing", async () => {
  await mustRun(npmBin("publint"), ["run", "--strict", packed.tarball]);
});

test("Are the types wrong? No", async () => {
  // Nobody imports from these two.
  const flags = ["--profile", "esm-only", "--exclude-entrypoints", "tablog.wasm", "worker.js"];
  await mustRun(npmBin("attw"), [packed.tarball, ...flags], { quiet: true });
});
