// What connect() and disconnect() of every client do with the cluster.
import type { Cluster } from "../cluster/cluster.js";
import type { ClientKind } from "../host/messages.js";
import { abortable, CommandPort } from "./command_port.js";
import type { NetworkInstrumentation } from "./instrumentation.js";
import type { Shared } from "./shared.js";

/** A client's hold on the cluster, and its state machine there. */
export interface Connection {
  cluster: Cluster;
  port: CommandPort;
}

/** A client's connection: made by whoever needs it first, and given up once. */
export class Connector {
  readonly #shared: Shared;
  readonly #client: { disconnect(): Promise<void> };
  readonly #kind: ClientKind;
  readonly #options: object;
  readonly #instrumentation: NetworkInstrumentation;
  #connecting: Promise<Connection> | undefined;
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

  /** What is being made; rejects when that fails. */
  get connecting(): Promise<Connection> | undefined {
    return this.#connecting;
  }

  /** Waits for the broker (as long as another tab has it) and starts a state machine. */
  async connect(signal?: AbortSignal): Promise<Connection> {
    if (this.#connection?.port.failed === false) return this.#connection;
    this.#connecting ??= this.#connect(signal);
    try {
      this.#connection = await this.#connecting;
    } finally {
      this.#connecting = undefined;
    }
    this.#shared.clients.add(this.#client);
    return this.#connection;
  }

  /** Lets the state machine finish, ends it, and gives the cluster back. */
  async disconnect(): Promise<void> {
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

  /** Gives up a connection whose state machine is gone. */
  #forget(): void {
    if (this.#connection === undefined) return;
    const { cluster, port } = this.#connection;
    this.#connection = undefined;
    port.close();
    this.#shared.lease.release(cluster);
  }

  async #connect(signal: AbortSignal | undefined): Promise<Connection> {
    signal?.throwIfAborted();
    const { lease } = this.#shared;
    const cluster = lease.acquire();
    this.#forget();
    let port: CommandPort | undefined;
    try {
      await abortable(cluster.running(), signal);
      port = new CommandPort(cluster, this.#kind, this.#options, this.#instrumentation);
      await port.request({ type: "connect" }, { signal });
      return { cluster, port };
    } catch (error) {
      port?.close();
      lease.release(cluster);
      throw error;
    }
  }
}
