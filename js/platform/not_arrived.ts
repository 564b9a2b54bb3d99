// What to say when one of the package's two files does not arrive.

/** What to do where a file is not found at `url`. */
export function remedy(url: string): string {
  if (url.includes("/.vite/")) {
    return 'Vite has pre-bundled the package without it: set optimizeDeps: { exclude: ["tablog"] }';
  }
  return (
    "A bundler that leaves it out (esbuild, Rollup) needs node_modules/tablog/dist/worker.js and " +
    'tablog.wasm copied beside its output, or their URLs as options "worker" and "wasm" of ' +
    'new Kafka(); or import from "tablog/inline", which has both inside'
  );
}

/** What a server answered instead of a file; undefined if it may be that file. */
export function notTheFile(
  response: Pick<Response, "ok" | "status" | "headers">,
): string | undefined {
  const type = response.headers.get("content-type") ?? "";
  if (response.ok && !type.startsWith("text/html")) return undefined;
  return `gives ${response.status} ${type}`.trimEnd();
}
