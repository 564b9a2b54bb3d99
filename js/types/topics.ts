// What an application keeps in its topics, for programs that want it checked.
import type { Abortable } from "./abortable.js";
import type { Batch, ConsumerRunConfig, EachBatchPayload, EachMessagePayload } from "./consumer.js";
import type { Message } from "./message.js";
import type { ProducerBatch, ProducerRecord } from "./producer.js";

/** A map of topics to the messages that are sent to them, such as `{ orders: { value: string } }`. */
export type TopicMap<Topics> = { [Topic in keyof Topics]: Message };

/** Any message in any topic, as in KafkaJS. */
export type AnyTopics = Record<string, Message>;

/** The names of the topics. */
export type TopicOf<Topics> = keyof Topics & string;

/** Messages of one topic, which are of its type. */
export type TopicMessagesOf<Topics> = {
  [Topic in TopicOf<Topics>]: { topic: Topic; messages: Topics[Topic][] };
}[TopicOf<Topics>];

/** What `send` takes. */
export type ProducerRecordOf<Topics> = Omit<ProducerRecord, "topic" | "messages"> &
  TopicMessagesOf<Topics>;

/** What `sendBatch` takes. */
export type ProducerBatchOf<Topics> = Omit<ProducerBatch, "topicMessages"> & {
  topicMessages?: TopicMessagesOf<Topics>[];
};

/** What `subscribe` takes. */
export type SubscriptionOf<Topics> = { fromBeginning?: boolean } & (
  { topic: TopicOf<Topics> | RegExp } | { topics: (TopicOf<Topics> | RegExp)[] }
);

/** What `eachMessage` is called with, and `messages` gives. */
export type EachMessagePayloadOf<Topics> = EachMessagePayload & { topic: TopicOf<Topics> };

/** What `run` takes. */
export type RunConfigOf<Topics> = Omit<ConsumerRunConfig, "eachMessage" | "eachBatch"> & {
  /** Not called where there is `eachMessage` as well. */
  eachBatch?: (
    payload: EachBatchPayload & { batch: Batch & { topic: TopicOf<Topics> } },
  ) => Promise<void>;
  eachMessage?: (payload: EachMessagePayloadOf<Topics>) => Promise<void>;
};

/** What `messages` takes. */
export type MessagesConfig = Abortable & Omit<ConsumerRunConfig, "eachBatch" | "eachMessage">;
