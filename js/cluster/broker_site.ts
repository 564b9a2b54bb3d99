// Where a broker of the cluster lives, how it is, and what its successor must find.
import { asError } from "../errors/error_object.js";
import type { KafkaJSError } from "../errors/errors.js";
import type { FromBrokerHost, Liveness, ToBrokerHost } from "../host/messages.js";
import type { ClusterOptions } from "../options/cluster.js";
import type { ClusterStatus, TraceEvent } from "../types/cluster.js";
import { spawnHost, whyNotLoaded } from "./spawn.js";
import { Supervisor } from "./supervisor.js";

/** Who hears of a broker. */
export interface BrokerEvents {
  onStatus(site: BrokerSite): void;
  onTraces(events: TraceEvent[]): void;
  /** It is gone, and no other can follow. */
  onFailed(error: KafkaJSError): void;
}

/** Homes of dead clients that are remembered for a successor of the broker; the newest. */
const DEPARTED_MAX = 16;

export class BrokerSite {
  readonly nodeId: number;
  readonly #options: ClusterOptions;
  readonly #events: BrokerEvents;
  readonly #supervisor: Supervisor<ToBrokerHost, FromBrokerHost>;
  #status: Exclude<ClusterStatus, "failed" | "closed"> = "starting";
  /** Of the databases, once it has run. */
  #incarnations: string[] | null = null;
  #tapped = false;
  /** Where clients lived that have died. The broker may have died before it dismissed the members. */
  #departed: string[] = [];

  constructor(
    nodeId: number,
    options: ClusterOptions,
    module: WebAssembly.Module,
    liveness: (role: string) => Liveness | null,
    events: BrokerEvents,
  ) {
    this.nodeId = nodeId;
    this.#options = options;
    this.#events = events;
    this.#supervisor = new Supervisor({
      name: "the broker",
      errorType: "BROKER_STOPPED",
      spawn: (tell) =>
        spawnHost(options, "tablog-broker", tell, ({ BrokerHost }) => new BrokerHost(tell)),
      whyNotLoaded: (failure) => whyNotLoaded(options, failure),
      onSilent: (reason) => {
        options.logger.warn(`Another worker is tried: ${reason}`);
      },
      start: (liveness) => ({ type: "start", module, options: this.#brokerOptions(), liveness }),
      liveness: () => liveness("host"),
      lost: () =>
        options.storage === "memory" && this.#incarnations !== null
          ? "the broker stopped, and with it went what it kept in memory"
          : null,
      onAlive: () => undefined,
      onMessage: (message) => {
        this.#said(message);
      },
      onGone: () => {
        this.#setStatus("restarting");
      },
      onGivenUp: (error) => {
        events.onFailed(error);
      },
    });
  }

  get status(): Exclude<ClusterStatus, "failed" | "closed"> {
    return this.#status;
  }

  /** Takes a way by which clients of another site dial in. */
  wire(wire: number, port: MessagePort, clientHost: string | null): void {
    this.#supervisor.post({ type: "wire", wire, port, clientHost }, [port]);
  }

  /** The site at the other end of that way is gone. */
  unwire(wire: number): void {
    this.#supervisor.post({ type: "unwire", wire });
  }

  /** Clients that lived there have died: their members leave at once, not after a session timeout. */
  dismiss(clientHost: string): void {
    this.#departed = [...this.#departed, clientHost].slice(-DEPARTED_MAX);
    if (this.#status === "running") this.#dismiss();
  }

  /** Whether the frames that pass are told. */
  tap(on: boolean): void {
    this.#tapped = on;
    if (this.#status === "running") this.#supervisor.post({ type: "tap", on });
  }

  /** Lets it end what it does. */
  close(): void {
    this.#supervisor.close({ type: "close" });
  }

  /** Ends it. */
  end(): void {
    this.#supervisor.end();
  }

  #brokerOptions() {
    const { cluster, storage, brokerConfig: config } = this.#options;
    return { cluster, storage, nodeId: this.nodeId, config, incarnations: this.#incarnations };
  }

  #said(message: FromBrokerHost): void {
    switch (message.type) {
      case "waiting":
        this.#setStatus("waiting");
        break;
      case "running":
        this.#incarnations = message.incarnations;
        this.#supervisor.runs();
        if (this.#tapped) this.#supervisor.post({ type: "tap", on: true });
        this.#dismiss();
        this.#setStatus("running");
        break;
      case "stopped":
        // A successor would begin anew under those who still write to what was deleted, or find what
        // it cannot read either.
        if (!message.error.retriable) this.#failed(asError(message.error));
        else this.#supervisor.stopped(message.error.message);
        break;
      case "failed":
        this.#failed(asError(message.error));
        break;
      case "trace":
        this.#events.onTraces(message.events);
        break;
      case "closed":
        this.#supervisor.end();
    }
  }

  #dismiss(): void {
    const clientHosts = this.#departed;
    if (clientHosts.length > 0) this.#supervisor.post({ type: "dismiss", clientHosts });
  }

  #failed(error: KafkaJSError): void {
    this.#supervisor.end();
    this.#events.onFailed(error);
  }

  #setStatus(status: Exclude<ClusterStatus, "failed" | "closed">): void {
    this.#status = status;
    this.#events.onStatus(this);
  }
}
