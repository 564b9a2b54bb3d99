/** Starts one of the package's workers, which learns from its first message what it is. */
export function spawnWorker(name: string): Worker {
  // Bundlers find a worker only in this literal form.
  return new Worker(new URL("../worker.js", import.meta.url), { type: "module", name });
}
