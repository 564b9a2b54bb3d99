// How the wasm arrives: compiled once, handed to every worker.
import { TablogError } from "../errors/errors.js";
import type { WasmSource } from "../types/cluster.js";

/** Compiles the wasm. Rejects with an error that names the URL when something else is served. */
export async function compileWasm(source?: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source !== undefined && typeof source !== "string" && !(source instanceof URL)) {
    return source instanceof Response ? compileResponse(source) : WebAssembly.compile(source);
  }
  const url = new URL(source ?? new URL("../tablog.wasm", import.meta.url));
  if (url.protocol === "file:") {
    const { readFile } = await import(
      /* webpackIgnore: true */ /* @vite-ignore */ "node:fs/promises"
    );
    return WebAssembly.compile(await readFile(url));
  }
  return compileResponse(await fetch(url));
}

async function compileResponse(response: Response): Promise<WebAssembly.Module> {
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || type.startsWith("text/html")) {
    throw new TablogError(
      `${response.url} gives ${response.status} ${type} instead of the wasm; a development server ` +
        'that pre-bundles needs optimizeDeps: { exclude: ["tablog"] }',
      { type: "WASM_NOT_FOUND" },
    );
  }
  // Streaming insists on the MIME type; without it the bytes are as good, only later.
  return type.startsWith("application/wasm")
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}
