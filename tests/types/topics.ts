// A map of topics to types: what it allows, and what it refuses.
import {
  type Admin,
  type Consumer,
  type EachMessagePayload,
  Kafka,
  type Producer,
  type ProducerRecord,
} from "tablog";

interface Topics {
  orders: { key: string; value: string };
  clicks: { value: Uint8Array };
}

export async function typed(kafka: Kafka<Topics>): Promise<void> {
  const producer: Producer<Topics> = kafka.producer();
  await producer.send({ topic: "orders", messages: [{ key: "one", value: "bread" }], acks: 1 });
  await producer.sendBatch({
    topicMessages: [
      { topic: "orders", messages: [{ key: "one", value: "bread" }] },
      { topic: "clicks", messages: [{ value: new Uint8Array(1) }] },
    ],
  });
  // @ts-expect-error -- there is no such topic
  await producer.send({ topic: "order", messages: [{ key: "one", value: "bread" }] });
  // @ts-expect-error -- an order has a key
  await producer.send({ topic: "orders", messages: [{ value: "bread" }] });
  await producer.sendBatch({
    // @ts-expect-error -- a click's value is bytes
    topicMessages: [{ topic: "clicks", messages: [{ value: "bread" }] }],
  });

  const consumer: Consumer<Topics> = kafka.consumer({ groupId: "group" });
  await consumer.subscribe({ topics: ["orders", /^c/], fromBeginning: true });
  await consumer.subscribe({ topic: "clicks" });
  // @ts-expect-error -- there is no such topic
  await consumer.subscribe({ topics: ["order"] });
  await consumer.run({
    eachMessage: ({ topic, message }) => {
      const known: "orders" | "clicks" = topic;
      console.log(known, message.offset);
      return Promise.resolve();
    },
  });
  for await (const { topic } of consumer.messages()) {
    // @ts-expect-error -- no message is of another topic
    if (topic === "order") break;
  }

  const admin: Admin<Topics> = kafka.admin();
  await admin.fetchTopicOffsets("orders");
  // @ts-expect-error -- there is no such topic
  await admin.fetchTopicOffsets("order");
}

/** Without a map all is as in KafkaJS. */
export async function untyped(record: ProducerRecord): Promise<void> {
  const kafka = new Kafka();
  const producer: Producer = kafka.producer();
  await producer.send(record);
  const double: Producer = { ...producer, send: () => Promise.resolve([]) };
  await double.send({ topic: "any", messages: [{ value: null }] });
  const consumer: Consumer = kafka.consumer({ groupId: "group" });
  const eachMessage = ({ topic }: EachMessagePayload): Promise<void> => {
    console.log(topic);
    return Promise.resolve();
  };
  await consumer.run({ eachMessage });
  await using copy: Producer = { ...producer };
  await copy.connect();
}

// @ts-expect-error -- messages have values
export type Refused = Kafka<{ orders: { key: string } }>;
