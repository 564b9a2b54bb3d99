// What a cluster tells about itself.

export type StatusListener = (status: ClusterStatus) => void;

/** How the broker of a cluster is. */
export type ClusterStatus =
  | "starting"
  /** Another tab has it; this one takes over when that is gone. */
  | "waiting"
  | "running"
  /** It, or the worker of the clients, died and is being replaced. */
  | "restarting"
  /** It cannot be started; see the error of `running()`. */
  | "failed"
  | "closed";

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
