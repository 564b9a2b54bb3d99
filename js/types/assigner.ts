// Assigners: who of a group's members gets which partitions.
import type { Logger } from "./logger.js";
import type { MessageBytes } from "./message_bytes.js";
import type { PartitionMetadata } from "./partition.js";

/** A member of a group as its leader's assigner sees it. */
export interface GroupMember {
  memberId: string;
  groupInstanceId?: string;
  /** What the member's own `protocol` gave. */
  memberMetadata: MessageBytes;
}

export interface GroupMemberAssignment {
  memberId: string;
  /** Encoded with `AssignerProtocol.MemberAssignment`. */
  memberAssignment: Uint8Array;
}

export interface GroupState {
  name: string;
  /** What the leader's `assign` is to know; usually `AssignerProtocol.MemberMetadata`. */
  metadata: Uint8Array;
}

export interface Assigner {
  /** On the wire. A group uses one that all of its members have. */
  name: string;
  version: number;
  /** Says, on the group's leader, who gets what. `topics` are what the leader has subscribed to. */
  assign(group: {
    members: GroupMember[];
    topics: string[];
  }): Promise<GroupMemberAssignment[]> | GroupMemberAssignment[];
  /** Called before each join. */
  protocol(subscription: { topics: string[] }): GroupState;
}

/** What an assigner may ask of the cluster: the metadata as read for the call that is running. */
export interface AssignerCluster {
  /** Empty for a topic that does not exist. */
  findTopicPartitionMetadata(topic: string): PartitionMetadata[];
  /** The partitions by their leader's node id. */
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>;
}

/** Makes an assigner; called once for each consumer. */
export type PartitionAssigner = (config: {
  cluster: AssignerCluster;
  groupId: string;
  logger: Logger;
}) => Assigner;
