// Every public method of the package with a call of it, as `settling.test.mjs` makes it in Node and
// `settling.ts` in a page whose workers die. A method that has none fails the first of these.
import { ConfigResourceTypes } from "tablog";

const [topic, groupId, other] = ["events", "group", "another"];
const topics = [{ topic: other }];
const messages = [{ value: "late" }];
const partitions = [{ partition: 0, offset: "0" }];
const offset = { topic, partition: 0, offset: "0" };
const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [] }];
const eachMessage = () => Promise.resolve();
const heard = () => undefined;

/** @typedef {import("tablog").Kafka} Kafka */
/** @typedef {import("tablog").Producer} Producer */
/** @typedef {import("tablog").Consumer} Consumer */
/** @typedef {import("tablog").Admin} Admin */
/** @typedef {ReturnType<Consumer["messages"]>} Messages */
/**
 * @template Client
 * @typedef {Record<string | symbol, (client: Client, signal: AbortSignal) => unknown>} Calls
 */

/** @type {Calls<Kafka>} */
const kafka = {
  producer: (kafka) => kafka.producer(),
  consumer: (kafka) => kafka.consumer({ groupId }),
  admin: (kafka) => kafka.admin(),
  logger: (kafka) => kafka.logger(),
  on: (kafka) => kafka.on("status", heard),
  onTrace: (kafka) => kafka.onTrace(heard),
  close: (kafka) => kafka.close(),
  [Symbol.asyncDispose]: (kafka) => kafka[Symbol.asyncDispose](),
};

/** @type {Calls<Producer>} */
const producer = {
  connect: (producer, signal) => producer.connect({ signal }),
  disconnect: (producer) => producer.disconnect(),
  send: (producer, signal) => producer.send({ topic, messages, signal }),
  sendBatch: (producer, signal) =>
    producer.sendBatch({ topicMessages: [{ topic, messages }], signal }),
  flush: (producer, signal) => producer.flush({ signal }),
  isIdempotent: (producer) => producer.isIdempotent(),
  transaction: (producer) => producer.transaction(/** @type {never} */ (undefined)),
  on: (producer) => producer.on("producer.connect", heard),
  logger: (producer) => producer.logger(),
  [Symbol.asyncDispose]: (producer) => producer[Symbol.asyncDispose](),
};

/** @type {Calls<Consumer>} */
const consumer = {
  connect: (consumer, signal) => consumer.connect({ signal }),
  disconnect: (consumer) => consumer.disconnect(),
  subscribe: (consumer) => consumer.subscribe({ topic: other }),
  assign: (consumer) => {
    consumer.assign([offset]);
  },
  run: (consumer) => consumer.run({ eachMessage }),
  ready: (consumer, signal) => consumer.ready({ signal }),
  // The loop itself has a table of its own.
  messages: (consumer, signal) => consumer.messages({ signal }),
  stop: (consumer) => consumer.stop(),
  commitOffsets: (consumer) => consumer.commitOffsets([offset]),
  seek: (consumer) => {
    consumer.seek(offset);
  },
  pause: (consumer) => {
    consumer.pause([{ topic }]);
  },
  paused: (consumer) => consumer.paused(),
  resume: (consumer) => {
    consumer.resume([{ topic }]);
  },
  describeGroup: (consumer) => consumer.describeGroup(),
  on: (consumer) => consumer.on("consumer.connect", heard),
  logger: (consumer) => consumer.logger(),
  [Symbol.asyncDispose]: (consumer) => consumer[Symbol.asyncDispose](),
};

/** What a loop over a consumer's messages does. @type {Calls<Messages>} */
const loop = {
  next: (messages) => messages.next(),
  return: (messages) => messages.return(),
  throw: (messages) => messages.throw(new Error("of the loop")),
  [Symbol.asyncIterator]: (messages) => messages[Symbol.asyncIterator](),
  [Symbol.asyncDispose]: (messages) => messages[Symbol.asyncDispose](),
};

/** @type {Calls<Admin>} */
const admin = {
  connect: (admin, signal) => admin.connect({ signal }),
  disconnect: (admin) => admin.disconnect(),
  listTopics: (admin) => admin.listTopics(),
  createTopics: (admin) => admin.createTopics({ topics }),
  deleteTopics: (admin) => admin.deleteTopics({ topics: [other] }),
  createPartitions: (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 9 }] }),
  fetchTopicMetadata: (admin) => admin.fetchTopicMetadata(),
  fetchTopicOffsets: (admin) => admin.fetchTopicOffsets(topic),
  fetchTopicOffsetsByTimestamp: (admin) => admin.fetchTopicOffsetsByTimestamp(topic, 0),
  fetchOffsets: (admin) => admin.fetchOffsets({ groupId }),
  setOffsets: (admin) => admin.setOffsets({ groupId, topic, partitions }),
  resetOffsets: (admin) => admin.resetOffsets({ groupId, topic }),
  deleteTopicRecords: (admin) => admin.deleteTopicRecords({ topic, partitions }),
  describeConfigs: (admin) => admin.describeConfigs({ resources }),
  alterConfigs: (admin) => admin.alterConfigs({ resources }),
  describeCluster: (admin) => admin.describeCluster(),
  listGroups: (admin) => admin.listGroups(),
  describeGroups: (admin) => admin.describeGroups([groupId]),
  deleteGroups: (admin) => admin.deleteGroups([groupId]),
  createAcls: (admin) => admin.createAcls(),
  describeAcls: (admin) => admin.describeAcls(),
  deleteAcls: (admin) => admin.deleteAcls(),
  alterPartitionReassignments: (admin) => admin.alterPartitionReassignments(),
  listPartitionReassignments: (admin) => admin.listPartitionReassignments(),
  on: (admin) => admin.on("admin.connect", heard),
  logger: (admin) => admin.logger(),
  [Symbol.asyncDispose]: (admin) => admin[Symbol.asyncDispose](),
};

export const calls = { kafka, producer, consumer, loop, admin };

/** What a handler of `run` may do with what it is given. */
export const handed = {
  /** @type {Calls<import("tablog").EachMessagePayload>} */
  eachMessage: {
    heartbeat: ({ heartbeat }) => heartbeat(),
    pause: ({ pause }) => {
      pause()();
    },
  },
  /** @type {Calls<import("tablog").EachBatchPayload>} */
  eachBatch: {
    resolveOffset: ({ resolveOffset }) => {
      resolveOffset("0");
    },
    heartbeat: ({ heartbeat }) => heartbeat(),
    pause: ({ pause }) => {
      pause()();
    },
    commitOffsetsIfNecessary: ({ commitOffsetsIfNecessary }) =>
      commitOffsetsIfNecessary({ topics: [{ topic, partitions }] }),
    uncommittedOffsets: ({ uncommittedOffsets }) => uncommittedOffsets(),
    isRunning: ({ isRunning }) => isRunning(),
    isStale: ({ isStale }) => isStale(),
  },
};

/** Those that take a signal. */
export const ABORTABLE = ["connect", "send", "sendBatch", "flush", "ready", "next"];
