// How a group's partitions are shared among its members.
import { invalid, notImplemented } from "./refusals.js";

/** Makes an assigner. Only those of `PartitionAssigners` are served. */
// KafkaJS's own parameter, which programs that bring an assigner destructure.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type PartitionAssigner = (config: any) => { name: string; version: number };

const wireNames = new WeakMap<PartitionAssigner, string>();

function builtIn(name: string): PartitionAssigner {
  const assigner: PartitionAssigner = () => ({ name, version: 0 });
  wireNames.set(assigner, name);
  return assigner;
}

/** The assigners that run in the wasm, each named as KafkaJS or Kafka's clients name it. */
export const PartitionAssigners = {
  /** KafkaJS's default; members that run KafkaJS can be in the same group. */
  roundRobin: /* @__PURE__ */ builtIn("RoundRobinAssigner"),
  /** Kafka's `RangeAssignor`. */
  range: /* @__PURE__ */ builtIn("range"),
  /** Kafka's `RoundRobinAssignor`. */
  kafkaRoundRobin: /* @__PURE__ */ builtIn("roundrobin"),
  /** Kafka's `CooperativeStickyAssignor` (KIP-429): members keep what they have. */
  cooperativeSticky: /* @__PURE__ */ builtIn("cooperative-sticky"),
};

/** The wire names of assigners, the best first. */
export function assignerNames(assigners: readonly PartitionAssigner[]): string[] {
  if (!(assigners instanceof Array)) throw invalid("partitionAssigners must be an array");
  return assigners.map((assigner) => {
    const name = wireNames.get(assigner);
    if (name === undefined) throw notImplemented("partition assigners of the application's own");
    return name;
  });
}
