// The package where there is no page: every Node that it runs in, test runners, Deno and Bun.
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { mustRun } from "../../scripts/run.mjs";
import { appBin, apps, install, makeApp } from "./apps.mjs";

before(install);

/** The Node that runs this, and the newest of each line after it. */
const nodes = [
  process.execPath,
  ...["node-22", "node-24", "node-26"].map((name) => join(apps, "node_modules", name, "bin/node")),
];

for (const node of nodes) {
  test(`node --test, ${node === process.execPath ? process.version : node}`, async () => {
    // A test run that knows of an outer one runs nothing.
    const flags = ["-u", "NODE_TEST_CONTEXT", node, "--test", "--test-reporter=tap"];
    const printed = await mustRun("env", flags, { cwd: makeApp("node"), quiet: true });
    assert.match(printed, /^# pass 3$/m);
  });
}

test("Vitest", async () => {
  const app = makeApp("vitest");
  const printed = await mustRun(appBin("vitest"), ["run"], { cwd: app, quiet: true });
  assert.match(printed, /1 passed/);
});

test("Jest with jsdom", async () => {
  const env = { NODE_OPTIONS: "--experimental-vm-modules" };
  const printed = await mustRun(appBin("jest"), [], { cwd: makeApp("jest"), env, quiet: true });
  assert.match(printed, /1 passed/);
});

for (const [name, command] of Object.entries({
  Deno: [appBin("deno"), "run", "--allow-read", "--allow-env", "program.js"],
  Bun: [appBin("bun"), "program.js"],
})) {
  test(name, async () => {
    const [file = "", ...args] = command;
    const printed = await mustRun(file, args, { cwd: makeApp("node"), quiet: true });
    assert.equal(printed.trim(), "consumed hello");
  });
}
