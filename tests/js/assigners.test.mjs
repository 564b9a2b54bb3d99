import assert from "node:assert/strict";
import { test } from "node:test";
import { AssignerProtocol, Kafka, logLevel, PartitionAssigners } from "tablog";
import { memory } from "./memory.mjs";

/**
 * A cluster with a topic `t` of so many partitions, closed when the test ends.
 *
 * @param {import("node:test").TestContext} t
 * @param {number} numPartitions
 */
async function withTopic(t, numPartitions) {
  const kafka = memory(t);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "t", numPartitions }] });
  return { kafka, admin };
}

/**
 * Runs a member; gives what its `group_join` events tell, in order.
 *
 * @param {Kafka} kafka
 * @param {import("tablog").PartitionAssigner[]} partitionAssigners
 */
async function join(kafka, partitionAssigners, groupId = "g") {
  const consumer = kafka.consumer({ groupId, partitionAssigners, heartbeatInterval: 100 });
  /** @type {import("tablog").ConsumerGroupJoinEvent["payload"][]} */
  const joins = [];
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    joins.push(payload);
  });
  await consumer.connect();
  await consumer.subscribe({ topics: ["t"], fromBeginning: true });
  await consumer.run({ eachMessage: async () => Promise.resolve() });
  return { consumer, joins };
}

/** @param {() => boolean} isTrue */
async function until(isTrue) {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/**
 * As in KafkaJS's documentation: all partitions of a topic to the first member whose user data say
 * "strong".
 *
 * @param {string} name
 * @param {string} userData
 * @returns {import("tablog").PartitionAssigner}
 */
function toTheStrong(name, userData) {
  return ({ cluster }) => ({
    name,
    version: 1,
    async assign({ members, topics }) {
      const strength = new Map(
        members.map(({ memberId, memberMetadata }) => [
          memberId,
          AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData.toString(),
        ]),
      );
      const strong = members.find(({ memberId }) => strength.get(memberId) === "strong");
      return Promise.resolve(
        members.map(({ memberId }) => ({
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version: this.version,
            assignment: Object.fromEntries(
              topics.map((topic) => [
                topic,
                cluster
                  .findTopicPartitionMetadata(topic)
                  .map(({ partitionId }) => partitionId)
                  .filter(() => memberId === (strong ?? members[0])?.memberId),
              ]),
            ),
          }),
        })),
      );
    },
    protocol({ topics }) {
      return {
        name: this.name,
        metadata: AssignerProtocol.MemberMetadata.encode({
          version: this.version,
          topics,
          userData: Buffer.from(userData),
        }),
      };
    },
  });
}

test("an application's own assigner divides the partitions by what the members tell", async (t) => {
  const { kafka, admin } = await withTopic(t, 3);
  const weak = await join(kafka, [toTheStrong("strength", "weak")]);
  const [first] = weak.joins;
  assert.equal(first?.groupProtocol, "strength");
  assert.equal(first.isLeader, true);
  assert.deepEqual(first.memberAssignment, { t: [0, 1, 2] });
  const strong = await join(kafka, [toTheStrong("strength", "strong")]);
  assert.deepEqual(strong.joins.at(-1)?.memberAssignment, { t: [0, 1, 2] });
  await until(() => weak.joins.length === 2);
  assert.deepEqual(weak.joins[1]?.memberAssignment, {});
  const described = await admin.describeGroups(["g"]);
  const [group] = described.groups;
  assert.equal(group?.protocol, "strength");
  const userData = group.members.map(({ memberMetadata }) =>
    AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData.toString(),
  );
  assert.deepEqual(userData.sort(), ["strong", "weak"]);
  // The one that is left gets all.
  await strong.consumer.disconnect();
  await until(() => weak.joins.length === 3);
  assert.deepEqual(weak.joins[2]?.memberAssignment, { t: [0, 1, 2] });
});

test("own assigners and built-in ones are offered in the list's order", async (t) => {
  const { kafka } = await withTopic(t, 2);
  const own = toTheStrong("own", "weak");
  const both = await join(kafka, [own, PartitionAssigners.range]);
  assert.equal(both.joins[0]?.groupProtocol, "own");
  const plain = await join(kafka, [PartitionAssigners.range]);
  await until(() => both.joins.length === 2);
  assert.equal(both.joins[1]?.groupProtocol, "range");
  assert.equal(plain.joins[0]?.memberAssignment["t"]?.length, 1);
});

test("an assigner can be made from KafkaJS's round robin", async (t) => {
  const { kafka } = await withTopic(t, 4);
  /** @type {import("tablog").PartitionAssigner} */
  const wrapped = (config) => ({ ...PartitionAssigners.roundRobin(config), name: "wrapped" });
  const one = await join(kafka, [wrapped]);
  const two = await join(kafka, [wrapped]);
  await until(() => one.joins.length === 2);
  const assigned = [one, two].map(({ joins }) => joins.at(-1)?.memberAssignment["t"] ?? []);
  assert.deepEqual(
    assigned.map((partitions) => partitions.length),
    [2, 2],
  );
  assert.deepEqual(assigned.flat().sort(), [0, 1, 2, 3]);
  assert.equal(two.joins[0]?.groupProtocol, "wrapped");
});

for (const method of /** @type {const} */ (["assign", "protocol"])) {
  test(`an assigner whose ${method} throws ends its member, and the group goes on`, async (t) => {
    const { kafka } = await withTopic(t, 2);
    /** @type {import("tablog").PartitionAssigner} */
    const broken = (config) => ({
      ...toTheStrong("own", "weak")(config),
      [method]: () => {
        throw new RangeError("no idea");
      },
    });
    const consumer = kafka.consumer({ groupId: "g", partitionAssigners: [broken] });
    /** @type {Error[]} */
    const crashes = [];
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      crashes.push(payload.error);
    });
    await consumer.subscribe({ topics: ["t"] });
    const ready = assert.rejects(consumer.ready(), {
      name: "KafkaJSNonRetriableError",
      message: `Partition assigner "own": ${method} failed: no idea`,
      groupId: "g",
      retriable: false,
    });
    await consumer.run({ eachMessage: async () => Promise.resolve() });
    await ready;
    await until(() => crashes.length === 1);
    assert.ok(crashes[0]?.cause instanceof RangeError);
    const healthy = await join(kafka, [toTheStrong("own", "weak")]);
    assert.deepEqual(healthy.joins[0]?.memberAssignment, { t: [0, 1] });
  });
}

test("an assigner that is none is refused at once", () => {
  const kafka = new Kafka({ storage: "memory", logLevel: logLevel.NOTHING });
  const make = (/** @type {unknown} */ assigner) => () =>
    kafka.consumer({
      groupId: "g",
      partitionAssigners: [() => /** @type {import("tablog").Assigner} */ (assigner)],
    });
  const error = { name: "KafkaJSNonRetriableError", type: "INVALID_REQUEST" };
  for (const assigner of [null, { name: "x", version: 0 }]) assert.throws(make(assigner), error);
});
