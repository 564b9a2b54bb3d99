// Where the package's two files come from, without the types of the DOM: not every program has them.

/** Each entry of the package has its own; the options of an application go before it. */
export interface Arrival {
  worker(): WorkerSource;
  wasm(): WasmSource | Promise<WasmSource>;
}

/** A `URL`. */
export interface UrlLike {
  readonly href: string;
}

/** A `Worker`. */
export interface WorkerLike {
  postMessage(message: unknown): void;
  terminate(): void;
}

/** A `Response`. */
export interface ResponseLike {
  readonly url: string;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A `WebAssembly.Module`, which has nothing that a type could tell. */
export type CompiledModule = object;

/**
 * The script of the workers, `tablog/worker.js`: its URL, or what makes a worker of it. `name` tells
 * in development tools which worker it is.
 */
export type WorkerSource = string | UrlLike | ((name: string) => WorkerLike);

/** The wasm, `tablog/tablog.wasm`: its URL, a response with it, its bytes, or what was compiled. */
export type WasmSource =
  string | UrlLike | ResponseLike | ArrayBuffer | ArrayBufferView | CompiledModule;
