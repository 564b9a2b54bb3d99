// A map of topics to types: the compiler knows the names, and what is sent to each.
import { type Admin, type Consumer, Kafka, type Producer } from "tablog";

interface Topics {
  orders: { key: string; value: string };
  payments: { value: Uint8Array };
}

const kafka = new Kafka<Topics>();
const producer: Producer<Topics> = kafka.producer();
const consumer: Consumer<Topics> = kafka.consumer({ groupId: "g" });
const admin: Admin<Topics> = kafka.admin();

await producer.send({ topic: "orders", messages: [{ key: "alice", value: "3 pears" }] });
await producer.sendBatch({
  topicMessages: [
    { topic: "orders", messages: [{ key: "alice", value: "3 pears" }] },
    { topic: "payments", messages: [{ value: new Uint8Array(8) }] },
  ],
});
// @ts-expect-error no such topic
await producer.send({ topic: "order", messages: [{ key: "alice", value: "3 pears" }] });
// @ts-expect-error orders have a key
await producer.send({ topic: "orders", messages: [{ value: "3 pears" }] });
// @ts-expect-error payments are bytes
await producer.sendBatch({ topicMessages: [{ topic: "payments", messages: [{ value: "5" }] }] });

await consumer.subscribe({ topics: ["orders", /^pay/], fromBeginning: true });
// @ts-expect-error no such topic
await consumer.subscribe({ topic: "order" });
await consumer.run({
  eachMessage: ({ topic }) => {
    const known: "orders" | "payments" = topic;
    // @ts-expect-error no such topic
    const unknown: "order" = topic;
    return Promise.reject(new Error(known + unknown));
  },
});
await admin.fetchTopicOffsets("payments");
// @ts-expect-error no such topic
await admin.fetchTopicOffsets("payment");

// A program's doubles and copies are clients, too, and methods can be taken apart.
const { send } = producer;
export const traced: Producer<Topics> = {
  ...producer,
  send: (record) => send({ ...record, acks: 1 }),
};
export const { run, stop }: Pick<Consumer, "run" | "stop"> = new Kafka().consumer({ groupId: "g" });
// @ts-expect-error not all that a producer is
export const half: Producer<Topics> = { send };
// @ts-expect-error values are no messages
export type Wrong = Kafka<{ orders: string }>;
