// Where the state machines of this page's clients live.
import { asError } from "../errors/error_object.js";
import { type KafkaJSError, TablogError } from "../errors/errors.js";
import type { ClientKind, FromClientHost, Liveness, ToClientHost } from "../host/messages.js";
import type { ClusterOptions } from "../options/cluster.js";
import { spawnHost, whyNotLoaded } from "./spawn.js";
import { Supervisor } from "./supervisor.js";

/** Who hears of the site. */
export interface ClientSiteEvents {
  /** It is there: brokers can be wired to it. */
  onUp(): void;
  /** It is gone, with all clients, who lived on `clientHost`; another is on the way. */
  onDown(clientHost: string | null): void;
  /** It is gone, and no other can follow. */
  onFailed(error: KafkaJSError): void;
}

export class ClientSite {
  readonly #supervisor: Supervisor<ToClientHost, FromClientHost>;
  #isUp = false;
  #clientHost: string | null = null;
  /** What to tell the clients when their state machines are gone. */
  readonly #ends = new Set<(error: KafkaJSError) => void>();

  constructor(
    options: ClusterOptions,
    module: WebAssembly.Module,
    liveness: (role: string) => Liveness | null,
    events: ClientSiteEvents,
  ) {
    this.#supervisor = new Supervisor({
      name: "the worker of the clients",
      errorType: "CLIENT_STOPPED",
      spawn: (tell) =>
        spawnHost(options, "tablog-client", tell, ({ ClientHost }) => new ClientHost(tell)),
      whyNotLoaded: (failure) => whyNotLoaded(options, failure),
      onSilent: (reason) => {
        options.logger.warn(`Another worker is tried: ${reason}`);
      },
      start: (liveness) => ({ type: "start", module, liveness }),
      liveness: () => {
        const own = liveness("clients");
        this.#clientHost = own === null ? null : `/${own.lock}`;
        return own;
      },
      lost: () => null,
      onAlive: () => {
        this.#isUp = true;
        this.#supervisor.runs();
        events.onUp();
      },
      onMessage: ({ error }) => {
        this.end(asError(error));
        events.onFailed(asError(error));
      },
      onGone: (reason) => {
        this.#isUp = false;
        this.#endClients(stopped(reason));
        events.onDown(this.#clientHost);
      },
      onGivenUp: (error) => {
        events.onFailed(error);
      },
    });
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /**
   * Where its clients live, as groups know it of their members: another for each worker. Null where
   * they die with the page only.
   */
  get clientHost(): string | null {
    return this.#clientHost;
  }

  /** Gives it a way to a broker, or tells it that there is none. */
  wire(nodeId: number, port: MessagePort | null): void {
    this.#supervisor.post({ type: "wire", nodeId, port }, port === null ? [] : [port]);
  }

  /**
   * Creates a client's state machine. Its commands and outputs pass `port`; `onEnd` is called when it
   * is gone before `ended` was.
   */
  create(
    kind: ClientKind,
    options: object,
    onEnd: (error: KafkaJSError) => void,
  ): { port: MessagePort; ended: () => void } {
    if (!this.#isUp) throw stopped("it is not there");
    const { port1, port2 } = new MessageChannel();
    this.#supervisor.post({ type: "create", kind, options, port: port2 }, [port2]);
    this.#ends.add(onEnd);
    return { port: port1, ended: () => this.#ends.delete(onEnd) };
  }

  /** Ends it; the clients are told why. */
  end(error: KafkaJSError): void {
    this.#isUp = false;
    this.#endClients(error);
    this.#supervisor.end();
  }

  #endClients(error: KafkaJSError): void {
    const ends = [...this.#ends];
    this.#ends.clear();
    for (const onEnd of ends) onEnd(error);
  }
}

function stopped(reason: string): TablogError {
  const message =
    `the worker of the clients stopped: ${reason}. What was not answered may have been done or ` +
    "not. Producers and admins go on after another connect(), consumers by themselves";
  return new TablogError(message, { type: "CLIENT_STOPPED", retriable: true });
}
