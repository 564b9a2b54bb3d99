// What `scripts/build.mjs` makes for `inline.ts`.
export const inlined: {
  workerScript: string;
  /** In base64: a third of what the wasm itself would be. */
  wasmGzip: string;
};
