import { type Consumer, Kafka, type KafkaConfig, type Producer } from "tablog";
import { Kafka as InlineKafka } from "tablog/inline";

const configs: KafkaConfig[] = [
  {},
  { storage: "indexeddb", worker: true },
  { storage: "memory", worker: false },
  { storage: "memory" },
  { worker: "https://cdn.example/worker.js", wasm: new Uint8Array(8) },
];
for (const config of configs) new Kafka(config);

// @ts-expect-error IndexedDB needs workers
new Kafka({ storage: "indexeddb", worker: false });
// @ts-expect-error IndexedDB is the default
new Kafka({ worker: false });
// @ts-expect-error no worker is made of a number
new Kafka({ worker: 1 });

export async function roundTrip(kafka: Kafka | InlineKafka): Promise<string | undefined> {
  const producer: Producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "t", messages: [{ value: "v" }] });
  const consumer: Consumer = kafka.consumer({ groupId: "g" });
  await consumer.subscribe({ topics: ["t"], fromBeginning: true });
  for await (const { message } of consumer.messages()) return message.value?.toString();
  return undefined;
}
