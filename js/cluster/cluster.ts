// A cluster of this page: its broker, watched and replaced when it dies, and the clients' host.
import { asError } from "../errors/error_object.js";
import { type KafkaJSError, TablogError } from "../errors/errors.js";
import type * as Hosts from "../host/hosts.js";
import type {
  BrokerOptions,
  ClientKind,
  FromBrokerHost,
  FromClientHost,
  Liveness,
  ToBrokerHost,
  ToClientHost,
} from "../host/messages.js";
import { checkEnvironment, type Chosen, type ClusterOptions } from "../options/cluster.js";
import { hold } from "../platform/locks.js";
import { spawnWorker, workerNotFound } from "../platform/spawn_worker.js";
import { compileWasm } from "../platform/wasm.js";
import type { ClusterStatus, TraceEvent } from "../types/cluster.js";
import { type Channel, type HostFailure, localChannel, workerChannel } from "./channel.js";
import { Restarts, RESTARTS_MAX } from "./restarts.js";

const NODE_ID = 1;
const DIED: HostFailure = { reason: "its worker died", notLoaded: false };

const clusters = new Map<string, Cluster>();

export class Cluster {
  readonly options: ClusterOptions;
  #status: ClusterStatus = "starting";
  #users = 0;
  /** What a successor of the broker must find. */
  #incarnations: string[] | null = null;
  readonly #brokerRestarts = new Restarts();
  readonly #clientsRestarts = new Restarts();
  /** A worker has run, so its script is where it is looked for. */
  #loaded = false;
  #brokerRuns = false;
  #clientsRun = false;
  /** Aborts when the cluster is not to go on. */
  readonly #ended = new AbortController();
  /** Held for as long as this page has the cluster; null where nobody is watched by locks. */
  readonly #pageLock: string | null;
  #unlock: () => void = () => undefined;
  #error: KafkaJSError | undefined;
  /** Undefined where workers have them. */
  #hosts: typeof Hosts | undefined;
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
    if (this.#clients === undefined) throw this.#error ?? clientsStopped("it is not there");
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
    this.#end(new TablogError("the cluster is closed", { type: "CLOSED" }));
  }

  #start(): void {
    const start = async (): Promise<void> => {
      const module = await compileWasm(await this.options.arrival.wasm());
      if (!this.options.worker) this.#hosts = await import("../host/hosts.js");
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
    const liveness = this.#liveness("clients");
    const clients = this.#clientHost((message) => {
      if (this.#clients !== clients) return;
      this.#loaded = true;
      this.#clientsRun = true;
      this.#clientsRestarts.runs();
      if (liveness !== null && message.watched) {
        this.#watch(liveness.lock, () => {
          this.#replaceClients(clients, module, DIED);
        });
      }
      this.#join();
    });
    this.#clients = clients;
    clients.onError = (failure) => {
      this.#replaceClients(clients, module, failure);
    };
    clients.post({ type: "start", module, liveness });
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
    const liveness = this.#liveness("host");
    const broker = this.#brokerHost((message) => {
      // A broker that was replaced has nothing more to say.
      if (this.#broker === broker) this.#brokerSaid(message, module, liveness, broker);
      else if (message.type === "closed") broker.end();
    });
    this.#broker = broker;
    broker.onError = (failure) => {
      if (this.#broker === broker) this.#replaceBroker(module, failure);
    };
    broker.post({ type: "start", module, options, liveness });
  }

  #brokerSaid(
    message: FromBrokerHost,
    module: WebAssembly.Module,
    liveness: Liveness | null,
    broker: Channel<ToBrokerHost>,
  ): void {
    this.#loaded = true;
    switch (message.type) {
      case "waiting":
        this.#setStatus("waiting");
        break;
      case "running":
        this.#incarnations = message.incarnations;
        this.#brokerRuns = true;
        this.#brokerRestarts.runs();
        if (this.#traceListeners.size > 0) broker.post({ type: "tap", on: true });
        this.#join();
        // After "clear site data" Chromium's new workers and the page they belong to do not see
        // each other's locks any more, until the page is loaded again.
        if (liveness !== null && message.watched) {
          this.#watch(liveness.lock, () => {
            if (this.#broker === broker) this.#replaceBroker(module, DIED);
          });
        }
        break;
      case "stopped":
        if (!message.error.retriable) {
          // A successor would begin anew under those who still write to what was deleted, or find
          // what it cannot read either.
          this.#fail(asError(message.error));
        } else this.#replaceBroker(module, { reason: message.error.message, notLoaded: false });
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

  /** Connects the two workers, once both run: what dials in one arrives in the other. */
  #join(): void {
    if (!this.#brokerRuns || !this.#clientsRun) return;
    const { port1, port2 } = new MessageChannel();
    this.#broker?.post({ type: "wire", port: port1 }, [port1]);
    this.#clients?.post({ type: "wire", port: port2 }, [port2]);
    this.#setStatus("running");
  }

  /** The locks that tell of a new worker's death; null where nobody is watched by locks. */
  #liveness(role: string): Liveness | null {
    if (this.#pageLock === null) return null;
    const lock = `tablog:${this.options.cluster}:${role}:${crypto.randomUUID()}`;
    return { lock, pageLock: this.#pageLock };
  }

  /** Waits for the lock that a worker holds: only its death frees it. */
  #watch(lock: string, onDeath: () => void): void {
    void navigator.locks.request(lock, onDeath);
  }

  #replaceClients(
    clients: Channel<ToClientHost>,
    module: WebAssembly.Module,
    { reason, notLoaded }: HostFailure,
  ): void {
    if (this.#clients !== clients) return;
    clients.end();
    this.#clients = undefined;
    this.#clientsRun = false;
    if (!notLoaded && !this.#clientsRestarts.mayRestart()) {
      const message = `the worker of the clients stopped ${RESTARTS_MAX} times in a row: ${reason}`;
      this.#fail(new TablogError(message, { type: "CLIENT_STOPPED" }));
      return;
    }
    if (this.#status === "running") this.#setStatus("restarting");
    this.#endClients(clientsStopped(reason));
    this.#restart(this.#clientsRestarts, notLoaded, () => {
      this.#startClients(module);
    });
  }

  #replaceBroker(module: WebAssembly.Module, { reason, notLoaded }: HostFailure): void {
    this.#broker?.end();
    this.#broker = undefined;
    this.#brokerRuns = false;
    this.#clients?.post({ type: "wire", port: null });
    if (this.#status === "closed") return;
    if (!notLoaded && this.options.storage === "memory") {
      const message = `the broker stopped, and with it went what it kept in memory: ${reason}`;
      this.#fail(new TablogError(message, { type: "BROKER_STOPPED" }));
      return;
    }
    if (!notLoaded && !this.#brokerRestarts.mayRestart()) {
      const message = `the broker stopped ${RESTARTS_MAX} times in a row: ${reason}`;
      this.#fail(new TablogError(message, { type: "BROKER_STOPPED" }));
      return;
    }
    this.#setStatus("restarting");
    this.#restart(this.#brokerRestarts, notLoaded, () => {
      this.#startBroker(module);
    });
  }

  /**
   * Starts a worker again. Without network its script cannot be loaded, which says nothing against
   * the worker: that is tried for as long as the page lives. A script that was never there is not
   * waited for.
   */
  #restart(restarts: Restarts, notLoaded: boolean, start: () => void): void {
    if (!notLoaded) start();
    else if (this.#loaded) {
      void restarts.beforeLoad(this.#ended.signal).then(() => {
        if (!this.#ended.signal.aborted) start();
      });
    } else {
      void workerNotFound(this.options.arrival.worker()).then((error) => {
        if (!this.#ended.signal.aborted) this.#fail(error);
      });
    }
  }

  #fail(error: KafkaJSError): void {
    this.#error = error;
    this.#broker?.end();
    this.#broker = undefined;
    // Its name is free for a successor.
    if (clusters.get(this.options.cluster) === this) clusters.delete(this.options.cluster);
    this.#setStatus("failed");
    this.#end(error);
  }

  /** What is left without a broker. */
  #end(error: KafkaJSError): void {
    this.#ended.abort();
    this.#endClients(error);
    this.#clients?.end();
    this.#clients = undefined;
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

  #worker<Out>(name: string, tell: (message: never) => void): Channel<Out> {
    return workerChannel(() => spawnWorker(name, this.options.arrival.worker()), tell);
  }

  #clientHost(tell: (message: FromClientHost) => void): Channel<ToClientHost> {
    if (this.#hosts === undefined) return this.#worker("tablog-client", tell);
    const host = new this.#hosts.ClientHost(tell);
    return localChannel((message) => {
      host.handle(message);
    });
  }

  #brokerHost(tell: (message: FromBrokerHost) => void): Channel<ToBrokerHost> {
    if (this.#hosts === undefined) return this.#worker("tablog-broker", tell);
    const host = new this.#hosts.BrokerHost(tell);
    return localChannel((message) => {
      host.handle(message);
    });
  }
}

function clientsStopped(reason: string): TablogError {
  const message =
    `the worker of the clients stopped: ${reason}. What was not answered may have been done or ` +
    "not. Producers and admins go on after another connect(), consumers by themselves";
  return new TablogError(message, { type: "CLIENT_STOPPED", retriable: true });
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
