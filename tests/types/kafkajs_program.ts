// Typical KafkaJS programs: they only have to type-check. Each line stands for one seen in the wild.
import {
  type Admin,
  type Assigner,
  AssignerProtocol,
  type Batch,
  type BrokersFunction,
  type Cluster,
  CompressionCodecs,
  CompressionTypes,
  ConfigResourceTypes,
  type ConsumerEvents,
  ConfigSource,
  type ConnectEvent,
  type Consumer,
  type ConsumerConfig,
  type ConsumerCrashEvent,
  type ConsumerGroupJoinEvent,
  type ConsumerRunConfig,
  type EachBatchHandler,
  type EachBatchPayload,
  type EachMessageHandler,
  type EachMessagePayload,
  type GroupMember,
  type GroupMemberAssignment,
  type GroupState,
  type IHeaders,
  type IMemberAssignment,
  type ISerializer,
  type ITopicConfig,
  Kafka,
  type KafkaConfig,
  KafkaJSAggregateError,
  KafkaJSConnectionError,
  KafkaJSDeleteGroupsError,
  KafkaJSDeleteTopicRecordsError,
  KafkaJSError,
  KafkaJSNonRetriableError,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSOffsetOutOfRange,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSTopicMetadataNotLoaded,
  type KafkaJSErrorMetadata,
  type KafkaJSNumberOfRetriesExceededMetadata,
  type KafkaMessage,
  type logCreator,
  logLevel,
  type MemberMetadata,
  type Message,
  type PartitionAssigner,
  PartitionAssigners,
  Partitioners,
  type Producer,
  type ProducerRecord,
  type RecordBatchEntry,
  type RecordMetadata,
  type Sender,
  type TopicPartitionOffsetAndMetadata,
  type ValueOf,
} from "tablog";

/** KafkaJS's programs name events so. */
export const crash: ValueOf<ConsumerEvents> = "consumer.crash";

const write: logCreator = (level: logLevel) => (entry) => {
  if (level < entry.level) return;
  const { timestamp, message, ...extra } = entry.log;
  console.log(entry.namespace, entry.label, timestamp, message, extra);
};

const config: KafkaConfig = {
  clientId: "orders",
  brokers: ["localhost:9092"],
  connectionTimeout: 3000,
  requestTimeout: 25_000,
  retry: {
    initialRetryTime: 100,
    retries: 8,
    restartOnFailure: async () => Promise.resolve(false),
  },
  logLevel: logLevel.ERROR,
  logCreator: write,
};
const kafka = new Kafka(config);
kafka.logger().namespace("app").info("hello", { a: 1 });

export async function produces(): Promise<RecordMetadata[]> {
  const producer: Producer = kafka.producer({
    createPartitioner: Partitioners.LegacyPartitioner,
    allowAutoTopicCreation: false,
    idempotent: true,
    maxInFlightRequests: 1,
    retry: { retries: 3 },
  });
  const remove = producer.on(producer.events.CONNECT, ({ id, type, timestamp, payload }) => {
    console.log(id, type, timestamp, payload);
  });
  producer.on(producer.events.REQUEST, ({ payload: { apiName, duration } }) => {
    console.log(apiName, duration);
  });
  await producer.connect();
  const headers: IHeaders = { id: "1", many: ["a", Buffer.from("b")], none: undefined };
  const messages: Message[] = [
    { key: "a", value: "b", headers },
    {
      key: Buffer.from("a"),
      value: Buffer.from("b"),
      partition: 0,
      timestamp: Date.now().toString(),
    },
    { key: null, value: null },
  ];
  const record: ProducerRecord = { topic: "orders", messages, acks: 1, timeout: 1000 };
  const [first] = await producer.send({ ...record, compression: CompressionTypes.GZIP });
  if (first?.baseOffset !== undefined) console.log(BigInt(first.baseOffset) + 1n, first.topicName);
  const results = await producer.sendBatch({ topicMessages: [{ topic: "orders", messages }] });
  remove();
  console.log(producer.isIdempotent());
  await producer.disconnect();
  return results;
}

export function custom(): Producer {
  const byUser = () => {
    return ({
      topic,
      partitionMetadata,
      message,
    }: {
      topic: string;
      partitionMetadata: { partitionId: number; leader: number }[];
      message: { key?: Uint8Array | string | null };
    }) => (topic.length + String(message.key).length) % partitionMetadata.length;
  };
  return kafka.producer({ createPartitioner: byUser });
}

const whenConnected = ({ timestamp }: ConnectEvent): void => {
  console.log(timestamp);
};
const whenJoined = ({ payload: { memberAssignment } }: ConsumerGroupJoinEvent): void => {
  console.log(Object.keys(memberAssignment));
};
const whenCrashed = ({ payload: { error, restart } }: ConsumerCrashEvent): void => {
  if (!restart) console.error(error.message);
};

export function listens(consumer: Consumer, producer: Producer): void {
  consumer.on("consumer.group_join", whenJoined);
  consumer.on(consumer.events.CRASH, whenCrashed);
  producer.on("producer.connect", whenConnected);
}

const eachMessage: EachMessageHandler = async ({
  topic,
  partition,
  message,
  heartbeat,
  pause,
}: EachMessagePayload) => {
  const value = message.value?.toString() ?? "";
  const key = message.key?.toString("utf8");
  const trace = message.headers["trace"]?.toString();
  const body = JSON.parse(value) as unknown;
  console.log(
    topic,
    partition,
    key,
    body,
    trace,
    Number(message.timestamp),
    BigInt(message.offset),
  );
  await heartbeat();
  if (body === null) setTimeout(pause(), 1000);
};

const eachBatch: EachBatchHandler = async (payload: EachBatchPayload) => {
  const { batch, resolveOffset, heartbeat, isRunning, isStale, uncommittedOffsets } = payload;
  for (const message of batch.messages) {
    if (!isRunning() || isStale()) break;
    resolveOffset(message.offset);
    await heartbeat();
  }
  await payload.commitOffsetsIfNecessary(uncommittedOffsets());
  await payload.commitOffsetsIfNecessary();
  const lag = (one: Batch): number => parseInt(one.offsetLag(), 10);
  console.log(lag(batch), batch.firstOffset(), batch.lastOffset(), batch.highWatermark);
};

export async function consumes(): Promise<void> {
  const settings: ConsumerConfig = {
    groupId: "billing",
    sessionTimeout: 30_000,
    partitionAssigners: [PartitionAssigners.roundRobin],
    retry: { retries: 2, restartOnFailure: async (error) => Promise.resolve(error.name === "x") },
  };
  const consumer: Consumer = kafka.consumer(settings);
  await consumer.connect();
  await consumer.subscribe({ topic: "orders", fromBeginning: true });
  await consumer.subscribe({ topics: ["orders", /^audit-/i] });
  const run: ConsumerRunConfig = {
    autoCommit: false,
    partitionsConsumedConcurrently: 3,
    eachMessage,
  };
  await consumer.run(run);
  await consumer.run({ eachBatchAutoResolve: false, autoCommitThreshold: 100, eachBatch });
  const { GROUP_JOIN, CRASH, COMMIT_OFFSETS, END_BATCH_PROCESS } = consumer.events;
  consumer.on(GROUP_JOIN, ({ payload }) => {
    console.log(payload.memberAssignment["orders"]?.length, payload.isLeader, payload.duration);
  });
  consumer.on(CRASH, ({ payload: { error, groupId, restart } }) => {
    console.error(error.message, groupId, restart);
  });
  consumer.on(COMMIT_OFFSETS, ({ payload }) => {
    console.log(payload.topics.map(({ partitions }) => partitions[0]?.offset));
  });
  consumer.on(END_BATCH_PROCESS, ({ payload }) => {
    console.log(payload.duration, payload.batchSize);
  });
  consumer.seek({ topic: "orders", partition: 0, offset: "12" });
  consumer.pause([{ topic: "orders" }, { topic: "audit", partitions: [0, 1] }]);
  consumer.resume(consumer.paused());
  const offsets: TopicPartitionOffsetAndMetadata[] = [
    { topic: "orders", partition: 0, offset: "31004", metadata: null },
  ];
  await consumer.commitOffsets(offsets);
  const { state, members } = await consumer.describeGroup();
  console.log(
    state,
    members.map(({ memberId }) => memberId),
  );
  await consumer.stop();
  await consumer.disconnect();
}

/** A dead letter: what was read is sent again. */
export async function forwards(producer: Producer, message: KafkaMessage): Promise<void> {
  await producer.send({
    topic: "dead",
    messages: [{ ...message, headers: { ...message.headers, reason: "bad" } }],
  });
}

export async function administers(): Promise<void> {
  const admin = kafka.admin({ retry: { retries: 1 } });
  await admin.connect();
  const topics: ITopicConfig[] = [
    { topic: "orders", numPartitions: 6, replicationFactor: 1 },
    { topic: "audit", configEntries: [{ name: "cleanup.policy", value: "compact" }] },
  ];
  const created: boolean = await admin.createTopics({ topics, waitForLeaders: true });
  console.log(created, (await admin.listTopics()).includes("orders"));
  await admin.createPartitions({ topicPartitions: [{ topic: "orders", count: 12 }] });
  const metadata = await admin.fetchTopicMetadata({ topics: ["orders"] });
  console.log(
    metadata.topics[0]?.partitions.map(({ partitionId, leader }) => [partitionId, leader]),
  );
  for (const { partition, offset, high, low } of await admin.fetchTopicOffsets("orders")) {
    console.log(partition, offset, high, low);
  }
  const since = await admin.fetchTopicOffsetsByTimestamp("orders", Date.now() - 1000);
  await admin.setOffsets({ groupId: "billing", topic: "orders", partitions: since });
  await admin.resetOffsets({ groupId: "billing", topic: "orders", earliest: true });
  const committed = await admin.fetchOffsets({ groupId: "billing", topics: ["orders"] });
  console.log(committed[0]?.partitions[0]?.metadata);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: "orders", configNames: ["retention.ms"] }],
  });
  console.log(resources[0]?.configEntries[0]?.configSource === ConfigSource.TOPIC_CONFIG);
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: ConfigResourceTypes.TOPIC,
        name: "orders",
        configEntries: [{ name: "retention.ms", value: "-1" }],
      },
    ],
  });
  const { groups } = await admin.describeGroups(["billing"]);
  const assignment = groups[0]?.members[0]?.memberAssignment;
  if (assignment !== undefined) console.log(AssignerProtocol.MemberAssignment.decode(assignment));
  const { controller, brokers, clusterId } = await admin.describeCluster();
  console.log(
    controller,
    brokers[0]?.port,
    clusterId,
    (await admin.listGroups()).groups[0]?.groupId,
  );
  await admin.deleteTopicRecords({ topic: "orders", partitions: [{ partition: 0, offset: "-1" }] });
  await admin.deleteGroups(["billing"]);
  await admin.deleteTopics({ topics: ["orders"], timeout: 5000 });
  await admin.disconnect();
}

export function tells(error: unknown): string | undefined {
  CompressionCodecs[CompressionTypes.Snappy] = () => ({ compress: null });
  if (error instanceof KafkaJSNumberOfRetriesExceeded) return String(error.retryCount);
  if (error instanceof KafkaJSOffsetOutOfRange) return `${error.topic}-${error.partition}`;
  if (error instanceof KafkaJSProtocolError) return `${error.type} ${error.code}`;
  if (error instanceof KafkaJSConnectionError) return error.broker;
  if (error instanceof KafkaJSTopicMetadataNotLoaded) return error.topic;
  if (error instanceof KafkaJSDeleteGroupsError) return error.groups[0]?.groupId;
  if (error instanceof KafkaJSDeleteTopicRecordsError) return error.partitions[0]?.offset;
  if (error instanceof KafkaJSAggregateError) return String(error.errors.length);
  if (error instanceof KafkaJSRequestTimeoutError) return error.message;
  if (error instanceof KafkaJSNonRetriableError) return error.helpUrl;
  if (error instanceof KafkaJSError) return error.retriable ? error.cause?.message : error.name;
  return undefined;
}

/** An assigner of the program's own, as in KafkaJS's documentation. */
const evenOdd: PartitionAssigner = ({ cluster, groupId, logger }) => ({
  name: "EvenOddAssigner",
  version: 1,
  async assign({ members, topics }) {
    logger.info("assigning", { groupId });
    const first = members.map(({ memberId }) => memberId).sort()[0];
    return Promise.resolve(
      members.map(({ memberId }) => {
        const assignment: IMemberAssignment = {};
        for (const topic of topics) {
          assignment[topic] = partitionsOf(cluster, topic).filter(() => memberId === first);
        }
        const memberAssignment = AssignerProtocol.MemberAssignment.encode({
          version: this.version,
          assignment,
          userData: Buffer.from("x"),
        });
        return { memberId, memberAssignment };
      }),
    );
  },
  protocol({ topics }) {
    return {
      name: this.name,
      metadata: AssignerProtocol.MemberMetadata.encode({ version: this.version, topics }),
    };
  },
});

function partitionsOf(cluster: Cluster, topic: string): number[] {
  return cluster.findTopicPartitionMetadata(topic).map((partition) => partition.partitionId);
}

class Sticky implements Assigner {
  readonly name = "Sticky";
  readonly version = 0;

  async assign(group: {
    members: GroupMember[];
    topics: string[];
  }): Promise<GroupMemberAssignment[]> {
    const decoded: (MemberMetadata | null)[] = group.members.map(({ memberMetadata }) =>
      AssignerProtocol.MemberMetadata.decode(memberMetadata),
    );
    return Promise.resolve(decoded.length === 0 ? [] : []);
  }

  protocol({ topics }: { topics: string[] }): GroupState {
    return { name: this.name, metadata: Buffer.from(JSON.stringify(topics)) };
  }
}

const findBrokers: BrokersFunction = async () => Promise.resolve(["localhost:9092"]);

export function withAssigners(): Consumer {
  return new Kafka({ brokers: findBrokers }).consumer({
    groupId: "assigned",
    partitionAssigners: [evenOdd, () => new Sticky(), PartitionAssigners.roundRobin],
  });
}

/** What takes whatever sends, as a program's own layer over KafkaJS does. */
export async function audits(sender: Sender, { value, offset }: RecordBatchEntry): Promise<void> {
  await sender.send({ topic: "audit", messages: [{ key: offset, value }] });
}

export async function auditsWithAProducer(message: KafkaMessage): Promise<void> {
  await audits(kafka.producer(), message);
}

export const serializer: ISerializer<MemberMetadata> = AssignerProtocol.MemberMetadata;

export function fails(metadata: KafkaJSErrorMetadata): KafkaJSError {
  const tries: KafkaJSNumberOfRetriesExceededMetadata = { retryCount: 3, retryTime: 1000 };
  return new KafkaJSNumberOfRetriesExceeded(new KafkaJSError("away", metadata), tries);
}

/** Clients in layers, and doubles of them. */
export function traced(producer: Producer): Producer {
  return {
    ...producer,
    send: async (record) => {
      console.log(record.topic);
      return producer.send(record);
    },
  };
}

export function stopped(consumer: Consumer, admin: Admin): Consumer {
  const double: Pick<Admin, "listTopics"> = { listTopics: async () => Promise.resolve([]) };
  console.log(Object.assign({}, admin, double).listTopics());
  return { ...consumer, run: async () => Promise.resolve() };
}

/** What is refused at run time does not compile. */
export async function refused(): Promise<void> {
  // @ts-expect-error -- nobody logs in
  new Kafka({ sasl: { mechanism: "plain", username: "a", password: "b" } });
  // @ts-expect-error -- nothing leaves the origin
  new Kafka({ ssl: true });
  // @ts-expect-error -- there are no sockets
  new Kafka({ socketFactory: () => undefined });
  // @ts-expect-error -- there are no transactions
  const producer = kafka.producer({ transactionalId: "orders" });
  // @ts-expect-error -- there are no transactions
  await producer.transaction();
  const admin = kafka.admin();
  // @ts-expect-error -- there are no ACLs
  await admin.createAcls({ acl: [] });
  // @ts-expect-error -- there are no ACLs
  await admin.describeAcls({ resourceType: 2 });
  // @ts-expect-error -- there are no ACLs
  await admin.deleteAcls({ filters: [] });
  // @ts-expect-error -- partitions stay where they are
  await admin.alterPartitionReassignments({ topics: [] });
  // @ts-expect-error -- partitions stay where they are
  await admin.listPartitionReassignments({ topics: [] });
}

/** What goes beyond KafkaJS. */
export async function modern(signal: AbortSignal): Promise<void> {
  await using producer = kafka.producer();
  await producer.connect({ signal });
  await using consumer = kafka.consumer({ groupId: "modern" });
  await consumer.subscribe({ topics: ["orders"] });
  void consumer.ready({ signal }).then((assignment) => assignment["orders"]);
  for await (const { message } of consumer.messages({ signal })) console.log(message.offset);
  const remove = kafka.on("status", (status) => {
    if (status === "waiting") console.log("another tab has the broker");
  });
  kafka.onTrace((events) => {
    console.log(events[0]?.api);
  });
  remove();
  await kafka.close();
}
