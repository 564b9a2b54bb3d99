// Builds dist/, which is what the npm package holds: `build.mjs [wasm|js]`, or both.
//
// src/ → cargo → wasm-bindgen → pkg/bindings.{js,d.ts} → wasm-opt → dist/tablog.wasm
// js/ and pkg/bindings.js → Rolldown → dist/*.js; js/ → Rollup → dist/index.d.ts
//
// What comes from npm is imported where it is used: `npm test` reads this file before it installs.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { mustRun, npmBin, root } from "./run.mjs";
import { wasmBindgen } from "./tools.mjs";

const dist = join(root, "dist");

/** What a page downloads, after brotli; growth beyond it is a decision, made here. */
const BROTLI_BYTES_MAX = {
  "tablog.wasm": 600 * 1024,
  "worker.js": 7 * 1024,
  /** What the bundle of an app has of the package, minified. */
  "the page's JavaScript": 25 * 1024,
};

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
  reportSize("tablog.wasm", readFileSync(join(root, "pkg/tablog.wasm")));
}

/** Bundles js/ and lays the package out in dist/. */
export async function buildJs() {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  copyFileSync(join(root, "pkg/tablog.wasm"), join(dist, "tablog.wasm"));
  // A script and no module, so that a bundler that takes it for either is right.
  await bundle({
    input: { worker: join(root, "js/worker.ts") },
    output: { ...output, format: "iife", minify: true },
  });
  await bundle({
    input: {
      index: join(root, "js/index.ts"),
      inline: join(root, "js/inline.ts"),
      hosts: join(root, "js/host/hosts.ts"),
    },
    output: { ...output, format: "es", chunkFileNames: "[name].js", minify: false },
  });
  reportSize("worker.js", readFileSync(join(dist, "worker.js")));
  reportSize("the page's JavaScript", await pageJavaScript());
  const { rollup } = await import("rollup");
  const { dts } = await import("rollup-plugin-dts");
  const types = await rollup({
    input: join(root, "js/index.ts"),
    plugins: [dts({ tsconfig: join(root, "js/tsconfig.json") })],
  });
  // Not every program has the types of `await using`, which came after ES2023.
  const banner = '/// <reference lib="esnext.disposable" />';
  await types.write({ file: join(dist, "index.d.ts"), format: "es", banner });
  await types.close();
}

/** @type {import("rolldown").OutputOptions} */
const output = { dir: dist, sourcemap: true };

/** @param {import("rolldown").BuildOptions} options */
async function bundle(options) {
  const { build } = await import("rolldown");
  await build({
    ...options,
    platform: "neutral",
    tsconfig: join(root, "js/tsconfig.json"),
    transform: { target: "es2022" },
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    plugins: [madeFiles],
  });
}

/**
 * What js/ imports and is made: the glue by wasm-bindgen, and the other files for `inline.ts`.
 *
 * @type {import("rolldown").Plugin}
 */
const madeFiles = {
  name: "made-files",
  resolveId(source) {
    if (source.endsWith("/bindings.js")) return join(root, "pkg/bindings.js");
    return source.endsWith("/inlined.js") ? "\0inlined" : null;
  },
  load(id) {
    if (id !== "\0inlined") return null;
    const read = (/** @type {string} */ file) => readFileSync(join(dist, file));
    const inlined = {
      workerScript: read("worker.js")
        .toString()
        .replace(/\n\/\/# sourceMappingURL.*/, ""),
      wasmGzip: gzipSync(read("tablog.wasm"), { level: 9 }).toString("base64"),
    };
    return `export const inlined = ${JSON.stringify(inlined)};`;
  },
};

/**
 * What an app's bundler makes of the package for its page: without what only a page without workers
 * imports.
 */
async function pageJavaScript() {
  const { build } = await import("rolldown");
  const { output } = await build({
    input: join(dist, "index.js"),
    external: ["./hosts.js"],
    write: false,
    output: { format: "es", minify: true },
  });
  const chunks = output.filter((file) => file.type === "chunk");
  return Buffer.from(chunks.map(({ code }) => code).join(""));
}

/**
 * @param {keyof typeof BROTLI_BYTES_MAX} what
 * @param {Uint8Array} bytes
 */
function reportSize(what, bytes) {
  const brotli = brotliCompressSync(bytes).length;
  const kib = (/** @type {number} */ count) => `${(count / 1024).toFixed(1)} KiB`;
  const sizes = [kib(bytes.length), `gzip ${kib(gzipSync(bytes).length)}`, `brotli ${kib(brotli)}`];
  console.log(`${what}: ${sizes.join(", ")}`);
  if (BROTLI_BYTES_MAX[what] < brotli) {
    throw new Error(`${what} is over its budget of brotli ${kib(BROTLI_BYTES_MAX[what])}`);
  }
}

if (process.argv[1] === import.meta.filename) {
  const part = process.argv[2];
  if (part !== "js") await buildWasm();
  if (part !== "wasm") await buildJs();
}
