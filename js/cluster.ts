// A cluster of this page: its broker, watched and replaced when it dies, and the clients' host.
import { asError } from "./error_object.js";
import { type KafkaJSError, TablogError } from "./errors.js";
import { BrokerHost } from "./host/broker_host.js";
import { ClientHost } from "./host/client_host.js";
import type {
  ClientKind,
  FromBrokerHost,
  Liveness,
  ToBrokerHost,
  ToClientHost,
  TraceEvent,
} from "./host/messages.js";
import { hold } from "./locks.js";
import { checkEnvironment } from "./options.js";
import { compileWasm, type WasmSource } from "./wasm.js";

/** How a cluster of this page is set up. The first who names it decides; others must agree. */
export interface ClusterOptions {
  /** Instances of one page with the same name share one broker. */
  cluster: string;
  /** Where the broker keeps its bytes. */
  storage: "indexeddb" | "memory";
  /** False runs everything in the page's own thread; memory storage only. */
  worker: boolean;
  /** Where the wasm comes from, when not from beside the package. */
  wasm?: WasmSource;
  /** Broker configs under Kafka's names, such as `num.partitions`. */
  brokerConfig: Record<string, string>;
  /** What must be so where the cluster is open already: what was chosen, not what is a default. */
  chosen: Chosen;
}

interface Chosen {
  storage: "indexeddb" | "memory";
  worker: boolean | undefined;
  brokerConfig: Record<string, string> | undefined;
}

/** What a broker's host is told. */
export interface BrokerOptions {
  cluster: string;
  storage: "indexeddb" | "memory";
  nodeId: number;
  config: Record<string, string>;
  /**
   * Of its databases, if it follows a broker of this page that has run: then they must be the same,
   * and the clients live on. The first one follows a broker of a page that is gone, with its
   * clients.
   */
  incarnations: string[] | null;
}

/** How the broker of a cluster is. */
export type ClusterStatus =
  | "starting"
  /** Another tab has it; this one takes over when that is gone. */
  | "waiting"
  | "running"
  /** It died and is being replaced. */
  | "restarting"
  /** It cannot be started; see the error of `running()`. */
  | "failed"
  | "closed";

const NODE_ID = 1;
/** Brokers that died in a row, without one that ran for a while, before the cluster is given up. */
const RESTARTS_MAX = 5;
const RUN_MS_MIN = 1_000;

const clusters = new Map<string, Cluster>();

export class Cluster {
  readonly options: ClusterOptions;
  #status: ClusterStatus = "starting";
  #users = 0;
  #restarts = 0;
  /** What a successor of the broker must find. */
  #incarnations: string[] | null = null;
  /** By `performance.now()`. */
  #runningSinceMs = Infinity;
  /** Held for as long as this page has the cluster; null where nobody is watched by locks. */
  readonly #pageLock: string | null;
  #unlock: () => void = () => undefined;
  #error: KafkaJSError | undefined;
  #clients: Channel<ToClientHost> | undefined;
  #broker: Channel<ToBrokerHost> | undefined;
  /** What to tell the clients when their state machines are gone. */
  readonly #clientEnds = new Set<(error: KafkaJSError) => void>();
  readonly #statusListeners = new Set<(status: ClusterStatus) => void>();
  readonly #traceListeners = new Set<(events: TraceEvent[]) => void>();

  private constructor(options: ClusterOptions) {
    this.options = options;
    const watches = options.worker && "locks" in navigator;
    this.#pageLock = watches ? `tablog:${options.cluster}:page:${crypto.randomUUID()}` : null;
  }

  /** The cluster of that name, started when nobody has it yet. Every user releases it once. */
  static acquire(options: ClusterOptions): Cluster {
    let cluster = clusters.get(options.cluster);
    if (cluster !== undefined) {
      checkSame(cluster.options, options);
    } else {
      checkEnvironment(options);
      cluster = new Cluster(options);
      clusters.set(options.cluster, cluster);
      cluster.#start();
    }
    cluster.#users += 1;
    return cluster;
  }

  get status(): ClusterStatus {
    return this.#status;
  }

  /** Calls `listener` with every new status. Returns what ends it. */
  onStatus(listener: (status: ClusterStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Calls `listener` with the frames that pass the broker's door. Returns what ends it. */
  onTrace(listener: (events: TraceEvent[]) => void): () => void {
    this.#traceListeners.add(listener);
    this.#broker?.post({ type: "tap", on: true });
    return () => {
      this.#traceListeners.delete(listener);
      if (this.#traceListeners.size === 0) this.#broker?.post({ type: "tap", on: false });
    };
  }

  /** Resolves when the broker runs; waits as long as another tab has it. */
  running(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (status: ClusterStatus): void => {
        if (status === "running") resolve();
        else if (status === "failed" || status === "closed") {
          reject(this.#error ?? new TablogError("the cluster is closed", { type: "CLOSED" }));
        } else return;
        this.#statusListeners.delete(look);
      };
      this.#statusListeners.add(look);
      look(this.#status);
    });
  }

  /**
   * Creates a client's state machine in a running cluster. Its commands and outputs pass `port`;
   * `onEnd` is called when it is gone before `ended` was.
   */
  client(
    kind: ClientKind,
    options: object,
    onEnd: (error: KafkaJSError) => void,
  ): { port: MessagePort; ended: () => void } {
    const { port1, port2 } = new MessageChannel();
    if (this.#clients === undefined) throw new Error("clients come after running()");
    this.#clients.post({ type: "create", kind, options, port: port2 }, [port2]);
    this.#clientEnds.add(onEnd);
    return { port: port1, ended: () => this.#clientEnds.delete(onEnd) };
  }

  /** One user less; the last one ends the broker. */
  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    if (clusters.get(this.options.cluster) === this) clusters.delete(this.options.cluster);
    this.#setStatus("closed");
    this.#broker?.post({ type: "close" });
    this.#endClients(new TablogError("the cluster is closed", { type: "CLOSED" }));
    this.#clients?.end();
    this.#unlock();
  }

  #start(): void {
    const start = async (): Promise<void> => {
      const module = await compileWasm(this.options.wasm);
      const unlock = this.#pageLock === null ? undefined : await hold(this.#pageLock);
      if (this.#status === "closed") {
        unlock?.();
        return;
      }
      this.#unlock = unlock ?? this.#unlock;
      this.#startClients(module);
      this.#startBroker(module);
    };
    start().catch((error: unknown) => {
      this.#fail(asError(error));
    });
  }

  #startClients(module: WebAssembly.Module): void {
    const clients = this.#clientHost();
    this.#clients = clients;
    clients.post({ type: "start", module });
    clients.onError = (reason) => {
      const message = `the worker of the clients died: ${reason}`;
      this.#endClients(new TablogError(message, { type: "CLIENT_STOPPED", retriable: true }));
      clients.end();
      this.#startClients(module);
      if (this.#status === "running") this.#wire();
    };
  }

  #startBroker(module: WebAssembly.Module): void {
    const { cluster, storage, brokerConfig: config } = this.options;
    const options: BrokerOptions = {
      cluster,
      storage,
      nodeId: NODE_ID,
      config,
      incarnations: this.#incarnations,
    };
    const pageLock = this.#pageLock;
    const lock = `tablog:${cluster}:host:${crypto.randomUUID()}`;
    const liveness = pageLock === null ? null : { lock, pageLock };
    const broker = this.#brokerHost((message) => {
      // A broker that was replaced has nothing more to say.
      if (this.#broker === broker) this.#brokerSaid(message, module, liveness, broker);
      else if (message.type === "closed") broker.end();
    });
    this.#broker = broker;
    broker.onError = (message) => {
      if (this.#broker === broker) this.#replace(module, message);
    };
    broker.post({ type: "start", module, options, liveness });
  }

  #brokerSaid(
    message: FromBrokerHost,
    module: WebAssembly.Module,
    liveness: Liveness | null,
    broker: Channel<ToBrokerHost>,
  ): void {
    switch (message.type) {
      case "waiting":
        this.#setStatus("waiting");
        break;
      case "running":
        this.#incarnations = message.incarnations;
        this.#wire();
        if (this.#traceListeners.size > 0) broker.post({ type: "tap", on: true });
        this.#runningSinceMs = performance.now();
        this.#setStatus("running");
        // After "clear site data" Chromium's new workers and the page they belong to do not see
        // each other's locks any more, until the page is loaded again.
        if (liveness !== null && message.watched) this.#watch(liveness.lock, broker, module);
        break;
      case "stopped":
        if (message.error.type === "DELETED") {
          // A successor would begin anew under those who still write to what is gone.
          this.#fail(asError(message.error));
        } else this.#replace(module, message.error.message);
        break;
      case "failed":
        this.#fail(asError(message.error));
        break;
      case "trace":
        for (const listener of this.#traceListeners) listener(message.events);
        break;
      case "closed":
        broker.end();
    }
  }

  /** Connects the two workers: what dials in one arrives in the other. */
  #wire(): void {
    const { port1, port2 } = new MessageChannel();
    this.#broker?.post({ type: "wire", port: port1 }, [port1]);
    this.#clients?.post({ type: "wire", port: port2 }, [port2]);
  }

  /** Waits for the lock that the broker's worker holds: only its death frees it. */
  #watch(liveness: string, broker: Channel<ToBrokerHost>, module: WebAssembly.Module): void {
    void navigator.locks.request(liveness, () => {
      if (this.#broker === broker) this.#replace(module, "its worker died");
    });
  }

  #replace(module: WebAssembly.Module, reason: string): void {
    this.#broker?.end();
    this.#broker = undefined;
    this.#clients?.post({ type: "wire", port: null });
    if (this.#status === "closed") return;
    if (this.options.storage === "memory") {
      const message = `the broker stopped, and with it went what it kept in memory: ${reason}`;
      this.#fail(new TablogError(message, { type: "BROKER_STOPPED" }));
      return;
    }
    if (this.#runningSinceMs + RUN_MS_MIN < performance.now()) this.#restarts = 0;
    this.#runningSinceMs = Infinity;
    this.#restarts += 1;
    if (RESTARTS_MAX < this.#restarts) {
      const message = `the broker stopped ${RESTARTS_MAX} times in a row: ${reason}`;
      this.#fail(new TablogError(message, { type: "BROKER_STOPPED" }));
      return;
    }
    this.#setStatus("restarting");
    this.#startBroker(module);
  }

  #fail(error: KafkaJSError): void {
    this.#error = error;
    this.#broker?.end();
    this.#broker = undefined;
    // Its name is free for a successor.
    if (clusters.get(this.options.cluster) === this) clusters.delete(this.options.cluster);
    this.#setStatus("failed");
    this.#endClients(error);
    this.#clients?.end();
    this.#unlock();
  }

  #endClients(error: KafkaJSError): void {
    for (const onEnd of [...this.#clientEnds]) onEnd(error);
    this.#clientEnds.clear();
  }

  #setStatus(status: ClusterStatus): void {
    if (this.#status === "closed") return;
    this.#status = status;
    for (const listener of [...this.#statusListeners]) listener(status);
  }

  #clientHost(): Channel<ToClientHost> {
    if (this.options.worker) {
      // Bundlers find a worker only in this literal form.
      return workerChannel(
        new Worker(new URL("./worker.js", import.meta.url), {
          type: "module",
          name: "tablog-client",
        }),
      );
    }
    const host = new ClientHost();
    return localChannel((message) => {
      host.handle(message);
    });
  }

  #brokerHost(tell: (message: FromBrokerHost) => void): Channel<ToBrokerHost> {
    if (this.options.worker) {
      return workerChannel(
        new Worker(new URL("./worker.js", import.meta.url), {
          type: "module",
          name: "tablog-broker",
        }),
        tell,
      );
    }
    const host = new BrokerHost(tell);
    return localChannel((message) => {
      host.handle(message);
    });
  }
}

/** Where messages for a host go: to a worker, or to an object of this thread. */
interface Channel<Message> {
  post(message: Message, transfer?: Transferable[]): void;
  end(): void;
  onError?: (message: string) => void;
}

function workerChannel<Out>(
  worker: Worker,
  tell?: (message: FromBrokerHost) => void,
): Channel<Out> {
  worker.onmessage = (event: MessageEvent<FromBrokerHost>) => tell?.(event.data);
  const channel: Channel<Out> = {
    post: (message, transfer = []) => {
      worker.postMessage(message, transfer);
    },
    end: () => {
      worker.terminate();
    },
  };
  worker.onerror = (event) => channel.onError?.(event.message);
  return channel;
}

function localChannel<Out>(handle: (message: Out) => void): Channel<Out> {
  return { post: handle, end: () => undefined };
}

/** Throws when a cluster is open otherwise than it was chosen. */
function checkSame(open: ClusterOptions, { cluster, chosen }: ClusterOptions): void {
  for (const name of Object.keys(chosen) as (keyof Chosen)[]) {
    const [is, shall] = [canonical(open[name]), canonical(chosen[name] ?? open[name])];
    if (is === shall) continue;
    throw new TablogError(`cluster "${cluster}" is open with ${name} ${is}, not ${shall}`, {
      type: "INVALID_CONFIG",
      code: 40,
    });
  }
}

/** As JSON, with the keys in order. */
function canonical(value: string | boolean | object): string {
  return JSON.stringify(value, Object.keys(value).sort());
}
