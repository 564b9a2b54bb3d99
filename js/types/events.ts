// The events of clients, under KafkaJS's names.
import type { TopicOffsets } from "./partition.js";

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

/** What the properties of a type may be, such as the names of `ConsumerEvents`. */
export type ValueOf<T> = T[keyof T];

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
