// Everything that is tested, stage by stage; `test.mjs STAGE…` runs only those. The last line is
// the sum.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { browserTests, compileBrowserTests, engines } from "./browser-tests.mjs";
import { buildJs, buildWasm } from "./build.mjs";
import { lint } from "./lint.mjs";
import { mustRun, npmBin, root, run } from "./run.mjs";
import { setupBuild, setupTests } from "./setup.mjs";

/** Seeds that every run tries, of the simulator and of each planted bug. */
const SIM_SEEDS = "5000";
const PLANTED_SEEDS = "1000";

/** @typedef {{ passed: number, failed: number }} Count */

/**
 * The stages in their order: what is cheapest and fails most often comes first.
 *
 * @type {Record<string, () => Promise<Count>>}
 */
const stages = {
  build,
  lint,
  rust: async () => cargoCount(await run("cargo", ["test", "--features", "sim"])),
  sim: async () => exitCount(await npmRun("sim", "--seeds", SIM_SEEDS)),
  planted: async () => exitCount(await npmRun("sim:planted", "--seeds", PLANTED_SEEDS)),
  js: async () => await nodeTests("tests/js"),
  browser,
  e2e,
  packaging: async () => await nodeTests("tests/packaging"),
};

async function build() {
  await buildWasm();
  await buildJs();
  return { passed: 1, failed: 0 };
}

/** @returns {Promise<Count>} */
async function browser() {
  await compileBrowserTests();
  const sum = { passed: 0, failed: 0 };
  for (const engine of Object.keys(engines)) {
    console.log(`in ${engine}:`);
    add(sum, cargoCount(await browserTests(engine)));
  }
  return sum;
}

/** @returns {Promise<Count>} */
async function e2e() {
  await mustRun(npmBin("vite"), ["build", "www"]);
  await mustRun(npmBin("vite"), ["build", "tests/e2e/pages"]);
  const { code, output } = await run(npmBin("playwright"), ["test"]);
  const number = (/** @type {string} */ word) =>
    Number(new RegExp(`^ +(\\d+) ${word}`, "m").exec(output)?.[1] ?? 0);
  const failed = number("failed") + number("flaky") + number("skipped") + number("did not run");
  return count(code, number("passed"), failed);
}

/**
 * Runs the files `*.test.mjs` of a folder with Node's test runner, one after the other.
 *
 * @param {string} folder
 */
async function nodeTests(folder) {
  const files = readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => join(folder, name));
  const flags = ["--test", "--test-concurrency=1", "--test-reporter=spec"];
  const { code, output } = await run(process.execPath, [...flags, ...files]);
  const number = (/** @type {string} */ word) =>
    Number(new RegExp(`^\\S+ ${word} (\\d+)$`, "m").exec(output)?.[1] ?? 0);
  return count(code, number("pass"), number("fail") + number("cancelled") + number("skipped"));
}

/**
 * @param {string} script
 * @param {string[]} args
 */
function npmRun(script, ...args) {
  return run("npm", ["run", "--silent", script, "--", ...args]);
}

/**
 * An ignored test counts as failed: nothing shows that it would pass.
 *
 * @param {{ code: number, output: string }} result of a `cargo test`
 */
function cargoCount({ code, output }) {
  let passed = 0;
  let failed = 0;
  const summary = /^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm;
  for (const line of output.matchAll(summary)) {
    passed += Number(line[1]);
    failed += Number(line[2]) + Number(line[3]);
  }
  return count(code, passed, failed);
}

/** @param {{ code: number }} result of a command that is one test */
function exitCount({ code }) {
  return count(code, code === 0 ? 1 : 0, 0);
}

/**
 * A command that failed without naming a test, or that ran none, is a failure too.
 *
 * @param {number} code
 * @param {number} passed
 * @param {number} failed
 * @returns {Count}
 */
function count(code, passed, failed) {
  const silent = failed === 0 && (code !== 0 || passed === 0);
  return { passed, failed: silent ? 1 : failed };
}

/**
 * @param {Count} sum
 * @param {Count} more
 */
function add(sum, more) {
  sum.passed += more.passed;
  sum.failed += more.failed;
}

/**
 * @param {string} name
 * @param {() => Promise<Count>} stage
 * @returns {Promise<Count & { name: string, seconds: number }>}
 */
async function timed(name, stage) {
  console.log(`\n=== ${name}`);
  const start = performance.now();
  /** @type {Count} */
  let result;
  try {
    result = await stage();
  } catch (error) {
    console.error(error);
    result = { passed: 0, failed: 1 };
  }
  return { name, ...result, seconds: Math.round((performance.now() - start) / 1000) };
}

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in stages));
if (unknown.length !== 0) throw new Error(`no stage ${unknown.join(", ")}`);

const results = [
  await timed("setup", async () => {
    await setupBuild();
    await setupTests();
    return { passed: 0, failed: 0 };
  }),
];
for (const [name, stage] of Object.entries(stages)) {
  // Every stage but the Rust ones reads the package, so a chosen one is built first as well.
  if (chosen.length === 0 || chosen.includes(name) || name === "build") {
    results.push(await timed(name, stage));
  }
}

const sum = { passed: 0, failed: 0 };
console.log();
for (const { name, passed, failed, seconds } of results) {
  add(sum, { passed, failed });
  console.log(`${name}: ${passed} passed, ${failed} failed, ${seconds} s`);
}
console.log(`\n${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 ? 0 : 1;
