// What page and workers say to each other, besides the clients' own commands and outputs.
import type { ErrorObject } from "../errors/error_object.js";
import type { TraceEvent } from "../types/cluster.js";

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

/** A client's kind. */
export type ClientKind = "producer" | "consumer" | "admin";

/** How the page notices that a worker is gone: its lock is free. */
export interface Liveness {
  /** The worker's. */
  lock: string;
  /** The page's. Who does not see it held has locks of another kind than the page. */
  pageLock: string;
}

/** From the page to a worker that hosts the broker. */
export type ToBrokerHost =
  | { type: "start"; module: WebAssembly.Module; options: BrokerOptions; liveness: Liveness | null }
  /**
   * A way by which clients of another site dial in. `clientHost`: where those live, as Kafka says it
   * of members, if that has a name.
   */
  | { type: "wire"; wire: number; port: MessagePort; clientHost: string | null }
  /** The site at the other end of a wire is gone, and with it those who dialled in. */
  | { type: "unwire"; wire: number }
  /** Clients that lived there have died: their members leave. */
  | { type: "dismiss"; clientHosts: string[] }
  | { type: "tap"; on: boolean }
  | { type: "close" };

/** From a worker that hosts the broker to the page. */
export type FromBrokerHost =
  /** Another tab has the broker; this worker takes over when it is gone. */
  | { type: "waiting" }
  /** `incarnations`: of its databases. */
  | { type: "running"; incarnations: string[] }
  /** It cannot go on; a successor may. */
  | { type: "stopped"; error: ErrorObject }
  /** It could not start. */
  | { type: "failed"; error: ErrorObject }
  | { type: "trace"; events: TraceEvent[] }
  | { type: "closed" };

/** From the page to a worker that hosts clients. */
export type ToClientHost =
  | { type: "start"; module: WebAssembly.Module; liveness: Liveness | null }
  /** A way to a broker; null while there is none. */
  | { type: "wire"; nodeId: number; port: MessagePort | null }
  | { type: "create"; kind: ClientKind; options: object; port: MessagePort };

/** From a worker that hosts clients to the page: it could not start. */
export interface FromClientHost {
  type: "failed";
  error: ErrorObject;
}

/** The first that any host says. `watched`: it sees the page's locks, so the page sees its death. */
export interface Alive {
  type: "alive";
  watched: boolean;
}

/** On a wire, from a site of clients to a broker's: a new connection. */
export interface Dial {
  port: MessagePort;
}
