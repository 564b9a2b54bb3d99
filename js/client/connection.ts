// What connect() and disconnect() of every client do with the cluster.
import type { Cluster } from "../cluster/cluster.js";
import { TablogError } from "../errors/errors.js";
import type { ClientKind } from "../host/messages.js";
import { abortable, CommandPort } from "./command_port.js";
import type { NetworkInstrumentation } from "./instrumentation.js";
import type { Shared } from "./shared.js";
import type { AbortSignalLike } from "../types/abortable.js";

/** A client's hold on the cluster, and its state machine there. */
export interface Connection {
  cluster: Cluster;
  port: CommandPort;
}

/** A connection that is being made. */
interface Attempt {
  connection: Promise<Connection>;
  end: AbortController;
  /** How many wait for it; without any it ends. */
  waiting: number;
}

/** A client's connection: made by whoever needs it first, and given up once. */
export class Connector {
  readonly #shared: Shared;
  readonly #client: { disconnect(): Promise<void> };
  readonly #kind: ClientKind;
  readonly #options: object;
  readonly #instrumentation: NetworkInstrumentation;
  #attempt: Attempt | undefined;
  #connection: Connection | undefined;

  constructor(
    shared: Shared,
    client: { disconnect(): Promise<void> },
    kind: ClientKind,
    options: object,
    instrumentation: NetworkInstrumentation,
  ) {
    this.#shared = shared;
    this.#client = client;
    this.#kind = kind;
    this.#options = options;
    this.#instrumentation = instrumentation;
  }

  /** What there is at the moment. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Whether there is one that can be used. */
  get isConnected(): boolean {
    return this.#connection?.port.failed === false;
  }

  /**
   * For the application, which asked for it: begins anew where the cluster was lost. Waits for the
   * broker (as long as another tab has it) and starts a state machine.
   */
  connect(signal?: AbortSignalLike): Promise<Connection> {
    return this.#connected(true, signal);
  }

  /** For a call that needs a connection: as `connect`, but what was lost stays lost. */
  use(signal?: AbortSignal): Promise<Connection> {
    return this.#connected(false, signal);
  }

  /** Ends what is being made; who waits for it is told. */
  cancel(): void {
    const message = "the client was disconnected before it was connected";
    this.#attempt?.end.abort(new TablogError(message, { type: "CLOSED" }));
    this.#attempt = undefined;
  }

  /** Lets the state machine finish, ends it, and gives the cluster back. */
  async disconnect(): Promise<void> {
    this.cancel();
    const connection = this.#connection;
    this.#connection = undefined;
    this.#shared.clients.delete(this.#client);
    if (connection === undefined) return;
    const { cluster, port } = connection;
    try {
      // A state machine that is gone has nothing to finish.
      if (!port.failed) await port.request({ type: "close" });
    } finally {
      port.close();
      this.#shared.lease.release(cluster);
    }
  }

  async #connected(anew: boolean, signal?: AbortSignalLike): Promise<Connection> {
    signal?.throwIfAborted();
    if (this.#connection?.port.failed === false) return this.#connection;
    const attempt = (this.#attempt ??= this.#begin(anew));
    attempt.waiting += 1;
    try {
      return await abortable(attempt.connection, signal);
    } finally {
      attempt.waiting -= 1;
      if (attempt.waiting === 0) {
        if (this.#attempt === attempt) this.#attempt = undefined;
        attempt.end.abort();
      }
    }
  }

  #begin(anew: boolean): Attempt {
    const end = new AbortController();
    // Who closes the Kafka disconnects those, too, that are not connected yet.
    this.#shared.clients.add(this.#client);
    return { connection: this.#make(anew, end.signal), end, waiting: 0 };
  }

  async #make(anew: boolean, signal: AbortSignal): Promise<Connection> {
    const { clients, lease } = this.#shared;
    let cluster: Cluster | undefined;
    let port: CommandPort | undefined;
    try {
      cluster = lease.acquire(anew);
      // Not before: the cluster might have ended without a user.
      this.#forget();
      await cluster.running(signal);
      port = new CommandPort(cluster, this.#kind, this.#options, this.#instrumentation);
      await port.request({ type: "connect" }, { signal });
      signal.throwIfAborted();
    } catch (error) {
      port?.close();
      if (cluster !== undefined) lease.release(cluster);
      const another = this.#attempt !== undefined && this.#attempt.end.signal !== signal;
      if (this.#connection === undefined && !another) clients.delete(this.#client);
      throw error;
    }
    this.#connection = { cluster, port };
    return this.#connection;
  }

  /** Gives up a connection whose state machine is gone. */
  #forget(): void {
    if (this.#connection === undefined) return;
    const { cluster, port } = this.#connection;
    this.#connection = undefined;
    port.close();
    this.#shared.lease.release(cluster);
  }
}
