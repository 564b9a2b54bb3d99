// A static server, as simple as a host of static files is.
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".map": "application/json",
};

/**
 * @typedef {object} Server
 * @property {string} origin
 * @property {() => void} close
 */

/**
 * Serves the files of a folder from an origin of its own.
 *
 * @param {string} folder
 * @param {object} [options]
 * @param {Record<string, string>} [options.headers] of every answer
 * @param {string} [options.fallback] the file that is answered for one that is not there
 * @param {string[]} [options.missing] ends of paths that are not there
 * @returns {Promise<Server>}
 */
export async function serve(folder, { headers = {}, fallback, missing = [] } = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const found = missing.some((end) => pathname.endsWith(end))
      ? undefined
      : file(folder, pathname);
    const path = found ?? (fallback === undefined ? undefined : join(folder, fallback));
    const type = path === undefined ? "text/plain" : TYPES[extname(path)];
    response.writeHead(path === undefined ? 404 : 200, { "content-type": type, ...headers });
    response.end(path === undefined ? "not found" : readFileSync(path));
  });
  await new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve(undefined);
    });
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * @param {string} folder
 * @param {string} pathname
 * @returns {string | undefined}
 */
function file(folder, pathname) {
  const path = join(folder, decodeURIComponent(pathname));
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() ? file(path, "index.html") : stats && path;
}
