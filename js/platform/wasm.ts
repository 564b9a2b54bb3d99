// How the wasm arrives: compiled once, handed to every worker.
import { asError } from "../errors/error_object.js";
import { TablogError } from "../errors/errors.js";
import type { WasmSource } from "../types/arrival.js";
import { notTheFile, remedy } from "./not_arrived.js";

/** Compiles the wasm. Rejects with an error that names the URL when something else is served. */
export async function compileWasm(source: WasmSource): Promise<WebAssembly.Module> {
  if (typeof source === "string") return compileFrom(source);
  if ("href" in source) return compileFrom(source.href);
  if ("arrayBuffer" in source) return compileResponse(source as Response);
  // Not by instanceof: a module may be of another realm.
  const isModule = Object.prototype.toString.call(source) === "[object WebAssembly.Module]";
  if (isModule) return source;
  return compiled(WebAssembly.compile(source as BufferSource), "that was given");
}

async function compileFrom(url: string): Promise<WebAssembly.Module> {
  if (url.startsWith("file:")) {
    const file = await readFile(new URL(url))?.catch((error: unknown) => {
      const message = `the wasm at ${url} cannot be read (${asError(error).message}). ${remedy(url)}`;
      throw new TablogError(message, { type: "WASM_NOT_FOUND", cause: error });
    });
    if (file !== undefined) return compiled(WebAssembly.compile(file), url);
  }
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    const message =
      `the wasm at ${url} cannot be fetched (${asError(error).message}). There is no network, ` +
      "another origin does not allow it (CORS), or a Content-Security-Policy needs connect-src";
    throw new TablogError(message, { type: "WASM_NOT_FOUND", retriable: true, cause: error });
  }
  return compileResponse(response, url);
}

async function compileResponse(
  response: Response,
  url: string = response.url,
): Promise<WebAssembly.Module> {
  const instead = notTheFile(response);
  if (instead !== undefined) {
    const message = `${url} ${instead} instead of tablog's wasm. ${remedy(url)}`;
    throw new TablogError(message, { type: "WASM_NOT_FOUND" });
  }
  // Streaming insists on the MIME type; without it the bytes are as good, only later.
  const streams = response.headers.get("content-type")?.startsWith("application/wasm") ?? false;
  const compiling = streams
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
  return compiled(compiling, url);
}

async function compiled(
  compiling: Promise<WebAssembly.Module>,
  from: string,
): Promise<WebAssembly.Module> {
  try {
    return await compiling;
  } catch (error) {
    const message =
      `the wasm ${from} cannot be compiled (${asError(error).message}). It is another file, or a ` +
      "Content-Security-Policy needs script-src 'wasm-unsafe-eval'";
    throw new TablogError(message, { type: "WASM_REFUSED", cause: error });
  }
}

/** What of Node is used. */
interface Node {
  getBuiltinModule?(name: "node:fs/promises"): {
    readFile(path: URL): Promise<Uint8Array<ArrayBuffer>>;
  };
}

/** Undefined where there are no files. An import of `node:fs` would be one for every bundler. */
function readFile(url: URL): Promise<Uint8Array<ArrayBuffer>> | undefined {
  const { process } = globalThis as { process?: Node };
  return process?.getBuiltinModule?.("node:fs/promises").readFile(url);
}
