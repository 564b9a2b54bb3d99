// Hosts a broker of a cluster: in a dedicated worker, or in the page's own thread.
import { BrokerNode, initSync } from "../bindings.js";
import type { ErrorObject } from "../errors/error_object.js";
import { hold } from "../platform/locks.js";
import { macrotask } from "../platform/timing.js";
import type { TraceEvent } from "../types/cluster.js";
import { errorObject } from "./failure.js";
import { beWatched } from "./liveness.js";
import type {
  Alive,
  BrokerOptions,
  Dial,
  FromBrokerHost,
  Liveness,
  ToBrokerHost,
} from "./messages.js";

/** Traces are told together, this often at most. */
const TRACE_INTERVAL_MS = 16;
/** Traces kept between two tellings; the newest are dropped beyond it. */
const TRACE_EVENTS_MAX = 10_000;

type Wire = Extract<ToBrokerHost, { type: "wire" }>;

/** Answers the page's messages with `tell`. */
export class BrokerHost {
  readonly #tell: (message: FromBrokerHost | Alive) => void;
  readonly #wires = new Map<number, MessagePort>();
  #node: BrokerNode | undefined;
  #release: (() => void) | undefined;
  #traces: TraceEvent[] = [];
  #ended = false;

  constructor(tell: (message: FromBrokerHost | Alive) => void) {
    this.#tell = tell;
  }

  handle(message: ToBrokerHost): void {
    switch (message.type) {
      case "start":
        void this.#start(message.module, message.options, message.liveness);
        break;
      case "wire":
        this.#wire(message);
        break;
      case "unwire":
        this.#wires.get(message.wire)?.close();
        this.#wires.delete(message.wire);
        this.#node?.disconnect(message.wire);
        break;
      case "dismiss":
        this.#node?.dismiss(message.clientHosts);
        break;
      case "tap":
        this.#tap(message.on);
        break;
      case "close":
        this.end();
        this.#tell({ type: "closed" });
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const node = this.#node;
    this.#node = undefined;
    node?.close();
    // It may be the node that tells this, and nobody is freed while he speaks.
    if (node !== undefined)
      void macrotask().then(() => {
        node.free();
      });
    for (const port of this.#wires.values()) port.close();
    this.#wires.clear();
    this.#release?.();
  }

  async #start(
    module: WebAssembly.Module,
    options: BrokerOptions,
    liveness: Liveness | null,
  ): Promise<void> {
    try {
      initSync({ module });
      this.#tell({ type: "alive", watched: await beWatched(liveness) });
      if (options.storage === "indexeddb") await this.#own(options);
      if (this.#isEnded()) return;
      const { cluster, storage, config, incarnations, nodeId } = options;
      const opened = {
        cluster,
        storage,
        config: { ...config, "node.id": String(nodeId) },
        incarnations,
      };
      const node = await BrokerNode.open(opened, (error: ErrorObject) => {
        this.#release?.();
        this.#tell({ type: "stopped", error });
      });
      // Ended meanwhile, it would run on in the page's own thread.
      if (this.#isEnded()) {
        node.close();
        node.free();
        return;
      }
      this.#node = node;
      this.#tell({ type: "running", incarnations: node.incarnations });
    } catch (error) {
      this.#release?.();
      this.#tell({ type: "failed", error: errorObject(error) });
    }
  }

  /** The lock decides who tries; the fence in the storage decides who may write. */
  async #own({ cluster, nodeId }: BrokerOptions): Promise<void> {
    const release = await hold(`tablog:${cluster}:broker:${nodeId}`, () => {
      this.#tell({ type: "waiting" });
    });
    if (this.#ended) release();
    else this.#release = release;
  }

  /** A function, since the flag changes while `#start` waits. */
  #isEnded(): boolean {
    return this.#ended;
  }

  #wire({ wire, port, clientHost }: Wire): void {
    this.#wires.set(wire, port);
    port.onmessage = (event: MessageEvent<Dial>) => {
      this.#node?.connect(event.data.port, wire, clientHost);
    };
    // In Node a port that listens keeps the process alive; a broker without clients must not.
    (port as { unref?(): void }).unref?.();
  }

  #tap(on: boolean): void {
    if (!on) {
      this.#node?.setTap(null);
      return;
    }
    this.#node?.setTap((event: Omit<TraceEvent, "atMs">) => {
      if (this.#traces.length === 0)
        setTimeout(() => {
          this.#tellTraces();
        }, TRACE_INTERVAL_MS);
      if (this.#traces.length < TRACE_EVENTS_MAX) this.#traces.push({ ...event, atMs: Date.now() });
    });
  }

  #tellTraces(): void {
    const events = this.#traces;
    this.#traces = [];
    this.#tell({ type: "trace", events });
  }
}
