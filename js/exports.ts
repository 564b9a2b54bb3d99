// What every entry of the package exports, besides its own Kafka.
export type { Admin, Consumer, Producer } from "./clients.js";
export {
  AssignerProtocol,
  type ISerializer,
  type MemberAssignment,
  type MemberMetadata,
} from "./consumer/assigner_protocol.js";
export { PartitionAssigners } from "./consumer/assigners.js";
export * from "./errors/errors.js";
export { Partitioners } from "./producer/partitioners.js";
export * from "./types/abortable.js";
export * from "./types/admin.js";
export type {
  CompiledModule,
  ResponseLike,
  UrlLike,
  WasmSource,
  WorkerLike,
  WorkerSource,
} from "./types/arrival.js";
export type {
  Assigner,
  AssignerCluster as Cluster,
  GroupMember,
  GroupMemberAssignment,
  GroupState,
  PartitionAssigner,
} from "./types/assigner.js";
export * from "./types/cluster.js";
export { CompressionCodecs, CompressionTypes } from "./types/compression.js";
export * from "./types/config.js";
export * from "./types/consumer.js";
export type {
  AdminEvents,
  ConnectEvent,
  ConsumerCommitOffsetsEvent,
  ConsumerCrashEvent,
  ConsumerEndBatchProcessEvent,
  ConsumerEvents,
  ConsumerFetchEvent,
  ConsumerFetchStartEvent,
  ConsumerGroupJoinEvent,
  ConsumerHeartbeatEvent,
  ConsumerRebalancingEvent,
  ConsumerReceivedUnsubcribedTopicsEvent,
  ConsumerStartBatchProcessEvent,
  DisconnectEvent,
  InstrumentationEvent,
  ProducerEvents,
  RemoveInstrumentationEventListener,
  RequestEvent,
  RequestQueueSizeEvent,
  RequestTimeoutEvent,
  ValueOf,
} from "./types/events.js";
export {
  type logCreator,
  type LogEntry,
  type Logger,
  type LoggerEntryContent,
  logLevel,
} from "./types/logger.js";
export * from "./types/message.js";
export { type BufferEncoding, MessageBytes } from "./types/message_bytes.js";
export * from "./types/partition.js";
export * from "./types/producer.js";
export * from "./types/topics.js";
