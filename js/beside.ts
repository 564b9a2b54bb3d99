// Both files are beside this one, where the package was installed or a bundler has put them.
import { TablogError } from "./errors/errors.js";
import type { Arrival } from "./types/arrival.js";

// Bundlers emit a file for each of these literal forms. The worker is one, too, and no entry of
// theirs: it needs no bundling, and as a URL it can be told from one of another origin.
export const beside: Arrival = {
  worker: () => found(() => new URL("./worker.js", import.meta.url)),
  wasm: () => found(() => new URL("./tablog.wasm", import.meta.url)),
};

function found(url: () => URL): URL {
  try {
    return url();
  } catch (error) {
    // A bundle in a format without import.meta does not know where it is.
    const message =
      "where tablog's files are cannot be told without import.meta.url: bundle as an ES module, " +
      'pass "worker" and "wasm" to new Kafka(), or import from "tablog/inline"';
    throw new TablogError(message, { type: "WASM_NOT_FOUND", cause: error });
  }
}
