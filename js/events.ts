// Instrumentation: what clients tell about themselves, under KafkaJS's names.
import type { Logger } from "./logger.js";
import { invalid } from "./refusals.js";
import type { TopicOffsets } from "./types.js";

/** Something that happened in a client. */
export interface InstrumentationEvent<Payload> {
  id: string;
  type: string;
  /** Milliseconds since the Unix epoch. */
  timestamp: number;
  payload: Payload;
}

/** Ends what `on` began. */
// KafkaJS's has a parameter that says nothing, too.
// eslint-disable-next-line @typescript-eslint/no-unused-vars
export type RemoveInstrumentationEventListener<_Type = unknown> = () => void;

/** A request that a client has sent, and its answer. */
export interface RequestPayload {
  apiKey: number;
  apiName: string;
  apiVersion: number;
  broker: string;
  clientId: string;
  correlationId: number;
  createdAt: number;
  duration: number;
  pendingDuration: number;
  sentAt: number;
  size: number;
}

type NetworkPayloads<Kind extends string> = {
  [Type in `${Kind}.connect` | `${Kind}.disconnect`]: null;
} & { [Type in `${Kind}.network.request`]: RequestPayload } & {
  [Type in `${Kind}.network.request_timeout`]: Omit<RequestPayload, "duration" | "size">;
} & {
  [Type in `${Kind}.network.request_queue_size`]: {
    broker: string;
    clientId: string;
    queueSize: number;
  };
};

interface BatchProcessPayload {
  topic: string;
  partition: number;
  highWatermark: string;
  offsetLag: string;
  offsetLagLow: string;
  batchSize: number;
  firstOffset: string;
  lastOffset: string;
}

export type ProducerPayloads = NetworkPayloads<"producer">;
export type AdminPayloads = NetworkPayloads<"admin">;
export type ConsumerPayloads = NetworkPayloads<"consumer"> & {
  "consumer.heartbeat": { groupId: string; memberId: string; groupGenerationId: number };
  "consumer.commit_offsets": {
    groupId: string;
    memberId: string;
    groupGenerationId: number;
    topics: TopicOffsets[];
  };
  "consumer.group_join": {
    groupId: string;
    memberId: string;
    leaderId: string;
    isLeader: boolean;
    generationId: number;
    groupProtocol: string;
    memberAssignment: Record<string, number[]>;
    duration: number;
  };
  "consumer.fetch_start": { nodeId: number };
  "consumer.fetch": { nodeId: number; numberOfBatches: number; bytes: number; duration: number };
  "consumer.start_batch_process": BatchProcessPayload;
  "consumer.end_batch_process": BatchProcessPayload & { duration: number };
  "consumer.stop": null;
  "consumer.crash": { error: Error; groupId: string; restart: boolean };
  "consumer.rebalancing": { groupId: string; memberId: string };
  "consumer.received_unsubscribed_topics": {
    groupId: string;
    generationId: number;
    memberId: string;
    assignedTopics: string[];
    topicsSubscribed: string[];
    topicsNotSubscribed: string[];
  };
};

// KafkaJS's names of events, for listeners that are declared apart. The network's are the same for
// every kind of client.
type EventOf<Type extends keyof ConsumerPayloads> = InstrumentationEvent<ConsumerPayloads[Type]>;

export type ConnectEvent = EventOf<"consumer.connect">;
export type DisconnectEvent = EventOf<"consumer.disconnect">;
export type RequestEvent = EventOf<"consumer.network.request">;
export type RequestTimeoutEvent = EventOf<"consumer.network.request_timeout">;
export type RequestQueueSizeEvent = EventOf<"consumer.network.request_queue_size">;
export type ConsumerHeartbeatEvent = EventOf<"consumer.heartbeat">;
export type ConsumerCommitOffsetsEvent = EventOf<"consumer.commit_offsets">;
export type ConsumerGroupJoinEvent = EventOf<"consumer.group_join">;
export type ConsumerFetchStartEvent = EventOf<"consumer.fetch_start">;
export type ConsumerFetchEvent = EventOf<"consumer.fetch">;
export type ConsumerStartBatchProcessEvent = EventOf<"consumer.start_batch_process">;
export type ConsumerEndBatchProcessEvent = EventOf<"consumer.end_batch_process">;
export type ConsumerCrashEvent = EventOf<"consumer.crash">;
export type ConsumerRebalancingEvent = EventOf<"consumer.rebalancing">;
// KafkaJS's spelling.
export type ConsumerReceivedUnsubcribedTopicsEvent =
  EventOf<"consumer.received_unsubscribed_topics">;

export type ProducerEvents = ReturnType<typeof networkEvents<"producer">>;
export type AdminEvents = ReturnType<typeof networkEvents<"admin">>;
export type ConsumerEvents = typeof CONSUMER_EVENTS;

export const PRODUCER_EVENTS: ProducerEvents = networkEvents("producer");
export const ADMIN_EVENTS: AdminEvents = networkEvents("admin");
export const CONSUMER_EVENTS = {
  ...networkEvents("consumer"),
  HEARTBEAT: "consumer.heartbeat",
  COMMIT_OFFSETS: "consumer.commit_offsets",
  GROUP_JOIN: "consumer.group_join",
  FETCH_START: "consumer.fetch_start",
  FETCH: "consumer.fetch",
  START_BATCH_PROCESS: "consumer.start_batch_process",
  END_BATCH_PROCESS: "consumer.end_batch_process",
  STOP: "consumer.stop",
  CRASH: "consumer.crash",
  REBALANCING: "consumer.rebalancing",
  RECEIVED_UNSUBSCRIBED_TOPICS: "consumer.received_unsubscribed_topics",
} as const;

function networkEvents<Kind extends string>(kind: Kind) {
  return {
    CONNECT: `${kind}.connect`,
    DISCONNECT: `${kind}.disconnect`,
    REQUEST: `${kind}.network.request`,
    REQUEST_TIMEOUT: `${kind}.network.request_timeout`,
    REQUEST_QUEUE_SIZE: `${kind}.network.request_queue_size`,
  } as const;
}

let nextEventId = 0;

/** What a client's way to its state machine needs of the client's listeners. */
export interface NetworkInstrumentation {
  /** Tells the observer whether anybody listens to the network, now and whenever that changes. */
  observe(observer: (on: boolean) => void): () => void;
  /** Tells an event of the network, such as `network.request`. */
  emitNetwork(name: string, payload: unknown): void;
}

/** The listeners of one client. */
export class Instrumentation<Payloads extends object> implements NetworkInstrumentation {
  readonly #kind: string;
  readonly #names: Record<string, string>;
  readonly #logger: Logger;
  readonly #listeners = new Map<string, Set<(event: InstrumentationEvent<never>) => unknown>>();

  readonly #observers = new Set<(on: boolean) => void>();

  constructor(kind: string, names: Record<string, string>, logger: Logger) {
    this.#kind = kind;
    this.#names = names;
    this.#logger = logger;
  }

  /** Calls `listener` with every such event. Returns what ends it. */
  on<Type extends keyof Payloads & string>(
    type: Type,
    listener: (event: InstrumentationEvent<Payloads[Type]>) => unknown,
  ): () => void {
    if (!Object.values(this.#names).includes(type)) {
      const names = Object.keys(this.#names).map((key) => `${this.#kind}.events.${key}`);
      throw invalid(`Event name should be one of ${names.join(", ")}`);
    }
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // A function of its own, so that the same listener can be added twice.
    const own = (event: InstrumentationEvent<Payloads[Type]>): unknown => listener(event);
    listeners.add(own);
    this.#tellObservers();
    return () => {
      listeners.delete(own);
      this.#tellObservers();
    };
  }

  observe(observer: (on: boolean) => void): () => void {
    this.#observers.add(observer);
    observer(this.#hasNetworkListeners());
    return () => {
      this.#observers.delete(observer);
    };
  }

  emitNetwork(name: string, payload: unknown): void {
    this.emit(`${this.#kind}.${name}` as keyof Payloads & string, payload as never);
  }

  #tellObservers(): void {
    for (const observer of this.#observers) observer(this.#hasNetworkListeners());
  }

  #hasNetworkListeners(): boolean {
    const prefix = `${this.#kind}.network.`;
    return [...this.#listeners].some(([type, own]) => type.startsWith(prefix) && own.size > 0);
  }

  /** Tells the listeners. What they throw is logged: it is not the client's. */
  emit<Type extends keyof Payloads & string>(type: Type, payload: Payloads[Type]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      const event = { id: String(nextEventId++), type, timestamp: Date.now(), payload };
      void (async () => {
        try {
          await (listener as (event: InstrumentationEvent<Payloads[Type]>) => unknown)(event);
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          this.#logger.error(`Failed to execute listener: ${message}`, { eventName: type });
        }
      })();
    }
  }
}
