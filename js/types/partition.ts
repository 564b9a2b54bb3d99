// Partitions, and offsets in them.

export interface PartitionMetadata {
  partitionErrorCode: number;
  partitionId: number;
  leader: number;
  replicas: number[];
  isr: number[];
  offlineReplicas?: number[];
}

export interface TopicPartition {
  topic: string;
  partition: number;
}
export type TopicPartitionOffset = TopicPartition & { offset: string };
export type TopicPartitionOffsetAndMetadata = TopicPartitionOffset & { metadata?: string | null };

export interface TopicPartitions {
  topic: string;
  partitions: number[];
}

export interface PartitionOffset {
  partition: number;
  offset: string;
}
export type SeekEntry = PartitionOffset;

export interface TopicOffsets {
  topic: string;
  partitions: PartitionOffset[];
}

export interface Offsets {
  topics: TopicOffsets[];
}
export type OffsetsByTopicPartition = Offsets;

export type Assignment = Record<string, number[]>;
export type IMemberAssignment = Assignment;
