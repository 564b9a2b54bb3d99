// Clients as programs name their types.
import type { Admin as AdminClass } from "./admin/admin.js";
import type { Consumer as ConsumerClass } from "./consumer/consumer.js";
import type { Producer as ProducerClass } from "./producer/producer.js";
import type { SeekEntry } from "./types/partition.js";
import type { RecordMetadata } from "./types/producer.js";
import type {
  AnyTopics,
  EachMessagePayloadOf,
  MessagesConfig,
  ProducerBatchOf,
  ProducerRecordOf,
  RunConfigOf,
  SubscriptionOf,
  TopicMap,
  TopicOf,
} from "./types/topics.js";

/**
 * What a client has for programs, but for what `Topics` makes of it. A class with private fields
 * takes nothing but its own instances, and programs pass doubles and copies of clients
 * (`{ ...producer, send }`), and take their methods apart, which have no `this`.
 */
type Open<Client, Typed extends keyof Client> = Omit<Client, Typed>;

/** Sends messages. */
export interface Producer<Topics extends TopicMap<Topics> = AnyTopics> extends Open<
  ProducerClass,
  "send" | "sendBatch"
> {
  /** Sends messages of one topic; resolves when they are as safe as `acks` says. */
  send(this: void, record: ProducerRecordOf<Topics>): Promise<RecordMetadata[]>;
  /** Sends messages of several topics. */
  sendBatch(this: void, batch: ProducerBatchOf<Topics>): Promise<RecordMetadata[]>;
}

/** Reads messages as a member of a group. */
export interface Consumer<Topics extends TopicMap<Topics> = AnyTopics> extends Open<
  ConsumerClass,
  "subscribe" | "run" | "messages"
> {
  /** Adds topics, before `run`. Patterns are looked up when it runs, and every `metadataMaxAge`. */
  subscribe(this: void, subscription: SubscriptionOf<Topics>): Promise<void>;
  /** Joins the group and calls the handler from then on; resolves when it has joined. */
  run(this: void, config?: RunConfigOf<Topics>): Promise<void>;
  /**
   * Runs, and gives message after message. One counts as processed when the next is asked for. The
   * consumer stops when the loop ends; aborting throws the signal's reason.
   */
  messages(options?: MessagesConfig): AsyncGenerator<EachMessagePayloadOf<Topics>, void, undefined>;
}

/** Creates, describes, changes and deletes topics, offsets and groups. */
export interface Admin<Topics extends TopicMap<Topics> = AnyTopics> extends Open<
  AdminClass,
  "fetchTopicOffsets" | "fetchTopicOffsetsByTimestamp"
> {
  /** `high` is the high watermark, `low` the first offset. */
  fetchTopicOffsets(topic: TopicOf<Topics>): Promise<(SeekEntry & { high: string; low: string })[]>;
  /** Of the first message that is not older (milliseconds), or of the next one to come. */
  fetchTopicOffsetsByTimestamp(
    this: void,
    topic: TopicOf<Topics>,
    timestamp?: number,
  ): Promise<SeekEntry[]>;
}
