// How hosts start: in workers, or in this thread.
import { type KafkaJSError, TablogError } from "../errors/errors.js";
import type * as Hosts from "../host/hosts.js";
import type { ClusterOptions } from "../options/cluster.js";
import { spawnWorker, workerNotFound } from "../platform/spawn_worker.js";
import { type Channel, type HostFailure, localChannel, workerChannel } from "./channel.js";

/** A host, which calls `tell` with all that it says. `make` makes one of this thread. */
export async function spawnHost<To>(
  { worker, arrival }: ClusterOptions,
  name: string,
  tell: (message: never) => void,
  make: (hosts: typeof Hosts) => { handle(message: To): void; end(): void },
): Promise<Channel<To>> {
  if (worker) return workerChannel(spawnWorker(name, arrival.worker()), tell);
  // A page whose workers run the wasm need not load what is around it.
  return localChannel(make(await import("../host/hosts.js")));
}

/** Why hosts cannot start at all. */
export async function whyNotLoaded(
  { worker, arrival }: ClusterOptions,
  { reason, cause }: HostFailure,
): Promise<KafkaJSError> {
  if (worker) return workerNotFound(arrival.worker(), reason, cause);
  return new TablogError(`what runs the wasm could not be loaded: ${reason}`, { type: "PLATFORM" });
}
