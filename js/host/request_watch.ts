// The network events of KafkaJS, read from the frames of a connection as they pass.

/** How long KafkaJS waits for an answer, when nothing else is said. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Names of the APIs that clients call, by Kafka's keys. */
const API_NAMES: Record<number, string> = {
  0: "Produce",
  1: "Fetch",
  2: "ListOffsets",
  3: "Metadata",
  8: "OffsetCommit",
  9: "OffsetFetch",
  10: "FindCoordinator",
  11: "JoinGroup",
  12: "Heartbeat",
  13: "LeaveGroup",
  14: "SyncGroup",
  15: "DescribeGroups",
  16: "ListGroups",
  18: "ApiVersions",
  19: "CreateTopics",
  20: "DeleteTopics",
  21: "DeleteRecords",
  22: "InitProducerId",
  32: "DescribeConfigs",
  33: "AlterConfigs",
  37: "CreatePartitions",
  42: "DeleteGroups",
  60: "DescribeCluster",
};

/** Whose connection it is. */
export interface Watched {
  broker: string;
  clientId: string;
  requestTimeout: number | undefined;
  /** Whether anybody listens; nothing is read while nobody does. */
  isObserved(): boolean;
  tell(name: string, payload: object): void;
}

interface Open {
  apiKey: number;
  apiName: string;
  apiVersion: number;
  correlationId: number;
  createdAt: number;
  sentAt: number;
  pendingDuration: number;
}

/** Watches the requests that leave by `port` and their answers. */
export function watchRequests(port: MessagePort, watched: Watched): void {
  const open = new Map<number, Open>();
  const { broker, clientId } = watched;
  const tellQueueSize = (): void => {
    watched.tell("network.request_queue_size", { broker, clientId, queueSize: open.size });
  };
  const post = port.postMessage.bind(port);
  // The wasm calls it in this form only.
  port.postMessage = ((message: unknown, transfer: Transferable[] = []): void => {
    if (watched.isObserved()) {
      if (message instanceof ArrayBuffer) {
        const request = requestOf(message);
        open.set(request.correlationId, request);
        tellQueueSize();
      } else {
        // The client gives the connection up: for what has waited this long, that is why.
        const limit = Date.now() - (watched.requestTimeout ?? REQUEST_TIMEOUT_MS);
        for (const request of open.values()) {
          if (request.sentAt <= limit) {
            watched.tell("network.request_timeout", { ...request, broker, clientId });
          }
        }
      }
    }
    post(message, transfer);
  }) as MessagePort["postMessage"];
  port.addEventListener("message", (event: MessageEvent<unknown>) => {
    if (open.size === 0 || !(event.data instanceof ArrayBuffer)) return;
    const request = open.get(new DataView(event.data).getInt32(0));
    if (request === undefined) return;
    open.delete(request.correlationId);
    const duration = Date.now() - request.sentAt;
    const size = event.data.byteLength;
    watched.tell("network.request", { ...request, broker, clientId, duration, size });
    tellQueueSize();
  });
}

/** The beginning of a request's header; it is the same in every version. */
function requestOf(frame: ArrayBuffer): Open {
  const view = new DataView(frame);
  const now = Date.now();
  const apiKey = view.getInt16(0);
  return {
    apiKey,
    apiName: API_NAMES[apiKey] ?? String(apiKey),
    apiVersion: view.getInt16(2),
    correlationId: view.getInt32(4),
    createdAt: now,
    sentAt: now,
    pendingDuration: 0,
  };
}
