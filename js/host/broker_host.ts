// Hosts a cluster's broker: in a dedicated worker, or in the page's own thread.
import { BrokerNode, initSync } from "../bindings.js";
import type { ErrorObject } from "../errors/error_object.js";
import { hold } from "../platform/locks.js";
import type { TraceEvent } from "../types/cluster.js";
import { beWatched } from "./liveness.js";
import type { BrokerOptions, Dial, FromBrokerHost, Liveness, ToBrokerHost } from "./messages.js";

/** Traces are told together, this often at most. */
const TRACE_INTERVAL_MS = 16;
/** Traces kept between two tellings; beyond it the oldest are dropped. */
const TRACE_EVENTS_MAX = 10_000;

/** Answers the page's messages with `tell`. */
export class BrokerHost {
  readonly #tell: (message: FromBrokerHost) => void;
  #node: BrokerNode | undefined;
  #wire: MessagePort | undefined;
  #release: (() => void) | undefined;
  #traces: TraceEvent[] = [];
  #closed = false;

  constructor(tell: (message: FromBrokerHost) => void) {
    this.#tell = tell;
  }

  handle(message: ToBrokerHost): void {
    switch (message.type) {
      case "start":
        initSync({ module: message.module });
        void this.#start(message.options, message.liveness);
        break;
      case "wire":
        this.#wire?.close();
        // A new way comes with new clients: those who dialled in by the old one died with their host.
        this.#node?.disconnectAll();
        this.#wire = message.port;
        this.#wire.onmessage = (event: MessageEvent<Dial>) => {
          this.#node?.connect(event.data.port);
        };
        // In Node a port that listens keeps the process alive; a broker without clients must not.
        (this.#wire as { unref?(): void }).unref?.();
        break;
      case "tap":
        this.#tap(message.on);
        break;
      case "close":
        this.#close();
    }
  }

  async #start(options: BrokerOptions, liveness: Liveness | null): Promise<void> {
    try {
      const watched = await beWatched(liveness);
      if (options.storage === "indexeddb") {
        // The lock decides who tries; the fence in the storage decides who may write.
        this.#release = await hold(`tablog:${options.cluster}:broker:${options.nodeId}`, () => {
          this.#tell({ type: "waiting" });
        });
      }
      if (this.#closed) return;
      const { cluster, storage, config, incarnations } = options;
      const opened = { cluster, storage, config, incarnations };
      const node = await BrokerNode.open(opened, (error: ErrorObject) => {
        this.#release?.();
        this.#tell({ type: "stopped", error });
      });
      // Closed meanwhile, it would run on in the page's own thread.
      if (this.#isClosed()) {
        node.close();
        return;
      }
      this.#node = node;
      this.#tell({ type: "running", watched, incarnations: node.incarnations });
    } catch (error) {
      this.#release?.();
      this.#tell({ type: "failed", error: asErrorObject(error) });
    }
  }

  /** A function, since the flag changes while `#start` waits. */
  #isClosed(): boolean {
    return this.#closed;
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

  #close(): void {
    this.#closed = true;
    this.#node?.close();
    this.#wire?.close();
    this.#release?.();
    this.#tell({ type: "closed" });
  }
}

function asErrorObject(error: unknown): ErrorObject {
  if (typeof error === "object" && error !== null && "type" in error && "code" in error) {
    return error as ErrorObject;
  }
  const message = error instanceof Error ? error.message : String(error);
  return { type: "UNKNOWN_SERVER_ERROR", code: -1, kind: "platform", message, retriable: false };
}
