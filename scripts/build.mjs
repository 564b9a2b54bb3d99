// Builds dist/, which is what the npm package holds: `build.mjs [wasm|js]`, or both.
//
// src/ → cargo → wasm-bindgen → pkg/bindings.{js,d.ts} → wasm-opt → dist/tablog.wasm
// js/ and pkg/bindings.d.ts → tsc → dist/*.{js,d.ts}
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { mustRun, npmBin, root } from "./run.mjs";
import { wasmBindgen } from "./tools.mjs";

/** What a page downloads; growth beyond it is a decision, made here. */
const WASM_BROTLI_BYTES_MAX = 600 * 1024;

/** Compiles the crate and makes pkg/. */
export async function buildWasm() {
  const target = "wasm32-unknown-unknown";
  await mustRun("cargo", ["build", "--release", "--lib", "--target", target]);
  const crate = join(root, "target", target, "release/tablog.wasm");
  const { command, version } = wasmBindgen();
  const made = join(root, "pkg/made-from");
  const inputs = createHash("sha256").update(version);
  for (const file of [crate, import.meta.filename]) inputs.update(readFileSync(file));
  const from = inputs.digest("hex");
  if (!existsSync(made) || readFileSync(made, "utf8") !== from) {
    rmSync(join(root, "pkg"), { recursive: true, force: true });
    // The glue may not hold its own `new URL(….wasm)`: bundlers would emit the file twice.
    const flags = ["--target", "web", "--omit-default-module-path"];
    await mustRun(command, [...flags, "--out-dir", "pkg", "--out-name", "bindings", crate]);
    // Measured: higher levels take four times as long and compress 15 % worse. By name, what was
    // compiled from the same generic code for different types is together and compresses 2 % better.
    const passes = ["-O1", "--reorder-functions-by-name"];
    await mustRun(npmBin("wasm-opt"), [...passes, "pkg/bindings_bg.wasm", "-o", "pkg/tablog.wasm"]);
    writeFileSync(made, from);
  }
  reportSize(readFileSync(join(root, "pkg/tablog.wasm")));
}

/** Compiles js/ and lays the package out in dist/. */
export async function buildJs() {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  mkdirSync(join(root, "dist"));
  for (const file of ["tablog.wasm", "bindings.js", "bindings.d.ts"]) {
    copyFileSync(join(root, "pkg", file), join(root, "dist", file));
  }
  await mustRun(npmBin("tsc"), ["-p", "js"]);
}

/** @param {Uint8Array} wasm */
function reportSize(wasm) {
  const brotli = brotliCompressSync(wasm).length;
  const kib = (/** @type {number} */ bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
  const sizes = [kib(wasm.length), `gzip ${kib(gzipSync(wasm).length)}`, `brotli ${kib(brotli)}`];
  console.log(`tablog.wasm: ${sizes.join(", ")}`);
  if (WASM_BROTLI_BYTES_MAX < brotli) {
    throw new Error(`tablog.wasm is over its budget of brotli ${kib(WASM_BROTLI_BYTES_MAX)}`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const part = process.argv[2];
  if (part !== "js") await buildWasm();
  if (part !== "wasm") await buildJs();
}
