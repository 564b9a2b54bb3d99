// Measures the record room in wasm, on one core: node benches/record/bench.mjs
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
const target = join(here, "../../target/record-bench");
const build = spawnSync(
  "cargo",
  ["build", "--release", "--target", "wasm32-unknown-unknown", "--target-dir", target],
  { cwd: here, stdio: "inherit" },
);
if (build.status !== 0) process.exit(1);

const wasm = new WebAssembly.Module(
  readFileSync(join(target, "wasm32-unknown-unknown/release/record_bench.wasm")),
);
// tablog's bindings import JavaScript, none of which is called here.
/** @type {WebAssembly.Imports} */
const imports = {};
for (const { module, name } of WebAssembly.Module.imports(wasm)) {
  (imports[module] ??= {})[name] = () => 0;
}
const { exports } = new WebAssembly.Instance(wasm, imports);
const call = /** @type {Record<string, (...args: number[]) => number>} */ (exports);

/**
 * MB/s of the best of five runs.
 *
 * @param {number} bytes what one repetition takes
 * @param {number} total the bytes of a run, about
 * @param {string} name the export
 * @param {number[]} args its arguments; the number of repetitions comes behind them
 * @param {number} [expected] what it returns
 */
function speed(bytes, total, name, args, expected) {
  const times = 2 * Math.ceil(total / bytes / 2) + 1; // odd, so that the xor of all CRCs is one
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    const result = call[name]?.(...args, times);
    best = Math.min(best, performance.now() - start);
    if (expected !== undefined && result !== expected) throw new Error(`${name} is wrong`);
  }
  return `${Math.round((times * bytes) / best / 1000)} MB/s`.padStart(10);
}

for (const bytes of [100, 1_000, 16_000, 1_000_000]) {
  const expected = call.crc_tablog?.(bytes, 1);
  for (const way of ["crc_tablog", "crc_crate_crc32c", "crc_crate_crc_fast"]) {
    console.log(
      way.padEnd(18),
      String(bytes).padStart(8),
      speed(bytes, 200e6, way, [bytes], expected),
    );
  }
}

const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
for (const bytes of [1_000, 16_000, 1_000_000]) {
  for (let id = 1; id < codecs.length; id++) {
    console.log(
      codecs[id]?.padEnd(18),
      String(bytes).padStart(8),
      `to ${call.compress?.(id, bytes, 1)}`.padEnd(10),
      speed(bytes, 10e6, "compress", [id, bytes]),
      speed(bytes, 20e6, "decompress", [id, bytes], bytes),
    );
  }
}
