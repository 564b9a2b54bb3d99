// The package's workers, made from wherever their script is.
import { asError } from "../errors/error_object.js";
import { TablogError } from "../errors/errors.js";
import { invalid } from "../errors/refusals.js";
import type { WorkerSource } from "../types/arrival.js";
import { notTheFile, remedy } from "./not_arrived.js";

/** What a worker says whose script did not arrive: a bare event, without a reason. */
export const NOT_FETCHED = "the worker's script could not be loaded";

/** Starts one of the package's workers, which learns from its first message what it is. */
export function spawnWorker(name: string, source: WorkerSource): Worker {
  if (typeof source === "function") {
    const made = source(name) as Worker | null | undefined;
    if (typeof made?.postMessage === "function") return made;
    throw invalid(
      `the option "worker" must make a Worker, not ${made === null ? "null" : typeof made}`,
    );
  }
  return new Worker(ofThisOrigin(urlOf(source)), { type: "module", name });
}

/** Why the script of the workers could not be loaded, and what to do. */
export async function workerNotFound(
  source: WorkerSource,
  reason: string,
  cause: unknown,
): Promise<TablogError> {
  const what = "the script of tablog's worker could not be loaded";
  if (typeof source === "function") {
    const message =
      `${what} by the worker that the option "worker" makes: ${reason}. It must be a module ` +
      "worker of the package's worker.js, or of a script that imports it";
    return new TablogError(message, { type: "WORKER_NOT_FOUND", retriable: true, cause });
  }
  const url = urlOf(source);
  // A blob is there for as long as the page is.
  if (url.startsWith("blob:")) return refused(`${what}: a blob`, "blob:");
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    const message =
      `${what}: ${url} cannot be fetched (${asError(error).message}). There is no network, another ` +
      "origin does not allow it (CORS), or a Content-Security-Policy does not";
    return new TablogError(message, { type: "WORKER_NOT_FOUND", retriable: true, cause: error });
  }
  const instead = notTheFile(response);
  if (instead !== undefined) {
    const message = `${what}: ${url} ${instead}. ${remedy(url)}`;
    return new TablogError(message, { type: "WORKER_NOT_FOUND" });
  }
  const there = `${what}: ${url} is there, but`;
  if (reason === NOT_FETCHED) return refused(there, url === ofThisOrigin(url) ? "'self'" : "blob:");
  const message = `${there} ${reason}: it may be another script. ${remedy(url)}`;
  return new TablogError(message, { type: "WORKER_NOT_FOUND", retriable: true, cause });
}

function refused(what: string, needed: string): TablogError {
  const message = `${what} is refused as a worker. A Content-Security-Policy needs worker-src ${needed}`;
  return new TablogError(message, { type: "WORKER_REFUSED" });
}

function urlOf(source: Exclude<WorkerSource, (name: string) => unknown>): string {
  return typeof source === "string" ? source : source.href;
}

const blobUrls = new Map<string, string>();

/** A worker's script must be of the page's origin, what that imports need not. */
function ofThisOrigin(url: string): string {
  // Not every platform with workers has pages.
  const location = (globalThis as { location?: Location }).location;
  if (location === undefined) return url;
  // A relative one is of this origin; it may have a base that is none, as a blob's.
  if (!URL.canParse(url) || /^(blob|file):/.test(url)) return url;
  if (new URL(url).origin === location.origin) return url;
  return blobUrl(`import ${JSON.stringify(url)};`);
}

/** The URL of a script, the same for the same script: a worker that died is made from it again. */
export function blobUrl(script: string): string {
  const known = blobUrls.get(script);
  if (known !== undefined) return known;
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  blobUrls.set(script, url);
  return url;
}
