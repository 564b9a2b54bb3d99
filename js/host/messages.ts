// What page and workers say to each other, besides the clients' own commands and outputs.
import type { BrokerOptions } from "../cluster.js";

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
  | { type: "wire"; port: MessagePort }
  | { type: "tap"; on: boolean }
  | { type: "close" };

/** From a worker that hosts the broker to the page. */
export type FromBrokerHost =
  /** Another tab has the broker; this worker takes over when it is gone. */
  | { type: "waiting" }
  /**
   * `watched`: this worker sees the page's locks, so the page sees its death. `incarnations`: of its
   * databases.
   */
  | { type: "running"; watched: boolean; incarnations: string[] }
  /** It cannot go on; a successor may. */
  | { type: "stopped"; error: ErrorObject }
  /** It could not start. */
  | { type: "failed"; error: ErrorObject }
  | { type: "trace"; events: TraceEvent[] }
  | { type: "closed" };

/** From the page to a worker that hosts clients. */
export type ToClientHost =
  | { type: "start"; module: WebAssembly.Module; liveness: Liveness | null }
  /** A way to the broker; null while there is none. */
  | { type: "wire"; port: MessagePort | null }
  | { type: "create"; kind: ClientKind; options: object; port: MessagePort };

/** From a worker that hosts clients to the page. `watched`: as a broker's. */
export interface FromClientHost {
  type: "running";
  watched: boolean;
}

/** On the wire between the two workers: a new connection. */
export interface Dial {
  port: MessagePort;
}

/** An error as it crosses; see `src/bindings/error.rs`. */
export interface ErrorObject {
  type: string;
  code: number;
  kind: string;
  message: string;
  retriable: boolean;
  topic?: string;
  partition?: number;
  group?: string;
  offset?: string;
  /** How often it was tried again. */
  retries?: number;
  /** What else failed, where a call is about several things. */
  others?: ErrorObject[];
}

/** A frame that passed the broker's door, decoded by Kafka's own field names. */
export interface TraceEvent {
  connection: number;
  direction: "request" | "response";
  apiKey: number;
  /** Such as `Produce`. */
  api: string;
  apiVersion: number;
  correlationId: number;
  clientId: string;
  /** Of the frame. */
  bytes: number;
  /** Milliseconds since the Unix epoch. */
  atMs: number;
  body: Record<string, unknown>;
}
