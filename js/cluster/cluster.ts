// A cluster of this page: a site of clients, sites of brokers, and the wires between them.
import { asError } from "../errors/error_object.js";
import { type KafkaJSError, TablogError } from "../errors/errors.js";
import type { ClientKind, Liveness } from "../host/messages.js";
import type { ClusterOptions } from "../options/cluster.js";
import { canHold, hold } from "../platform/locks.js";
import { compileWasm } from "../platform/wasm.js";
import type { ClusterStatus, TraceEvent } from "../types/cluster.js";
import { BrokerSite } from "./broker_site.js";
import { ClientSite } from "./client_site.js";

/** Of a site that is not as it should be, the first is the cluster's status. */
const WORST_FIRST = ["restarting", "waiting", "starting"] as const;

export class Cluster {
  readonly #options: ClusterOptions;
  /** Called once, when it has failed or is closed. */
  readonly #onEnd: () => void;
  #status: ClusterStatus = "starting";
  #failure: KafkaJSError | undefined;
  #clients: ClientSite | undefined;
  #brokers: BrokerSite[] = [];
  /** By node id: the wires between the clients and the brokers that run. */
  readonly #wires = new Map<number, number>();
  #nextWire = 1;
  /** All sites have run. */
  #hasRun = false;
  /** Held for as long as this page has the cluster; null where nobody is watched by locks. */
  readonly #pageLock: string | null;
  #unlock: () => void = () => undefined;
  readonly #statusListeners = new Set<(status: ClusterStatus) => void>();
  readonly #traceListeners = new Set<(events: TraceEvent[]) => void>();

  constructor(options: ClusterOptions, onEnd: () => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    const watches = options.worker && canHold();
    this.#pageLock = watches ? `tablog:${options.cluster}:page:${crypto.randomUUID()}` : null;
    this.#start().catch((error: unknown) => {
      this.#fail(asError(error));
    });
  }

  get status(): ClusterStatus {
    return this.#status;
  }

  /** Why it has failed. */
  get failure(): KafkaJSError | undefined {
    return this.#failure;
  }

  /** Calls `listener`, which does not throw, with every new status. Returns what ends it. */
  onStatus(listener: (status: ClusterStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** Calls `listener`, which does not throw, with the frames that pass the brokers' doors. */
  onTrace(listener: (events: TraceEvent[]) => void): () => void {
    this.#traceListeners.add(listener);
    this.#tap();
    return () => {
      this.#traceListeners.delete(listener);
      this.#tap();
    };
  }

  /** Resolves when all runs; waits as long as another tab has a broker, unless the signal aborts. */
  running(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#status === "running") resolve();
        else if (signal.aborted) reject(signal.reason as Error);
        else if (this.#status === "failed" || this.#status === "closed") {
          reject(this.#failure ?? closed());
        } else return;
        this.#statusListeners.delete(look);
        signal.removeEventListener("abort", look);
      };
      this.#statusListeners.add(look);
      signal.addEventListener("abort", look);
      look();
    });
  }

  /** Creates a client's state machine; see {@link ClientSite.create}. */
  client(
    kind: ClientKind,
    options: object,
    onEnd: (error: KafkaJSError) => void,
  ): { port: MessagePort; ended: () => void } {
    if (this.#clients === undefined) throw this.#failure ?? closed();
    return this.#clients.create(kind, options, onEnd);
  }

  close(): void {
    for (const broker of this.#brokers) broker.close();
    this.#end("closed", closed());
  }

  async #start(): Promise<void> {
    const module = await compileWasm(await this.#options.arrival.wasm());
    const unlock = this.#pageLock === null ? undefined : await hold(this.#pageLock);
    if (this.#isEnded()) {
      unlock?.();
      return;
    }
    this.#unlock = unlock ?? this.#unlock;
    const onFailed = (error: KafkaJSError): void => {
      this.#fail(error);
    };
    const liveness = (role: string): Liveness | null => this.#liveness(role);
    this.#clients = new ClientSite(this.#options, module, liveness, {
      onUp: () => {
        for (const broker of this.#brokers) this.#wire(broker);
        this.#look();
      },
      onDown: (clientHost) => {
        for (const broker of this.#brokers) {
          this.#unwire(broker);
          if (clientHost !== null) broker.dismiss(clientHost);
        }
        this.#look();
      },
      onFailed,
    });
    this.#brokers = this.#options.nodeIds.map(
      (nodeId) =>
        new BrokerSite(nodeId, this.#options, module, liveness, {
          onStatus: (broker) => {
            if (broker.status === "running") this.#wire(broker);
            else this.#unwire(broker);
            this.#look();
          },
          onTraces: (events) => {
            for (const listener of this.#traceListeners) listener(events);
          },
          onFailed,
        }),
    );
    this.#tap();
  }

  /** Connects a broker's site with the clients', once both run: what dials here arrives there. */
  #wire(broker: BrokerSite): void {
    const { nodeId } = broker;
    if (this.#clients?.isUp !== true || broker.status !== "running") return;
    const wire = this.#nextWire++;
    this.#wires.set(nodeId, wire);
    const { port1, port2 } = new MessageChannel();
    broker.wire(wire, port1, this.#clients.clientHost);
    this.#clients.wire(nodeId, port2);
  }

  /** One of the two is gone: the other is told. */
  #unwire(broker: BrokerSite): void {
    const wire = this.#wires.get(broker.nodeId);
    if (wire === undefined) return;
    this.#wires.delete(broker.nodeId);
    broker.unwire(wire);
    this.#clients?.wire(broker.nodeId, null);
  }

  /** The locks that tell of a new worker's death; null where nobody is watched by locks. */
  #liveness(role: string): Liveness | null {
    if (this.#pageLock === null) return null;
    const lock = `tablog:${this.#options.cluster}:${role}:${crypto.randomUUID()}`;
    return { lock, pageLock: this.#pageLock };
  }

  /** The tap costs what it shows, so it is open only while somebody listens. */
  #tap(): void {
    for (const broker of this.#brokers) broker.tap(this.#traceListeners.size > 0);
  }

  #fail(error: KafkaJSError): void {
    if (this.#isEnded()) return;
    this.#failure = error;
    for (const broker of this.#brokers) broker.end();
    this.#end("failed", error);
  }

  #end(status: "failed" | "closed", error: KafkaJSError): void {
    if (this.#isEnded()) return;
    this.#onEnd();
    this.#setStatus(status);
    this.#clients?.end(error);
    this.#clients = undefined;
    this.#brokers = [];
    this.#unlock();
  }

  #isEnded(): boolean {
    return this.#status === "failed" || this.#status === "closed";
  }

  /** What the sites' statuses make of the cluster's. */
  #look(): void {
    if (this.#isEnded()) return;
    const statuses: ClusterStatus[] = this.#brokers.map(({ status }) => status);
    if (this.#clients?.isUp !== true) statuses.push(this.#hasRun ? "restarting" : "starting");
    const status = WORST_FIRST.find((worst) => statuses.includes(worst)) ?? "running";
    this.#hasRun ||= status === "running";
    if (status !== this.#status) this.#setStatus(status);
  }

  #setStatus(status: ClusterStatus): void {
    this.#status = status;
    for (const listener of [...this.#statusListeners]) listener(status);
  }
}

function closed(): TablogError {
  return new TablogError("the cluster is closed", { type: "CLOSED" });
}
