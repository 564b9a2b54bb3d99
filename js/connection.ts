// What connect() and disconnect() of every client do with the cluster.
import type { Cluster } from "./cluster.js";
import { abortable, CommandPort } from "./command_port.js";
import type { NetworkInstrumentation } from "./events.js";
import type { ClientKind } from "./host/messages.js";
import type { Shared } from "./kafka.js";

/** A client's hold on the cluster, and its state machine there. */
export interface Connection {
  cluster: Cluster;
  port: CommandPort;
}

/** Waits for the broker (as long as another tab has it) and starts a state machine. */
export async function connect(
  shared: Shared,
  kind: ClientKind,
  options: object,
  signal: AbortSignal | undefined,
  instrumentation?: NetworkInstrumentation,
): Promise<Connection> {
  signal?.throwIfAborted();
  const cluster = shared.lease.acquire();
  let port: CommandPort | undefined;
  try {
    await abortable(cluster.running(), signal);
    port = new CommandPort(cluster, kind, options, instrumentation);
    await port.request({ type: "connect" }, { signal });
    return { cluster, port };
  } catch (error) {
    port?.close();
    shared.lease.release(cluster);
    throw error;
  }
}

/** Lets the state machine finish, ends it, and gives the cluster back. */
export async function disconnect(shared: Shared, { cluster, port }: Connection): Promise<void> {
  try {
    // A cluster that is gone has nothing to finish.
    if (cluster.status !== "failed" && cluster.status !== "closed") {
      await port.request({ type: "close" });
    }
  } finally {
    port.close();
    shared.lease.release(cluster);
  }
}
