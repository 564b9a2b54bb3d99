// The package's exports. Importing them runs nothing.
export * from "./admin_types.js";
export {
  AssignerProtocol,
  type ISerializer,
  type MemberAssignment,
  type MemberMetadata,
} from "./assigner_protocol.js";
export {
  type Assigner,
  type AssignerCluster as Cluster,
  type GroupMember,
  type GroupMemberAssignment,
  type GroupState,
  type PartitionAssigner,
  PartitionAssigners,
} from "./assigners.js";
export type { Admin, Consumer, Producer } from "./clients.js";
export type { ClusterStatus } from "./cluster.js";
export { CompressionCodecs, CompressionTypes } from "./compression.js";
export * from "./errors.js";
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
} from "./events.js";
export type { TraceEvent } from "./host/messages.js";
export { Kafka } from "./kafka.js";
export {
  type LogEntry,
  type Logger,
  type LoggerEntryContent,
  type logCreator,
  logLevel,
} from "./logger.js";
export { type BufferEncoding, MessageBytes } from "./message_bytes.js";
export { Partitioners } from "./partitioners.js";
export * from "./types.js";
export type { WasmSource } from "./wasm.js";
