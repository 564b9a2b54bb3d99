// How a group's partitions are shared among its members: assigners of ours, and the application's.
import { KafkaJSNonRetriableError, KafkaJSTopicMetadataNotLoaded } from "../errors/errors.js";
import { isBytes, isError } from "../errors/realm.js";
import { invalid, notImplemented } from "../errors/refusals.js";
import type {
  Assigner,
  AssignerCluster,
  GroupMemberAssignment,
  GroupState,
  PartitionAssigner,
} from "../types/assigner.js";
import type { Logger } from "../types/logger.js";
import { MessageBytes } from "../types/message_bytes.js";
import type { PartitionMetadata } from "../types/partition.js";
import { AssignerProtocol } from "./assigner_protocol.js";

const wireNames = new WeakMap<PartitionAssigner, string>();

function builtIn(name: string, assigner: PartitionAssigner): PartitionAssigner {
  wireNames.set(assigner, name);
  return assigner;
}

/** An assigner that runs in the wasm only. */
function wasmOnly(name: string): PartitionAssigner {
  const refuse = (): never => {
    throw notImplemented(`the assigner "${name}" as a part of another`);
  };
  return builtIn(name, () => ({ name, version: 0, assign: refuse, protocol: refuse }));
}

/**
 * The assigners that run in the wasm, each named as KafkaJS or Kafka's clients name it. `roundRobin`
 * can also be a part of an application's own.
 */
export const PartitionAssigners = {
  /** KafkaJS's default; members that run KafkaJS can be in the same group. */
  roundRobin: /* @__PURE__ */ builtIn("RoundRobinAssigner", ({ cluster }) => ({
    name: "RoundRobinAssigner",
    version: 0,
    assign({ members, topics }) {
      const memberIds = members.map(({ memberId }) => memberId).sort();
      // A topic may be called what objects have already.
      const assignments = new Map(memberIds.map((id) => [id, new Map<string, number[]>()]));
      const partitions = topics.flatMap((topic) =>
        cluster
          .findTopicPartitionMetadata(topic)
          .map(({ partitionId }) => ({ topic, partitionId })),
      );
      partitions.forEach(({ topic, partitionId }, index) => {
        const assignment = assignments.get(memberIds[index % memberIds.length] ?? "");
        const own = assignment?.get(topic) ?? [];
        own.push(partitionId);
        assignment?.set(topic, own);
      });
      return Array.from(assignments, ([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: this.version,
          assignment: Object.fromEntries(assignment),
        }),
      }));
    },
    protocol({ topics }) {
      const { name, version } = this;
      return { name, metadata: AssignerProtocol.MemberMetadata.encode({ version, topics }) };
    },
  })),
  /** Kafka's `RangeAssignor`. */
  range: /* @__PURE__ */ wasmOnly("range"),
  /** Kafka's `RoundRobinAssignor`. */
  kafkaRoundRobin: /* @__PURE__ */ wasmOnly("roundrobin"),
  /** Kafka's `CooperativeStickyAssignor` (KIP-429): members keep what they have. */
  cooperativeSticky: /* @__PURE__ */ wasmOnly("cooperative-sticky"),
};

/** What the wasm asks; see `src/bindings/consumer_client.rs`. */
export interface AssignorQuestion {
  question: number;
  /** The assigner that is to assign, or null: what each tells the leader is wanted. */
  assignor: string | null;
  members: { memberId: string; groupInstanceId?: string; memberMetadata: number[] }[];
  topics: string[];
  known: Record<string, PartitionMetadata[]>;
}

/** An answer to the wasm: bytes for a member, or of an assigner. */
export interface AssignorAnswer {
  name: string;
  bytes: number[];
}

/** The assigners of one consumer. */
export class Assigners {
  /** For the wasm: what is offered to the group, the best first. */
  readonly offered: { name: string; builtIn: boolean }[];
  readonly #own = new Map<string, Assigner>();
  readonly #groupId: string;
  #known: Map<string, PartitionMetadata[]> | undefined;

  constructor(
    partitionAssigners: readonly PartitionAssigner[],
    { groupId, logger }: { groupId: string; logger: Logger },
  ) {
    const isArray: boolean = Array.isArray(partitionAssigners);
    if (!isArray) throw invalid("partitionAssigners must be an array");
    this.#groupId = groupId;
    const cluster: AssignerCluster = {
      findTopicPartitionMetadata: (topic) => this.#partitions(topic),
      findLeaderForPartitions: (topic, partitions) => this.#leaders(topic, partitions),
    };
    this.offered = partitionAssigners.map((partitionAssigner) => {
      const name = wireNames.get(partitionAssigner);
      if (name !== undefined) return { name, builtIn: true };
      const assigner = checked(partitionAssigner({ cluster, groupId, logger }));
      this.#own.set(assigner.name, assigner);
      return { name: assigner.name, builtIn: false };
    });
  }

  /** Calls the application's assigners. Rejects with an error that names the one that failed. */
  async answer({ assignor, members, topics, known }: AssignorQuestion): Promise<AssignorAnswer[]> {
    this.#known = new Map(Object.entries(known));
    if (assignor === null) {
      return Promise.all(
        Array.from(this.#own.values(), (assigner) => this.#metadata(assigner, topics)),
      );
    }
    const assigner = this.#own.get(assignor);
    if (assigner === undefined) throw this.#failure(assignor, "it was not offered");
    const group = {
      topics,
      members: members.map(({ memberMetadata, ...member }) => ({
        ...member,
        memberMetadata: MessageBytes.copyOf(memberMetadata),
      })),
    };
    const assignments: unknown = await this.#call(assignor, "assign", () => assigner.assign(group));
    if (!Array.isArray(assignments)) throw this.#failure(assignor, "assign gave no array");
    return (assignments as (Partial<GroupMemberAssignment> | null)[]).map((given) => {
      const { memberId, memberAssignment } = given ?? {};
      if (typeof memberId !== "string" || !isBytes(memberAssignment)) {
        throw this.#failure(assignor, "assign must give { memberId, memberAssignment: bytes }");
      }
      return { name: memberId, bytes: Array.from(memberAssignment) };
    });
  }

  async #metadata(assigner: Assigner, topics: string[]): Promise<AssignorAnswer> {
    const state: Partial<GroupState> | undefined = await this.#call(assigner.name, "protocol", () =>
      assigner.protocol({ topics }),
    );
    if (state.name !== assigner.name || !isBytes(state.metadata)) {
      const message = "protocol must give { name, metadata: bytes } with the assigner's name";
      throw this.#failure(assigner.name, message);
    }
    return { name: assigner.name, bytes: Array.from(state.metadata) };
  }

  async #call<Result>(
    name: string,
    method: string,
    call: () => Result | Promise<Result>,
  ): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      const message = isError(error) ? error.message : String(error);
      throw this.#failure(name, `${method} failed: ${message}`, error);
    }
  }

  #failure(name: string, message: string, cause?: unknown): KafkaJSNonRetriableError {
    return new KafkaJSNonRetriableError(`Partition assigner "${name}": ${message}`, {
      groupId: this.#groupId,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #partitions(topic: string): PartitionMetadata[] {
    if (this.#known === undefined) {
      throw new KafkaJSTopicMetadataNotLoaded("Topic metadata not loaded", { topic });
    }
    return this.#known.get(topic) ?? [];
  }

  #leaders(topic: string, partitions: number[]): Record<string, number[]> {
    const leaders = new Map<number, number[]>();
    for (const { partitionId, leader } of this.#partitions(topic)) {
      if (!partitions.includes(partitionId)) continue;
      leaders.set(leader, [...(leaders.get(leader) ?? []), partitionId]);
    }
    return Object.fromEntries(leaders);
  }
}

function checked(assigner: unknown): Assigner {
  const { name, assign, protocol } = (assigner ?? {}) as Partial<Assigner>;
  const complete = typeof assign === "function" && typeof protocol === "function";
  if (typeof name !== "string" || name === "" || !complete) {
    throw invalid("A partition assigner must have a name, assign and protocol");
  }
  return assigner as Assigner;
}
